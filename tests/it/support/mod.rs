//! Parts that several tests stand on.

pub(crate) mod authorization_server;
pub(crate) mod cases;
pub(crate) mod constraints;
pub(crate) mod deployment;
pub(crate) mod echo_server;
pub(crate) mod fhir_server;
pub(crate) mod log;
pub(crate) mod oauth_server;
pub(crate) mod package;
pub(crate) mod program;
pub(crate) mod running;
pub(crate) mod silent_server;
pub(crate) mod tls_server;
