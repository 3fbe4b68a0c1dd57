//! Integration tests: one crate, one module an area.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod client;
mod client_body;
mod client_hostile;
/// The official examples and other real data, read and written back.
mod corpus;
/// Documents that each break one rule.
mod invalid;
mod support;
mod tool_schemas;
mod tools;
