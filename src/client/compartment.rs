//! Which search parameters put a resource into a
//! [compartment](https://hl7.org/fhir/R4/compartmentdefinition.html), and which
//! patients a resource belongs to by them.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::Value;

use crate::model::search::{SearchParamType, SearchParameter, Step, search_parameters};

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

/// The parameters by which a type belongs to patients: those of the
/// compartment, and `patient` and `subject` where it is not in it.
pub(crate) fn links(resource_type: &str) -> impl Iterator<Item = &'static SearchParameter> {
    let codes = of_patient()
        .map(|compartment| compartment.parameters(resource_type))
        .unwrap_or_default();
    search_parameters(resource_type).filter(move |parameter| {
        let named = codes.iter().any(|code| code == parameter.code)
            || matches!(parameter.code, "patient" | "subject");
        named && parameter.kind == SearchParamType::Reference && targets_patients(parameter)
    })
}

/// Whether a reference parameter may point to patients.
pub(crate) fn targets_patients(parameter: &SearchParameter) -> bool {
    parameter
        .target
        .iter()
        .any(|target| matches!(*target, "Patient" | "Resource"))
}

/// The references of a resource by which it belongs to patients, whatever they
/// point to.
pub(crate) fn references<'v>(resource_type: &str, resource: &'v Value) -> Vec<&'v str> {
    let mut references = Vec::new();
    for parameter in links(resource_type) {
        let paths = parameter.paths.iter();
        for path in paths.filter(|path| path.root == resource_type) {
            collect(resource, path.steps, &mut references);
        }
    }
    references
}

/// Whether a reference is one to a patient, relative or absolute.
pub(crate) fn names_patient(reference: &str) -> bool {
    let mut parts = reference.split('/');
    parts.any(|part| part == "Patient")
}

/// The references at the end of a path; conditions of the path are not asked.
fn collect<'v>(value: &'v Value, steps: &[Step], found: &mut Vec<&'v str>) {
    if let Value::Array(list) = value {
        list.iter().for_each(|item| collect(item, steps, found));
        return;
    }
    match steps {
        [] => found.extend(value.get("reference").and_then(Value::as_str)),
        [Step::Child(name), rest @ ..] => {
            let choice = || value.get(format!("{name}Reference"));
            if let Some(child) = value.get(name).or_else(choice) {
                collect(child, rest, found);
            }
        }
        [_, rest @ ..] => collect(value, rest, found),
    }
}
