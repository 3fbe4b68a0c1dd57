//! Integration tests: one crate, one module an area.

/// The official examples and other real data, read and written back.
mod corpus;
/// Documents that each break one rule.
mod invalid;
