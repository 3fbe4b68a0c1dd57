//! What a request carries so that the FHIR server lets it in.
//!
//! The client knows no way to get a token. It asks a [`Credential`] for headers
//! before each request and tells it of a 401; `auth` holds the ways.

use std::{fmt, path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
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

    /// The same if it is known already; asks nobody.
    fn known_grant(&self) -> Option<Arc<Grant>> {
        None
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

/// The value of `Authorization: Bearer`
/// ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
///
/// # Errors
/// [`ClientError::InvalidToken`] when no header can carry it.
pub fn bearer(token: &Secret) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_error| ClientError::InvalidToken)?;
    value.set_sensitive(true);
    Ok(value)
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
        Ok(Self(vec![(AUTHORIZATION, bearer(token)?)]))
    }

    /// `Authorization: Basic`
    /// ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)).
    ///
    /// # Errors
    /// [`ClientError::InvalidToken`] when no header can carry it.
    pub fn basic(user: &str, password: &Secret) -> Result<Self, ClientError> {
        let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
        let value = HeaderValue::from_str(&format!("Basic {pair}"));
        let mut value = value.map_err(|_error| ClientError::InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(vec![(AUTHORIZATION, value)]))
    }
}

/// Headers beside those of another credential: for a gateway in front of the
/// FHIR server, for instance.
#[derive(Clone, Debug)]
pub struct WithHeaders {
    headers: Headers,
    inner: Option<Arc<dyn Credential>>,
}

impl WithHeaders {
    /// Adds headers, which are marked as sensitive.
    pub fn new(mut headers: Headers, inner: Option<Arc<dyn Credential>>) -> Self {
        for (_, value) in &mut headers {
            value.set_sensitive(true);
        }
        Self { headers, inner }
    }
}

impl Credential for WithHeaders {
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>> {
        Box::pin(async {
            let mut headers = match &self.inner {
                Some(inner) => inner.headers().await?,
                None => Headers::new(),
            };
            headers.extend(self.headers.iter().cloned());
            Ok(headers)
        })
    }

    fn refused<'a>(&'a self, headers: &'a Headers) -> BoxFuture<'a, Result<bool, CredentialError>> {
        match &self.inner {
            Some(inner) => inner.refused(headers),
            None => Box::pin(async { Ok(false) }),
        }
    }

    fn grant(&self) -> BoxFuture<'_, Result<Arc<Grant>, CredentialError>> {
        match &self.inner {
            Some(inner) => inner.grant(),
            None => Box::pin(async { Ok(Arc::default()) }),
        }
    }

    fn known_grant(&self) -> Option<Arc<Grant>> {
        self.inner.as_ref()?.known_grant()
    }
}

/// A token in a file that someone else keeps up to date. It is read anew for
/// every request, so that a new token needs no restart.
#[derive(Clone, Debug)]
pub struct TokenFromFile(PathBuf);

impl TokenFromFile {
    /// Reads nothing yet.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Credential for TokenFromFile {
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>> {
        Box::pin(async {
            let wrong = |reason: &str| {
                CredentialError::Failed(format!("the token file {} {reason}", self.0.display()))
            };
            let token = std::fs::read_to_string(&self.0)
                .map_err(|error| wrong(&format!("cannot be read: {error}")))?;
            let token = token.trim();
            if token.is_empty() {
                return Err(wrong("is empty"));
            }
            match FixedHeaders::bearer(&Secret::new(token)) {
                Ok(fixed) => Ok(fixed.0),
                Err(_) => Err(wrong("holds more than a token")),
            }
        })
    }

    fn refused<'a>(&'a self, headers: &'a Headers) -> BoxFuture<'a, Result<bool, CredentialError>> {
        Box::pin(async move { Ok(self.headers().await? != *headers) })
    }
}

impl Credential for FixedHeaders {
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}
