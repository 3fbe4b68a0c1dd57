//! FHIR interactions, over HTTP or over fixtures in memory.

pub mod interaction;

pub use interaction::{Answer, Interaction};
