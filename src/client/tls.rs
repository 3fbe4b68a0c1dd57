//! TLS beyond the defaults: further roots, and a certificate of our own.

use reqwest::{Certificate, ClientBuilder, Identity};

use super::{error::ClientError, secret::Secret};

/// How connections to the FHIR server and its authorization server are
/// secured. The system's roots always hold, and nothing switches checks off.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// PEM certificates of further authorities.
    pub roots: Option<String>,
    /// PEM of a client certificate with its chain, followed by its private key.
    pub identity: Option<Secret>,
}

impl Tls {
    /// Sets up an HTTP client.
    ///
    /// # Errors
    /// [`ClientError::Certificate`] when a PEM holds nothing that can be used.
    pub fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, ClientError> {
        if let Some(pem) = &self.roots {
            let roots = Certificate::from_pem_bundle(pem.as_bytes())
                .ok()
                .filter(|roots| !roots.is_empty())
                .ok_or(ClientError::Certificate {
                    what: "the file of further authorities holds no PEM certificate",
                })?;
            builder = builder.tls_certs_merge(roots);
        }
        if let Some(pem) = &self.identity {
            let identity = Identity::from_pem(pem.expose().as_bytes()).map_err(|_error| {
                ClientError::Certificate {
                    what: "the client certificate needs a PEM certificate and its PKCS#8 or PKCS#1 private key",
                }
            })?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}
