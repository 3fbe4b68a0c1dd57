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
/// Resources in memory that answer like a FHIR server.
mod fixture_store;
/// The compartment of a patient, and what the store says of itself.
mod fixture_store_everything;
/// What the store loads.
mod fixture_store_load;
/// Search in the store.
mod fixture_store_search;
/// Writes to the store.
mod fixture_store_write;
/// Documents that each break one rule.
mod invalid;
/// What several areas stand on.
mod support;
