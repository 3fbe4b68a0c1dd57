//! A FHIR R4 bridge for LLM clients: MCP in front, FHIR behind, and everything
//! that passes typed and validated.
//!
//! # Bird's-eye view
//!
//! `build.rs` runs [`codegen`](../src/codegen) over the official definitions in
//! `schemas/` and writes the R4 model into `OUT_DIR`. An MCP client calls a
//! tool; its arguments are checked against the model; the [`client`] sends one
//! FHIR interaction, over HTTP or to fixtures in memory; the answer is read
//! into the model, which collects every issue; what is valid goes back to the
//! MCP client, what is not is withheld and replaced by its issues.
//!
//! # Map, in layers: each knows only those above it
//!
//! - [`model`]: the types, their reader and writer, issues and rules. No I/O.
//! - [`validation`]: rules about the built value, checked while it is read.
//! - [`client`]: FHIR interactions over HTTP, and the fixture store.
//! - [`auth`]: credentials for the FHIR server, authorization of MCP clients.
//! - [`mcp`]: tools and resources.
//! - [`transport`]: stdio, streamable HTTP, HTTP with server-sent events.
//! - [`config`], [`logging`], [`cli`]: the command.
//!
//! # Invariants
//!
//! - `codegen` does no I/O and reads no environment: same input, same bytes.
//!   It is compiled by `build.rs`, and here for its tests alone.
//! - Reading and validation return a value and its issues; they do not stop at
//!   the first one and never panic.
//! - `client` knows no MCP. `mcp` builds no URL: it names interactions.
//! - One function in `client` attaches the credential, and only for the FHIR base.
//! - Only `transport::stdio` and `cli` write to stdout.
//! - No identifier, query value or body of a record reaches a log above trace.
//! - No network at build time; none in tests but loopback.

pub mod auth;
pub mod cli;
pub mod client;
pub mod config;
pub mod logging;
pub mod mcp;
pub mod model;
pub mod transport;
pub mod validation;

#[cfg(test)]
#[allow(
    unreachable_pub,
    reason = "the generator is written as a crate of its own"
)]
mod codegen;
/// Where the generator looks for it.
#[cfg(test)]
use model::fhirpath;
