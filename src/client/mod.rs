//! FHIR interactions, over HTTP or over fixtures in memory.

use std::sync::Arc;

pub mod audit;
pub mod body;
mod call;
pub mod capability;
pub(crate) mod compartment;
pub mod credential;
pub mod error;
pub mod fixtures;
pub mod http;
pub mod interaction;
mod retry;
pub mod secret;
pub mod service_base;
pub mod tls;

pub use audit::AuditLog;
pub use body::{BodyError, Decoded, Expectation, HttpFailure, decode, decode_by};
pub use call::Call;
use call::Trail;
pub use capability::Capabilities;
pub use credential::{
    Credential, CredentialError, FixedHeaders, Grant, TokenFromFile, WithHeaders,
};
pub use error::ClientError;
pub use fixtures::FixtureStore;
pub use http::{HttpClient, HttpOptions};
pub use interaction::{Answer, Interaction};
pub use secret::Secret;
pub use tls::Tls;

/// Where clinical data comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A FHIR server.
    Http(HttpClient),
    /// Resources in memory.
    Fixtures(FixtureStore),
}

impl Source {
    /// Performs an interaction. An answer with an HTTP error status is an
    /// answer; [`decode`] tells.
    ///
    /// # Errors
    /// [`ClientError`] when the interaction was refused or got no answer.
    pub async fn send(&self, interaction: &Interaction) -> Result<Answer, ClientError> {
        match self {
            Self::Http(client) => client.send(interaction).await,
            Self::Fixtures(store) => store.send(interaction).await,
        }
    }

    /// The same source on behalf of someone else. Fixtures are anybody's.
    pub fn with_credential(&self, credential: Arc<dyn Credential>) -> Self {
        match self {
            Self::Http(client) => Self::Http(client.with_credential(credential)),
            Self::Fixtures(store) => Self::Fixtures(store.clone()),
        }
    }

    /// The same source at work for a call: what is asked of it carries the id of
    /// the call.
    pub fn for_call(&self, call: Call) -> Self {
        let mut source = self.clone();
        source.trail().call = Some(call);
        source
    }

    /// The same source with an audit log: each interaction is written to it.
    pub fn with_audit(&self, audit: Arc<AuditLog>) -> Self {
        let mut source = self.clone();
        source.trail().audit = Some(audit);
        source
    }

    fn trail(&mut self) -> &mut Trail {
        match self {
            Self::Http(client) => client.trail(),
            Self::Fixtures(store) => store.trail(),
        }
    }

    /// What was granted to whoever it serves; `None` where nothing is.
    ///
    /// # Errors
    /// [`CredentialError`] when there is no token.
    pub async fn grant(&self) -> Result<Option<Arc<Grant>>, CredentialError> {
        match self {
            Self::Http(client) => match client.credential() {
                Some(credential) => credential.grant().await.map(Some),
                None => Ok(None),
            },
            Self::Fixtures(_) => Ok(None),
        }
    }

    /// The same if it is known already; asks nobody.
    pub fn known_grant(&self) -> Option<Arc<Grant>> {
        match self {
            Self::Http(client) => client.credential()?.known_grant(),
            Self::Fixtures(_) => None,
        }
    }

    /// What the source can do.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`ClientError::Capabilities`].
    pub async fn capabilities(&self) -> Result<Arc<Capabilities>, ClientError> {
        match self {
            Self::Http(client) => client.capabilities().await,
            Self::Fixtures(store) => Ok(store.capabilities()),
        }
    }
}
