//! Which search parameters put a resource into a
//! [compartment](https://hl7.org/fhir/R4/compartmentdefinition.html).

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// The official definitions of the compartments.
const DEFINITIONS: &str = include_str!("../../schemas/compartments.json");

#[derive(Deserialize)]
struct Definitions {
    compartments: Vec<Compartment>,
}

/// The definition of a compartment.
#[derive(Debug, Deserialize)]
pub(crate) struct Compartment {
    /// Type of the resource that the compartment is about.
    pub(crate) code: String,
    /// By type the search parameters that put a resource into it.
    pub(crate) resources: BTreeMap<String, Vec<String>>,
}

impl Compartment {
    /// The search parameters that put resources of a type into it.
    pub(crate) fn parameters(&self, resource_type: &str) -> &[String] {
        self.resources
            .get(resource_type)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

/// All there are.
pub(crate) static COMPARTMENTS: LazyLock<Vec<Compartment>> = LazyLock::new(|| {
    serde_json::from_str::<Definitions>(DEFINITIONS)
        .map(|file| file.compartments)
        .unwrap_or_default()
});

/// The one of a patient.
pub(crate) fn of_patient() -> Option<&'static Compartment> {
    COMPARTMENTS
        .iter()
        .find(|compartment| compartment.code == "Patient")
}
