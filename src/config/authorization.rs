//! How MCP clients are authorized over HTTP. The mode follows from what is set;
//! settings that contradict each other stop the start.

use std::{net::IpAddr, str::FromStr};

use reqwest::header::{AUTHORIZATION, HeaderName};
use url::Url;

use super::{
    ConfigError, DataSource, Environment, Flags, TransportKind, Upstream, boolean, env,
    is_loopback, upstream::Method, web_url,
};
use crate::{
    auth::smart::Authentication,
    client::{Secret, service_base},
};

/// Fewest characters of `FHIR_MCP_SEAL_KEY`.
const MIN_SEAL_KEY: usize = 32;

/// How MCP clients are authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// Not at all: whoever reaches the server may call. Over stdio that is
    /// whoever started it.
    Open,
    /// Another server gives out tokens for this one.
    ResourceServer {
        /// Its issuer identifier, to the letter.
        issuer: String,
    },
    /// This server gives out tokens, after a sign-in at the FHIR server's
    /// authorization server.
    Facade(Facade),
}

/// What the facade needs, beside the OAuth client that users sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facade {
    /// Secret that seals what leaves the server; the same on each replica.
    pub seal_key: Option<Secret>,
    /// URL of a Redis server that keeps the sessions, with its password; memory
    /// otherwise.
    pub token_store: Option<Secret>,
}

/// Settings about authorization that cannot work, or not together. Each message
/// is one sentence that says what to set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// Authorization that is asked for and turned off.
    #[error(
        "Remove either {setting} or FHIR_SERVER_DISABLE_AUTHORIZATION=True: the first authorizes MCP clients, the second says that nobody does."
    )]
    AskedForAndDisabled {
        /// What asks for it.
        setting: &'static str,
    },
    /// Two servers that would give out tokens.
    #[error(
        "Remove either FHIR_MCP_AUTHORIZATION_SERVER or FHIR_SERVER_CLIENT_ID with FHIR_SERVER_SCOPES, or set FHIR_SERVER_AUTH_GRANT to client_credentials: with the first another server authorizes MCP clients, with the second this one does, unless the client signs in at the FHIR server for itself."
    )]
    TwoModes,
    /// Users would sign in where there is nothing to sign in at.
    #[error(
        "Remove either FHIR_SERVER_CLIENT_ID or --fixtures: users sign in at a FHIR server, and files are served without one."
    )]
    NothingToSignInAt,
    /// One identity at the FHIR server for all users.
    #[error(
        "Remove {setting}, or pass --shared-upstream if every user of this server may do all that it lets this server do at the FHIR server."
    )]
    SharedToken {
        /// What lets this server in.
        setting: &'static str,
    },
    /// A credential behind an open door that nobody said to be open.
    #[error(
        "Set FHIR_SERVER_DISABLE_AUTHORIZATION=True if every program on this machine may use {setting} through this server, or authorize MCP clients with FHIR_MCP_AUTHORIZATION_SERVER, or use --transport stdio."
    )]
    CredentialWithoutWord {
        /// What lets this server in.
        setting: &'static str,
    },
    /// Authorization without a way.
    #[error(
        "Set FHIR_MCP_AUTHORIZATION_SERVER, or FHIR_SERVER_CLIENT_ID with FHIR_SERVER_SCOPES: FHIR_SERVER_DISABLE_AUTHORIZATION=False asks for authorization, and nothing says by whom."
    )]
    NoWay,
    /// An open server that others can reach.
    #[error(
        "Set FHIR_MCP_HOST to localhost, 127.0.0.1 or ::1, or authorize MCP clients (FHIR_MCP_AUTHORIZATION_SERVER, or FHIR_SERVER_CLIENT_ID with FHIR_SERVER_SCOPES), or pass --open-to-network if everyone who reaches `{host}` may read every record."
    )]
    NotLoopback {
        /// The value of `FHIR_MCP_HOST`.
        host: String,
    },
    /// A switch for open servers on one that is not.
    #[error("Remove --open-to-network: MCP clients are authorized, so that it means nothing.")]
    OpenAndAuthorized,
    /// Tokens over plain text, or a name that no client can use.
    #[error(
        "Set FHIR_MCP_SERVER_URL to the https URL that clients use: tokens and sign-ins go over plain http on loopback alone."
    )]
    PublicUrl,
    /// Keys of tokens over plain text.
    #[error("Set FHIR_MCP_AUTHORIZATION_SERVER to an https URL: {reason}.")]
    Issuer {
        /// What is wrong.
        reason: &'static str,
    },
    /// A key that can be guessed.
    #[error(
        "Set FHIR_MCP_SEAL_KEY to at least 32 random characters, for instance those that `openssl rand -base64 32` prints."
    )]
    SealKey,
    /// What is sealed would lie beside its key.
    #[error(
        "Set FHIR_MCP_SEAL_KEY, on each replica the same, to use --token-store: without a client secret there is nothing else that Redis does not know, to seal sign-ins with."
    )]
    SealKeyForStore,
    /// A store that is none.
    #[error("Pass --token-store a URL like redis://localhost:6379.")]
    TokenStore,
    /// A store for tokens that nobody gives out.
    #[error(
        "Remove {setting}: it is for FHIR_SERVER_CLIENT_ID with FHIR_SERVER_SCOPES, where this server gives out tokens itself."
    )]
    WithoutFacade {
        /// What means nothing.
        setting: &'static str,
    },
}

