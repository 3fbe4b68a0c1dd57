//! Integration tests: one crate, one module for each area.

mod client;
mod client_body;
mod client_hostile;
mod support;
