//! FHIR interactions, over HTTP or over fixtures in memory.

pub mod interaction;
pub mod secret;

pub use interaction::{Answer, Interaction};
pub use secret::Secret;
