//! Integration tests: one crate, one module for each area.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

/// FHIR over HTTP.
mod client;
/// What servers answer instead of a resource.
mod client_body;
/// Hostile input to the client.
mod client_hostile;
/// The official examples and other real data, read and written back.
mod corpus;
/// Documents that each break one rule.
mod invalid;
/// What several areas stand on.
mod support;
/// What models see of the tools.
mod tool_schemas;
/// The tools, from client to FHIR server.
mod tools;
