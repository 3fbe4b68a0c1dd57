//! Where the authorization server of a FHIR server is
//! ([SMART App Launch 2.2, Conformance](https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html)).

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use url::{Origin, Url};

use crate::{
    auth::{endpoint, error::AuthError, http::AuthHttp},
    client::{credential::Headers, service_base::host_and_port},
};

/// What is asked for, in messages.
const WHAT: &str = "the request for its SMART configuration";
/// Extension of a CapabilityStatement that older servers name endpoints by.
const OAUTH_URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";

/// What a FHIR server says of its authorization. Endpoints are absolute and
/// were checked; a member that is missing was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmartConfiguration {
    /// Issuer of id tokens; many servers leave it out.
    pub issuer: Option<String>,
    /// Keys of the issuer; why they are not used is told when they are needed.
    pub jwks_uri: Option<Result<Url, AuthError>>,
    /// Where a person signs in.
    pub authorization_endpoint: Option<Url>,
    /// Where tokens are given.
    pub token_endpoint: Option<Url>,
    /// Ways to prove who the client is; empty when the server does not say.
    pub token_endpoint_auth_methods: Vec<String>,
    /// PKCE methods; `None` when the server does not say.
    pub code_challenge_methods: Option<Vec<String>>,
    /// Whether answers to authorization requests name the issuer
    /// ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    pub names_issuer: bool,
}

impl SmartConfiguration {
    /// Reads `.well-known/smart-configuration` of this base. Members of the
    /// wrong kind count as missing.
    ///
    /// # Errors
    /// [`AuthError::Unusable`] when it is no JSON object, and
    /// [`AuthError::Endpoint`] for an endpoint that nothing is sent to.
    pub fn parse(body: &[u8], base: &Url) -> Result<Self, AuthError> {
        let document: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body)
            .map_err(|_error| unusable(base, "it is no JSON object"))?;
        let text = |name: &str| document.get(name)?.as_str().map(ToOwned::to_owned);
        let list = |name: &str| {
            let list = document.get(name)?.as_array()?;
            let texts = list.iter().filter_map(|item| item.as_str());
            Some(texts.map(ToOwned::to_owned).collect::<Vec<_>>())
        };
        let url = |name| resolve(name, text(name), base);
        Ok(Self {
            issuer: text("issuer"),
            jwks_uri: url("jwks_uri").transpose(),
            authorization_endpoint: url("authorization_endpoint")?,
            token_endpoint: url("token_endpoint")?,
            token_endpoint_auth_methods: list("token_endpoint_auth_methods_supported")
                .unwrap_or_default(),
            code_challenge_methods: list("code_challenge_methods_supported"),
            names_issuer: document
                .get("authorization_response_iss_parameter_supported")
                .and_then(serde_json::Value::as_bool)
                .unwrap_or(false),
        })
    }

    /// Reads the endpoints of a CapabilityStatement, which is how servers named
    /// them before SMART App Launch 2.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_capability_statement(body: &[u8], base: &Url) -> Result<Self, AuthError> {
        let statement: Statement = serde_json::from_slice(body)
            .map_err(|_error| unusable(base, "its CapabilityStatement cannot be read"))?;
        let rests = statement.rest.into_iter();
        let uris: Vec<Extension> = rests
            .flat_map(|rest| rest.security.extension)
            .filter(|extension| extension.url == OAUTH_URIS)
            .flat_map(|extension| extension.extension)
            .collect();
        let url = |name, part: &str| {
            let found = uris.iter().find(|extension| extension.url == part);
            resolve(name, found.and_then(|uri| uri.value_uri.clone()), base)
        };
        Ok(Self {
            authorization_endpoint: url("authorization_endpoint", "authorize")?,
            token_endpoint: url("token_endpoint", "token")?,
            ..Self::default()
        })
    }
}

#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    rest: Vec<Rest>,
}

#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    security: Security,
}

#[derive(Default, Deserialize)]
struct Security {
    #[serde(default)]
    extension: Vec<Extension>,
}

#[derive(Deserialize)]
struct Extension {
    #[serde(default)]
    url: String,
    #[serde(rename = "valueUri")]
    value_uri: Option<String>,
    #[serde(default)]
    extension: Vec<Extension>,
}

