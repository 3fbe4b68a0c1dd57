//! A FHIR R4 bridge for LLM clients. (Map and invariants: to come.)

pub mod client;
pub mod mcp;
pub mod model;

#[cfg(test)]
mod codegen;
