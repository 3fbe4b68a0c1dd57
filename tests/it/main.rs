//! Integration tests: one crate, one module an area.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

/// The audit log.
mod audit;
/// Constraints of datatypes, broken at random places.
mod broken_anywhere;
/// What must be in no log.
mod canaries;
/// The same of sign-ins and tokens.
mod canaries_of_tokens;
/// The binary: exit codes, output, subcommands.
mod cli;
/// `validate`: what it shows, and in which form.
mod cli_reports;
/// `validate`: inputs and exit codes.
mod cli_validate;
/// `validate --watch`, and `explain`.
mod cli_watch;
/// The FHIR client against a server on loopback.
mod client;
/// Bodies that a FHIR server may answer.
mod client_body;
/// Hostile ids, types and operations.
mod client_hostile;
/// Flags and environment.
mod config;
/// Settings about authorization.
mod config_authorization;
/// The official examples and other real data, read and written back.
mod corpus;
/// The binary under bad input, cancelled calls and signals.
mod endurance;
/// Sign-in at the FHIR server.
mod facade;
/// The whole way of a real client.
mod facade_client;
/// Limits of its endpoints.
mod facade_limits;
/// Several replicas.
mod facade_redis;
/// How it knows its clients.
mod facade_registration;
/// Its tokens.
mod facade_tokens;
/// Resources in memory that answer like a FHIR server.
mod fixture_store;
/// The compartment of a patient, and what the store says of itself.
mod fixture_store_everything;
/// What the store loads.
mod fixture_store_load;
/// Search in the store.
mod fixture_store_search;
/// Values of every kind that the store compares.
mod fixture_store_values;
/// Writes to the store.
mod fixture_store_write;
/// Streamable HTTP.
mod http;
/// Documents that each break one rule.
mod invalid;
/// The constraints of the base types, each broken by one change.
mod invariants;
/// Links, redirects and references that lead away.
mod leaks;
/// Limits of requests over HTTP, and pages of other sites.
mod limits;
/// The typed model: its use, and its laws under random input.
mod model;
/// A session for one patient.
mod one_patient;
/// The constraints, compared with another FHIRPath engine.
#[cfg(feature = "oracle")]
mod oracle;
/// Profiles and packages of profiles.
mod profiles;
/// The text that people read first.
mod readme;
/// Web pages that speak to this server.
mod rebinding;
/// References, Bundles, narratives and extensions.
mod references;
/// MCP clients with tokens of another server.
mod resource_server;
/// The generated JSON Schemas.
mod schemas;
/// One credential at the FHIR server for all users.
mod shared_upstream;
/// Sign-in on this machine, with the binary.
mod signing_in;
/// Authorization at the FHIR server.
mod smart;
/// HTTP with server-sent events.
mod sse;
/// Standard input and output.
mod stdio;
/// Parts that several tests stand on.
mod support;
/// Spans that go out.
#[cfg(feature = "otel")]
mod telemetry;
/// Bindings and codes.
mod terminology;
/// Certificates.
mod tls;
/// What models see of the tools.
mod tool_schemas;
/// The tools, from client to FHIR server.
mod tools;
/// FHIR servers that are too large, too slow or broken.
mod upstream;
/// Writes: leave, confirmation, versions.
mod writes;
