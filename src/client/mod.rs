//! FHIR interactions, over HTTP or over fixtures in memory.

use std::sync::Arc;

pub mod body;
pub mod capability;
pub mod error;
pub mod fixtures;
pub mod http;
pub mod interaction;
mod retry;
pub mod secret;
pub mod service_base;

pub use body::{BodyError, Decoded, Expectation, HttpFailure, decode};
pub use capability::Capabilities;
pub use error::ClientError;
pub use fixtures::FixtureStore;
pub use http::{HttpClient, HttpOptions};
pub use interaction::{Answer, Interaction};
pub use secret::Secret;

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