/// What is set.
struct Settings<'a> {
    flags: &'a Flags,
    issuer: Option<&'a str>,
    client_id: bool,
    seal_key: Option<Secret>,
    disabled: Option<bool>,
    upstream: Option<&'a Upstream>,
}

impl Authorization {
    /// The mode that follows from what is set.
    ///
    /// # Errors
    /// [`ConfigError::Authorization`], and [`ConfigError::Boolean`].
    pub fn new(
        flags: &Flags,
        environment: &Environment,
        data: &DataSource,
        host: &str,
    ) -> Result<Self, ConfigError> {
        if flags.transport == TransportKind::Stdio {
            return Ok(Self::Open);
        }
        let settings = Settings {
            flags,
            issuer: environment.get(env::MCP_AUTHORIZATION_SERVER),
            client_id: environment.get(env::SERVER_CLIENT_ID).is_some(),
            seal_key: seal_key(environment)?,
            disabled: boolean(environment, env::SERVER_DISABLE_AUTHORIZATION)?,
            upstream: match data {
                DataSource::Server { upstream, .. } => Some(upstream),
                DataSource::Fixtures(_) => None,
            },
        };
        let authorization = settings.mode()?;
        settings.without_facade(&authorization)?;
        match &authorization {
            Self::Open => settings.check_open(host)?,
            _ => check_url(web_url(environment, env::MCP_SERVER_URL)?.as_ref(), host)?,
        }
        Ok(authorization)
    }

    /// Whether clients need no token.
    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }
}

