//! The parts that authorize MCP clients, put together from the configuration.

use std::{net::SocketAddr, sync::Arc};

use url::Url;

use crate::{
    auth::{
        AuthError,
        clock::Clock,
        facade::{
            ClientDocuments, Facade, Lifetimes, Options,
            documents::Reach,
            redis::Redis,
            store::{Memory, Store, StoreError},
        },
        http::AuthHttp,
        protected_resource::{ProtectedResource, TokenCheck},
        resource_server::ResourceServer,
        seal::{CryptoError, SealKey},
        smart::Authentication,
    },
    client::{Secret, Tls, service_base::host_and_port},
    config::{self, Config, DataSource, Upstream, upstream::Method},
    mcp,
    transport::authorization::Authorization,
};

/// Why clients cannot be authorized.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthorizationError {
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("--token-store does not work")]
    Store(#[from] StoreError),
    #[error("set FHIR_SERVER_BASE_URL: users sign in at a FHIR server")]
    NoServer,
    #[error("the HTTP client for metadata of clients cannot be set up")]
    Documents(#[source] reqwest::Error),
    #[error("set FHIR_MCP_SERVER_URL to the URL that clients use: FHIR_MCP_HOST makes none")]
    Url(#[from] url::ParseError),
}

/// The URL that clients use: the one that is set, or else the address.
pub(super) fn base(config: &Config, address: SocketAddr) -> Result<Url, url::ParseError> {
    if let Some(url) = &config.public_url {
        return Ok(url.clone());
    }
    // Nobody connects to "all addresses" by that name.
    let host = match config.listen.host.as_str() {
        _ if address.ip().is_unspecified() => "localhost".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    Url::parse(&format!("http://{host}:{}", address.port()))
}

/// How clients at `base` are authorized; `None` where they are not.
pub(super) async fn authorization(
    config: &Config,
    base: &Url,
) -> Result<Option<Arc<Authorization>>, AuthorizationError> {
    let (resource, check, facade): (_, Arc<dyn TokenCheck>, _) = match &config.authorization {
        config::Authorization::Open => return Ok(None),
        config::Authorization::ResourceServer { issuer } => {
            let resource = ProtectedResource::new(base, issuer, config.allow_writes);
            let near = Url::parse(issuer)?;
            let http = AuthHttp::new(&roots(config), &near)?;
            let check = ResourceServer::new(issuer, resource.clone(), http, Clock::default());
            (resource, Arc::new(check), None)
        }
        config::Authorization::Facade(settings) => {
            let facade = facade(config, settings, base).await?;
            (
                facade.resource().clone(),
                Arc::new(facade.clone()),
                Some(facade),
            )
        }
    };
    Ok(Some(Arc::new(Authorization {
        resource,
        check,
        facade,
        writes: mcp::is_write,
    })))
}

/// The authorities to trust; a client certificate is for the FHIR server alone.
fn roots(config: &Config) -> Tls {
    let roots = match &config.data {
        DataSource::Server { upstream, .. } => upstream.tls.roots.clone(),
        DataSource::Fixtures(_) => None,
    };
    Tls {
        roots,
        ..Tls::default()
    }
}

async fn facade(
    config: &Config,
    settings: &config::Facade,
    base: &Url,
) -> Result<Facade, AuthorizationError> {
    let clock = Clock::default();
    let DataSource::Server {
        base: fhir_base,
        upstream,
        ..
    } = &config.data
    else {
        return Err(AuthorizationError::NoServer);
    };
    let client = upstream.smart_client(fhir_base)?;
    let client = client.ok_or(AuthorizationError::NoServer)?;
    let secret = operator_secret(settings, upstream);
    let key = seal_key(secret)?;
    let store: Arc<dyn Store> = match &settings.token_store {
        None => Arc::new(Memory::new(clock.clone())),
        Some(url) => {
            let redis = Redis::new(url)?;
            redis.ping().await?;
            Arc::new(redis)
        }
    };
    Ok(Facade::new(Options {
        resource: ProtectedResource::new(
            base,
            base.as_str().trim_end_matches('/'),
            config.allow_writes,
        ),
        fhir_server: host_and_port(fhir_base),
        upstream: Arc::new(client),
        headers: upstream.headers.clone(),
        store,
        key: Arc::new(key),
        documents: ClientDocuments::new(Reach::Internet).map_err(AuthorizationError::Documents)?,
        clock,
        lifetimes: Lifetimes::default(),
    }))
}

/// The key that seals. It outlives a restart where the operator gave a secret
/// that does, so that clients need not register again.
fn seal_key(secret: Option<&Secret>) -> Result<SealKey, CryptoError> {
    if let Some(secret) = secret {
        return SealKey::derive(secret.expose().as_bytes());
    }
    tracing::warn!(
        "MCP clients must register again after a restart: set FHIR_MCP_SEAL_KEY to keep them"
    );
    SealKey::random()
}

fn operator_secret<'a>(settings: &'a config::Facade, upstream: &'a Upstream) -> Option<&'a Secret> {
    let client_secret = match &upstream.method {
        Method::AuthorizationCode(client) => match &client.authentication {
            Authentication::Secret(secret) => Some(secret),
            _ => None,
        },
        _ => None,
    };
    settings.seal_key.as_ref().or(client_secret)
}
