//! Parts that several tests stand on.

pub(crate) mod fhir_server;
