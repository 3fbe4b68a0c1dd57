//! A small authorization server in front of the one of the FHIR server
//! ([OAuth 2.1](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1)),
//! for FHIR servers whose own gives out no tokens for MCP servers.
//!
//! An MCP client registers, or names its metadata document; the user agrees on
//! a page that names it; the browser goes to the FHIR server's authorization
//! server and comes back; the client gets tokens of ours, and the user's tokens
//! at the FHIR server stay here. A token of one side never reaches the other.
//!
//! Nothing here knows an HTTP framework: requests come as texts, and go as an
//! [`Outcome`] or an [`OAuthError`].

mod authorize;
mod client;
mod consent;
mod cookies;
pub mod documents;
mod parameters;
pub mod redis;
mod registration;
mod session;
pub mod store;
mod token;

use std::{fmt, sync::Arc, time::Duration};

use serde_json::{Value, json};

pub use client::Client;
pub use documents::ClientDocuments;

use store::{Store, StoreError, Vault};

use super::{
    AuthError,
    clock::Clock,
    protected_resource::ProtectedResource,
    seal::{CryptoError, SealKey},
    smart::SmartClient,
};
use crate::client::credential::Headers;

/// Path that the browser comes back to.
pub const CALLBACK: &str = "/oauth/callback";
/// Path of the authorization endpoint.
pub const AUTHORIZE: &str = "/authorize";
/// Path that the consent page posts to.
pub const CONSENT: &str = "/authorize/consent";
/// Path of the token endpoint.
pub const TOKEN: &str = "/token";
/// Path of the registration endpoint.
pub const REGISTER: &str = "/register";
/// Path of the revocation endpoint.
pub const REVOKE: &str = "/revoke";
/// Path of the metadata of an issuer without a path; RFC 8414.
pub const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// From the consent page to the way back from the FHIR server's
    /// authorization server, each.
    pub login: Duration,
    /// An authorization code.
    pub code: Duration,
    /// An access token.
    pub access: Duration,
    /// A session, however often it is refreshed.
    pub session: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(10 * 60),
            code: Duration::from_secs(60),
            access: Duration::from_secs(60 * 60),
            session: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

/// What the facade stands on.
#[derive(Debug)]
pub struct Options {
    /// This server; its base is the issuer.
    pub resource: ProtectedResource,
    /// The FHIR server as users know it: its host.
    pub fhir_server: String,
    /// This server as a client of its authorization server.
    pub upstream: Arc<SmartClient>,
    /// Headers of each request to the FHIR server, beside the user's token.
    pub headers: Headers,
    /// Where sessions are kept.
    pub store: Arc<dyn Store>,
    /// What seals.
    pub key: Arc<SealKey>,
    /// Where metadata documents of clients come from.
    pub documents: ClientDocuments,
    /// The time.
    pub clock: Clock,
    /// How long things last.
    pub lifetimes: Lifetimes,
}

/// The authorization server. Clones share everything.
#[derive(Clone, Debug)]
pub struct Facade {
    options: Arc<Options>,
    vault: Vault,
}

impl Facade {
    /// The authorization server on these parts.
    pub fn new(options: Options) -> Self {
        Self {
            vault: Vault::new(Arc::clone(&options.store), Arc::clone(&options.key)),
            options: Arc::new(options),
        }
    }

    /// This server as a protected resource.
    pub fn resource(&self) -> &ProtectedResource {
        &self.options.resource
    }

    /// The issuer identifier: the URL that clients use.
    pub fn issuer(&self) -> &str {
        self.options.resource.base()
    }

    /// The metadata; RFC 8414, section 2.
    pub fn metadata(&self) -> Value {
        let issuer = self.issuer();
        let at = |path: &str| format!("{issuer}{path}");
        let methods = ["none", "client_secret_post", "client_secret_basic"];
        json!({
            "issuer": issuer,
            "authorization_endpoint": at(AUTHORIZE),
            "token_endpoint": at(TOKEN),
            "registration_endpoint": at(REGISTER),
            "revocation_endpoint": at(REVOKE),
            "scopes_supported": self.resource().supported().names().collect::<Vec<_>>(),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
        })
    }

    fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.issuer())
    }

    fn now(&self) -> u64 {
        self.options.clock.now()
    }

    fn lifetimes(&self) -> Lifetimes {
        self.options.lifetimes
    }
}

/// What a browser gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A page.
    Page {
        /// HTTP status.
        status: u16,
        /// The page.
        html: String,
        /// Value of `Set-Cookie`.
        cookie: Option<String>,
    },
    /// The way to somewhere else.
    Redirect {
        /// Where to.
        url: String,
        /// Value of `Set-Cookie`.
        cookie: Option<String>,
    },
}

/// An error answer for a client; RFC 6749, section 5.2, and RFC 7591,
/// section 3.2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// HTTP status.
    pub status: u16,
    /// Its code.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub description: String,
}

impl OAuthError {
    fn new(code: &'static str, description: impl Into<String>) -> Self {
        let status = match code {
            "invalid_client" => 401,
            "server_error" => 500,
            "temporarily_unavailable" => 503,
            _ => 400,
        };
        Self {
            status,
            code,
            description: description.into(),
        }
    }

    /// The body.
    pub fn body(&self) -> Value {
        json!({ "error": self.code, "error_description": self.description })
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)
    }
}

impl std::error::Error for OAuthError {}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "authorization does not work");
        Self::new(
            "temporarily_unavailable",
            "The server cannot reach its token store. Try again.",
        )
    }
}

impl From<CryptoError> for OAuthError {
    fn from(error: CryptoError) -> Self {
        tracing::error!(%error, "authorization does not work");
        Self::new("server_error", "The server cannot make tokens.")
    }
}

impl From<AuthError> for OAuthError {
    fn from(error: AuthError) -> Self {
        tracing::warn!(%error, "the FHIR server's authorization server gave no tokens");
        match error {
            AuthError::Refused { code, .. } if code == "access_denied" => Self::new(
                "access_denied",
                "The FHIR server's authorization server did not let the user in.",
            ),
            AuthError::Connection { .. } | AuthError::Status { .. } => Self::new(
                "temporarily_unavailable",
                "The FHIR server's authorization server does not answer as it should. Try again.",
            ),
            _ => Self::new(
                "server_error",
                "The sign-in at the FHIR server's authorization server failed; the log of this server says why.",
            ),
        }
    }
}
