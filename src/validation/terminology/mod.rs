//! Bindings, and the codes of known code systems
//! ([terminologies](https://hl7.org/fhir/R4/terminologies.html)).

pub use crate::model::terminology::{Membership, member};
