//! A FHIR R4 bridge for LLM clients. (Map and invariants: to come.)

pub mod cli;
pub mod client;
pub mod config;
pub mod logging;
pub mod model;
pub mod transport;
