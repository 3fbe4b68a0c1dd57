//! Integration tests: one crate, one module for each area.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod client;
mod client_body;
mod client_hostile;
mod support;
mod tool_schemas;
mod tools;
