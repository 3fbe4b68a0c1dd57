//! Why authorization at the FHIR server did not work.

use super::seal::CryptoError;
use crate::client::{ClientError, CredentialError};

/// What went wrong between us and an authorization server. No message holds a
/// code, a token, a verifier, a secret, or the path or query of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The HTTP client could not be set up.
    #[error("the HTTP client for authorization could not be set up: {0}")]
    Setup(String),
    /// No answer.
    #[error("no answer to {what} from {host}: {cause}")]
    Connection {
        /// What was asked for.
        what: &'static str,
        /// Host and port.
        host: String,
        /// The innermost cause.
        cause: String,
    },
    /// An answer with a status that was not asked for; redirects among them,
    /// which are never followed.
    #[error("{host} answered {what} with HTTP {status}")]
    Status {
        /// What was asked for.
        what: &'static str,
        /// Host and port.
        host: String,
        /// HTTP status.
        status: u16,
    },
    /// An answer that is not what it must be.
    #[error("the answer of {host} to {what} cannot be used: {reason}")]
    Unusable {
        /// What was asked for.
        what: &'static str,
        /// Host and port.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The FHIR server names no such endpoint.
    #[error(
        "the FHIR server names no {0}, neither in .well-known/smart-configuration nor in its CapabilityStatement"
    )]
    NoEndpoint(&'static str),
    /// An endpoint to which nothing is sent.
    #[error("the FHIR server names a {name} that is not used: {reason}")]
    Endpoint {
        /// Which.
        name: &'static str,
        /// Why not.
        reason: String,
    },
    /// The server can do only what is not safe enough.
    #[error("the authorization server does not offer {0}")]
    NotOffered(&'static str),
    /// An error answer of OAuth
    /// ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[error("the authorization server refused {what}: {code}{}", described(.description))]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// `invalid_grant` and so on.
        code: String,
        /// What it says of it, without long words.
        description: Option<String>,
    },
    /// The answer to an authorization request does not belong to it.
    #[error(
        "the answer to the authorization request is not the one waited for: {0}; sign in again"
    )]
    Callback(&'static str),
    /// An id token that cannot be trusted.
    #[error("the id token of the authorization server cannot be trusted: {0}")]
    IdToken(String),
    /// No chance.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A private key that cannot sign.
    #[error("{0}")]
    Key(String),
    /// A token that cannot be sent.
    #[error("the authorization server gave a token that no HTTP header may hold")]
    UnusableToken,
    /// The session is over.
    #[error("the session at the FHIR server is over and cannot be renewed; sign in again")]
    SignedOut,
}

impl AuthError {
    /// Whether the authorization server refused with this code.
    pub fn is_refusal(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl From<AuthError> for CredentialError {
    fn from(error: AuthError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ClientError> for AuthError {
    fn from(error: ClientError) -> Self {
        Self::Setup(error.to_string())
    }
}

fn described(description: &Option<String>) -> String {
    description
        .as_ref()
        .map(|text| format!(" ({text})"))
        .unwrap_or_default()
}

/// Text of a server as it may be shown: printable, bounded, and without words
/// long enough to be a code or a token.
pub(crate) fn shown(text: &str) -> String {
    let words = text.split_whitespace().take(40).map(|word| {
        let plain = word.chars().all(|char| char.is_ascii_graphic());
        match plain && word.len() <= 20 {
            true => word,
            false => "…",
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
