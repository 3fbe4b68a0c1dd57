//! Authorization, towards the FHIR server and towards MCP clients. Two tokens,
//! two audiences: neither is ever passed to the other side.

mod address;
pub mod clock;
pub mod compartment;
pub mod endpoint;
pub mod error;
pub mod facade;
mod html;
pub mod http;
pub mod jwks;
mod kept;
pub mod protected_resource;
pub mod resource_server;
pub mod scope;
pub mod seal;
pub mod smart;

use std::sync::Arc;

pub use error::AuthError;

use crate::client::Credential;

/// Who makes a call. The HTTP transport puts it among the extensions of a
/// request once the request is authorized; without one, whoever started the
/// server calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Stands for the user, for limits, seals and the audit log: a hash of
    /// issuer and subject, which tells nobody who it is.
    pub principal: String,
    /// The scopes of the caller's token for this server, separated by blanks.
    pub scope: Option<String>,
    /// The caller's own credential at the FHIR server; `None` where the server's
    /// serves all.
    pub credential: Option<Arc<dyn Credential>>,
}
