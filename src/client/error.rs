//! Why an interaction got no answer.

use std::{error::Error as _, time::Duration};

use super::{body::BodyError, credential::CredentialError};

/// An interaction that was refused before it was sent, or that got no answer
/// that can be used. An answer with an HTTP error status is no `ClientError`:
/// it comes back as an [`Answer`](super::Answer).
///
/// No message holds an id, a query value, a token or a link of a server.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The FHIR base URL cannot be one.
    #[error("the FHIR base URL {reason}; expected for instance https://fhir.example.org/r4")]
    InvalidBase {
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },
    /// The access token cannot stand in an HTTP header.
    #[error("the access token holds a character that no HTTP header may hold")]
    InvalidToken,
    /// There is no credential for the FHIR server.
    #[error("not authorized at the FHIR server: {0}")]
    Credential(#[from] CredentialError),
    /// A certificate or a key that TLS cannot use.
    #[error("{what}")]
    Certificate {
        /// Which, and what is wrong with it.
        what: &'static str,
    },
    /// The HTTP client could not be set up, most often for want of TLS roots.
    #[error("the HTTP client could not be set up: {cause}")]
    Setup {
        /// The innermost cause.
        cause: String,
    },
    /// The resource type has not the form of one.
    #[error("a resource type is letters only, with a capital first, for instance Patient")]
    InvalidType,
    /// The id has not the form of one (<https://hl7.org/fhir/R4/datatypes.html#id>).
    #[error(
        "a logical id is 1 to 64 letters, digits, '-' and '.', and neither '.' nor '..'; \
         give the id alone, without type, slash or query"
    )]
    InvalidId,
    /// The operation is none that may end a path.
    #[error(
        "an operation is '$name', '_history', '_history/[version id]', or for a compartment a \
         resource type or '*'; give parameters as search parameters"
    )]
    InvalidOperation,
    /// The URL would be longer than servers take.
    #[error(
        "the request URL is {length} bytes long, the limit is {limit}; use fewer or shorter parameters"
    )]
    UrlTooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The link or request is not within the FHIR base: nothing was sent.
    #[error(
        "the server's link does not lie within the configured FHIR base and was not followed; \
         narrow the search or raise _count to get along without it"
    )]
    OutsideBase,
    /// No connection.
    #[error(
        "no connection to the FHIR server at {host}: {cause}; check that it runs and that the base URL is right"
    )]
    Connect {
        /// Host and port of the base.
        host: String,
        /// The innermost cause.
        cause: String,
    },
    /// The connection broke before the whole answer had come.
    #[error("the connection to the FHIR server broke off before its answer was complete: {cause}")]
    Interrupted {
        /// The innermost cause.
        cause: String,
    },
    /// No complete answer within the time limit, repeats included.
    #[error("the FHIR server did not answer within {} s; ask for less at once or raise the request timeout", after.as_secs_f32())]
    Timeout {
        /// The time limit.
        after: Duration,
    },
    /// The body is larger than the limit, counted after decompression.
    #[error(
        "the FHIR server's answer is larger than {limit} bytes (decompressed); ask for less at once, for instance with _count or _elements"
    )]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The server answered with a redirect, which is never followed.
    #[error("the FHIR server answered with a redirect (HTTP {status}{}), which is not followed; check the base URL", host.as_ref().map(|host| format!(" to {host}")).unwrap_or_default())]
    Redirect {
        /// HTTP status, 300 to 399.
        status: u16,
        /// Host and port that it leads to, without path and query.
        host: Option<String>,
    },
    /// The answer breaks HTTP or its compression is damaged.
    #[error("the FHIR server's answer is not valid HTTP: {cause}")]
    Protocol {
        /// The innermost cause.
        cause: String,
    },
    /// The audit log cannot be written.
    #[error(
        "the audit log cannot be written ({cause}), and without it nothing is asked of the FHIR server; \
         the last interaction may have taken place, its answer is withheld; tell whoever runs this server"
    )]
    Audit {
        /// What the system says.
        cause: String,
    },
    /// The server's CapabilityStatement is of no use.
    #[error("the FHIR server's CapabilityStatement cannot be used: {0}")]
    Capabilities(#[source] BodyError),
}

impl ClientError {
    /// Whether the same GET may succeed when it is sent again.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Interrupted { .. })
    }

    /// Sorts an error of the HTTP stack. `host` is host and port of the base.
    pub(super) fn from_http(error: &reqwest::Error, host: &str) -> Self {
        let cause = innermost(error);
        if error.is_connect() {
            let host = host.to_owned();
            Self::Connect { host, cause }
        } else if error.is_request() || error.is_body() {
            Self::Interrupted { cause }
        } else {
            Self::Protocol { cause }
        }
    }

    /// Sorts an error of the FHIR client, which wraps the HTTP stack.
    pub(super) fn from_fhir(error: &fhir_sdk::client::Error, host: &str) -> Self {
        match error {
            fhir_sdk::client::Error::Request(error) => Self::from_http(error, host),
            fhir_sdk::client::Error::DifferentOrigin(_) => Self::OutsideBase,
            // What is left speaks of headers and bodies and may quote them.
            _ => Self::Protocol {
                cause: "the answer could not be taken in".to_owned(),
            },
        }
    }
}

/// The message at the end of the chain of causes. The outer ones of `reqwest`
/// quote the URL and with it ids and query values.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut source = error.source();
    let mut message = None;
    while let Some(error) = source {
        message = Some(error.to_string());
        source = error.source();
    }
    message.unwrap_or_else(|| "no further cause is known".to_owned())
}