impl Settings<'_> {
    fn mode(&self) -> Result<Authorization, AuthorizationError> {
        let disabled = self.disabled == Some(true);
        let clash = |setting| AuthorizationError::AskedForAndDisabled { setting };
        match (self.issuer, self.users_sign_in()?) {
            (Some(_), true) => Err(AuthorizationError::TwoModes),
            (Some(_), false) if disabled => Err(clash(env::MCP_AUTHORIZATION_SERVER)),
            (None, true) if disabled => Err(clash(env::SERVER_CLIENT_ID)),
            (Some(issuer), false) => self.resource_server(issuer),
            (None, true) => self.facade(),
            (None, false) => self.open(),
        }
    }

    /// Whether the way in at the FHIR server is a sign-in of each user.
    fn users_sign_in(&self) -> Result<bool, AuthorizationError> {
        match self.upstream {
            Some(upstream) => Ok(matches!(upstream.method, Method::AuthorizationCode(_))),
            None if self.client_id => Err(AuthorizationError::NothingToSignInAt),
            None => Ok(false),
        }
    }

    /// The setting with which this server itself gets in at the FHIR server.
    fn credential(&self) -> Option<&'static str> {
        let upstream = self.upstream?;
        match upstream.method {
            Method::None if upstream.headers.is_empty() => None,
            Method::None => Some(env::AUTH_HEADERS),
            _ => self.identity(),
        }
    }

    /// The same where the FHIR server tells by it who asks, and not only that
    /// some gateway lets the request through.
    fn identity(&self) -> Option<&'static str> {
        let upstream = self.upstream?;
        let authorizes = |(name, _): &(HeaderName, _)| *name == AUTHORIZATION;
        match upstream.method {
            Method::Token(_) => Some(env::SERVER_ACCESS_TOKEN),
            Method::TokenFile(_) => Some(env::AUTH_TOKEN_FILE),
            Method::Basic(..) => Some(env::AUTH_USERNAME),
            Method::ClientCredentials(_) => Some(env::SERVER_CLIENT_ID),
            Method::None if upstream.headers.iter().any(authorizes) => Some(env::AUTH_HEADERS),
            Method::None | Method::AuthorizationCode(_) => None,
        }
    }

    /// Whatever users are told apart by here, the FHIR server sees one.
    fn check_shared(&self) -> Result<(), AuthorizationError> {
        match self.identity() {
            Some(setting) if !self.flags.shared_upstream => {
                Err(AuthorizationError::SharedToken { setting })
            }
            _ => Ok(()),
        }
    }

    fn resource_server(&self, issuer: &str) -> Result<Authorization, AuthorizationError> {
        let wrong = |reason| AuthorizationError::Issuer { reason };
        let url = Url::parse(issuer).map_err(|_error| wrong("found no URL"))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(wrong("found a query, a fragment or a user name"));
        }
        if !is_private_enough(&url) {
            return Err(wrong("plain http is for loopback alone"));
        }
        self.check_shared()?;
        Ok(Authorization::ResourceServer {
            issuer: issuer.to_owned(),
        })
    }

    fn facade(&self) -> Result<Authorization, AuthorizationError> {
        let is_store = |store: &String| Url::parse(store).is_ok_and(|url| url.scheme() == "redis");
        if self
            .flags
            .token_store
            .as_ref()
            .is_some_and(|url| !is_store(url))
        {
            return Err(AuthorizationError::TokenStore);
        }
        if self.flags.token_store.is_some() && self.seal_key.is_none() && !self.has_client_secret()
        {
            return Err(AuthorizationError::SealKeyForStore);
        }
        Ok(Authorization::Facade(Facade {
            seal_key: self.seal_key.clone(),
            token_store: self.flags.token_store.clone().map(Secret::new),
        }))
    }

    fn has_client_secret(&self) -> bool {
        let method = self.upstream.map(|upstream| &upstream.method);
        matches!(
            method,
            Some(Method::AuthorizationCode(client))
                if matches!(client.authentication, Authentication::Secret(_))
        )
    }

    fn open(&self) -> Result<Authorization, AuthorizationError> {
        if self.disabled == Some(true) {
            return Ok(Authorization::Open);
        }
        match (self.disabled, self.credential()) {
            (Some(false), _) => Err(AuthorizationError::NoWay),
            (_, Some(setting)) => Err(AuthorizationError::CredentialWithoutWord { setting }),
            _ => Ok(Authorization::Open),
        }
    }

    fn without_facade(&self, authorization: &Authorization) -> Result<(), AuthorizationError> {
        let without = |setting| Err(AuthorizationError::WithoutFacade { setting });
        match authorization {
            Authorization::Facade(_) => Ok(()),
            _ if self.flags.token_store.is_some() => without("--token-store"),
            Authorization::ResourceServer { .. } | Authorization::Open => Ok(()),
        }?;
        if self.flags.open_to_network && !authorization.is_open() {
            return Err(AuthorizationError::OpenAndAuthorized);
        }
        Ok(())
    }

    fn check_open(&self, host: &str) -> Result<(), AuthorizationError> {
        if is_loopback(host) {
            return Ok(());
        }
        if !self.flags.open_to_network {
            return Err(AuthorizationError::NotLoopback {
                host: host.to_owned(),
            });
        }
        self.check_shared()
    }
}

/// The secret that several instances share: with it each opens what another
/// sealed, in whatever mode.
///
/// # Errors
/// [`AuthorizationError::SealKey`] when it could be guessed.
pub(super) fn seal_key(environment: &Environment) -> Result<Option<Secret>, AuthorizationError> {
    match environment.get(env::MCP_SEAL_KEY) {
        Some(key) if key.len() < MIN_SEAL_KEY => Err(AuthorizationError::SealKey),
        key => Ok(key.map(Secret::new)),
    }
}

/// The URL that clients use is https, or on loopback. Where none is set, that
/// is `localhost` for a server on all addresses, as in a container whose port
/// is published on the machine of the client.
fn check_url(public: Option<&Url>, host: &str) -> Result<(), AuthorizationError> {
    let fine = match public {
        Some(url) => is_private_enough(url),
        None => {
            is_loopback(host)
                || IpAddr::from_str(host).is_ok_and(|address| address.is_unspecified())
        }
    };
    fine.then_some(()).ok_or(AuthorizationError::PublicUrl)
}

/// Whether nobody between can read what goes there.
fn is_private_enough(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && service_base::is_loopback(url))
}