/// An endpoint, absolute or relative to the base.
fn resolve(
    name: &'static str,
    value: Option<String>,
    base: &Url,
) -> Result<Option<Url>, AuthError> {
    let Some(value) = value.filter(|value| !value.trim().is_empty()) else {
        return Ok(None);
    };
    let url = below(base, "").join(value.trim());
    let url = url.map_err(|_error| AuthError::Endpoint {
        name,
        reason: "it is no URL".to_owned(),
    })?;
    endpoint::check(name, &url, base)?;
    Ok(Some(url))
}

/// The base with a path behind its own.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

fn unusable(base: &Url, reason: &str) -> AuthError {
    AuthError::Unusable {
        what: WHAT,
        host: host_and_port(base),
        reason: reason.to_owned(),
    }
}

/// The SMART configuration of one FHIR server, fetched when it is needed.
#[derive(Debug)]
pub struct Discovery {
    http: AuthHttp,
    base: Url,
    /// Of requests below the base.
    headers: Headers,
    cached: Mutex<Option<(Instant, Arc<SmartConfiguration>)>>,
    /// Where secrets went first; they go nowhere else afterwards.
    pinned: OnceLock<Origin>,
}

impl Discovery {
    /// For the FHIR server with this base; requests to it carry the headers.
    pub fn new(http: AuthHttp, base: Url, headers: Headers) -> Self {
        Self {
            http,
            base,
            headers,
            cached: Mutex::default(),
            pinned: OnceLock::new(),
        }
    }

    /// The configuration, at most an hour old. Where it cannot be renewed the
    /// old one goes on.
    ///
    /// # Errors
    /// [`AuthError`] when there is none that can be used.
    pub async fn get(&self) -> Result<Arc<SmartConfiguration>, AuthError> {
        let mut cached = self.cached.lock().await;
        if let Some((until, configuration)) = cached.as_ref()
            && Instant::now() < *until
        {
            return Ok(Arc::clone(configuration));
        }
        let (configuration, max_age) = match (self.fetch().await, cached.as_ref()) {
            (Ok(fetched), _) => fetched,
            (Err(error @ AuthError::Endpoint { .. }), _) | (Err(error), None) => return Err(error),
            (Err(error), Some((_, old))) => {
                tracing::warn!(%error, "the old SMART configuration goes on");
                let old = Arc::clone(old);
                *cached = Some((Instant::now() + Duration::from_secs(60), Arc::clone(&old)));
                return Ok(old);
            }
        };
        self.pin(&configuration)?;
        let configuration = Arc::new(configuration);
        *cached = Some((Instant::now() + max_age, Arc::clone(&configuration)));
        Ok(configuration)
    }

    /// Has it fetched anew next time: something that it names did not work.
    pub async fn distrust(&self) {
        if let Some((until, _)) = self.cached.lock().await.as_mut() {
            *until = Instant::now();
        }
    }

    async fn fetch(&self) -> Result<(SmartConfiguration, Duration), AuthError> {
        let url = below(&self.base, ".well-known/smart-configuration");
        let failure = match self.http.get_with(&url, &self.headers, WHAT).await {
            Ok(document) => match SmartConfiguration::parse(&document.body, &self.base) {
                Ok(found) if found.token_endpoint.is_some() => {
                    return Ok((found, document.max_age));
                }
                Ok(_) => AuthError::NoEndpoint("token endpoint"),
                Err(error @ AuthError::Endpoint { .. }) => return Err(error),
                Err(error) => error,
            },
            Err(error @ AuthError::Connection { .. }) => return Err(error),
            Err(error) => error,
        };
        let mut url = below(&self.base, "metadata");
        url.set_query(Some("_format=json"));
        let what = "the request for its capabilities";
        let document = self.http.get_with(&url, &self.headers, what).await;
        let document = document.map_err(|_error| failure)?;
        let found = SmartConfiguration::from_capability_statement(&document.body, &self.base)?;
        match found.token_endpoint {
            Some(_) => Ok((found, document.max_age)),
            None => Err(AuthError::NoEndpoint("token endpoint")),
        }
    }

    /// A token endpoint that moved to another host would get our secrets.
    fn pin(&self, configuration: &SmartConfiguration) -> Result<(), AuthError> {
        let Some(endpoint) = &configuration.token_endpoint else {
            return Ok(());
        };
        let origin = endpoint.origin();
        match *self.pinned.get_or_init(|| origin.clone()) == origin {
            true => Ok(()),
            false => Err(AuthError::Endpoint {
                name: "token_endpoint",
                reason: format!(
                    "it moved to {}; restart if that is right",
                    host_and_port(endpoint)
                ),
            }),
        }
    }
}
