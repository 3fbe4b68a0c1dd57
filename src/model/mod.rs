//! The typed FHIR R4 model: types, readers, writers and what they report.

pub mod definition;
pub mod issue;
pub mod object;
pub mod rule;
pub mod search;

pub use issue::{Invalid, Issue, IssueType, Reading, Severity};
pub use rule::Rule;

/// Any R4 resource. (Skeleton: replaced by the generated enum.)
#[derive(Clone, Debug)]
pub struct Resource(serde_json::Value);

impl Resource {
    /// Reads and validates one resource from JSON bytes.
    pub fn from_slice(bytes: &[u8]) -> Reading<Resource> {
        Reading {
            value: serde_json::from_slice(bytes).ok().map(Resource),
            issues: Vec::new(),
        }
    }
    /// The type, for instance `Patient`.
    pub fn resource_type(&self) -> &str {
        self.0["resourceType"].as_str().unwrap_or("")
    }
    /// The logical id.
    pub fn id(&self) -> Option<&str> {
        self.0["id"].as_str()
    }
    /// FHIR JSON, compact.
    pub fn to_json(&self) -> String {
        self.0.to_string()
    }
}

/// The 146 resource type names in alphabetical order. (Skeleton.)
pub const RESOURCE_TYPES: &[&str] = &["Observation", "Patient"];

/// The definition of a type by its FHIR name or the path of a backbone element.
pub fn type_def(name: &str) -> Option<&'static definition::TypeDef> {
    let _ = name;
    None
}

/// The search parameters of a resource type, those of every resource among
/// them, by code.
pub fn search_parameters(resource_type: &str) -> Vec<&'static search::SearchParameter> {
    let _ = resource_type;
    Vec::new()
}

impl Resource {
    /// The resource for generic code.
    pub fn as_object(&self) -> &dyn object::Object {
        unreachable!("skeleton")
    }
}
