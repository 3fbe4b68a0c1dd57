//! What a request carries so that the FHIR server lets it in.
//!
//! The client knows no way to get a token. It asks a [`Credential`] for headers
//! before each request and tells it of a 401; `auth` holds the ways.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

use super::{error::ClientError, secret::Secret};

/// Headers of a request, marked as sensitive.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// Lets requests in. One credential stands for one user (or one system) at one
/// FHIR server; its headers are attached below that server's base alone.
pub trait Credential: fmt::Debug + Send + Sync {
    /// The headers for the next request; gets them first if it must.
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>>;

    /// The server answered 401 to a request with these headers. Says whether
    /// there may be better ones now, so that one more try makes sense.
    fn refused<'a>(&'a self, _: &'a Headers) -> BoxFuture<'a, Result<bool, CredentialError>> {
        Box::pin(async { Ok(false) })
    }

    /// What the authorization server granted, as far as it said so. Gets a
    /// token first if it must.
    fn grant(&self) -> BoxFuture<'_, Result<Arc<Grant>, CredentialError>> {
        Box::pin(async { Ok(Arc::default()) })
    }
}

/// What came with a token, beside the token
/// ([SMART App Launch 2.2](https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The granted scopes, separated by blanks; `None` when nothing is known.
    pub scope: Option<String>,
    /// Id of the patient in the launch context.
    pub patient: Option<String>,
    /// `fhirUser` of a verified id token: a reference relative to the FHIR base
    /// (`Practitioner/1`), or an absolute URL of another server.
    pub user: Option<String>,
}

/// Why there is no credential. The message is for the person who set the
/// server up, or signs in: it says what to do and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// There is no way to get one.
    #[error("{0}")]
    Failed(String),
    /// A person must sign in first.
    #[error("sign in at {url} in a browser on this machine, then call again")]
    SignIn {
        /// Where.
        url: Url,
    },
}

/// Headers that never change: a token, a password, headers of a gateway.
#[derive(Clone, Debug)]
pub struct FixedHeaders(Headers);

impl FixedHeaders {
    /// `Authorization: Bearer` with a token.
    ///
    /// # Errors
    /// [`ClientError::InvalidToken`] when no header can carry it.
    pub fn bearer(token: &Secret) -> Result<Self, ClientError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_error| ClientError::InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(vec![(AUTHORIZATION, value)]))
    }
}

impl Credential for FixedHeaders {
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}
