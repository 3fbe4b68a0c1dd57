//! The typed FHIR R4 model: types, readers, writers and what they report.
//!
//! The types are generated from the official definitions; see [`codes`] for
//! the enums of required bindings. Reading is validating:
//!
//! ```ignore
//! use fhir_mcp_server::model::{Object, Patient};
//!
//! let patient = Patient::from_slice(bytes).into_result()?;
//! for name in &patient.name {
//!     println!("{:?}", name.family);
//! }
//! ```

pub mod definition;
pub mod fhirpath;
#[macro_use]
mod generated;
#[cfg(all(test, golden))]
mod golden;
mod issue;
mod json;
pub mod near;
pub mod object;
pub mod primitive;
pub mod reader;
mod rule;
pub mod schema;
pub mod search;
mod slot;
pub mod terminology;
mod writer;
mod xhtml;

pub use generated::fhir::*;
pub use issue::{Invalid, Issue, IssueType, Reading, Severity};
pub use object::Object;
pub use rule::{Constraint, Rule};
pub use schema::json_schema;
pub use search::search_parameters;

use definition::TypeDef;

/// The names of the 146 resource types, in alphabetical order.
pub const RESOURCE_TYPES: &[&str] = Resource::TYPES;

/// The definition of a type by its FHIR name, or of a backbone element by its
/// path.
pub fn type_def(name: &str) -> Option<&'static TypeDef> {
    generated::definitions().find(name)
}
