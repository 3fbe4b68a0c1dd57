//! How MCP clients reach a server: standard input and output, streamable HTTP,
//! and HTTP with server-sent events.
//!
//! A transport knows nothing of tools: it serves any [`rmcp::ServerHandler`].

pub mod authorization;
mod connections;
mod facade;
pub mod guard;
pub mod http;
mod lifecycle;
mod proxies;
mod rate;
pub mod sse;
pub mod stdio;
