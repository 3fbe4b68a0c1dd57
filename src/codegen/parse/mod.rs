//! The definition files, as far as the generator reads them.

mod terminology;

pub use terminology::{CodeSystem, Composed, Concept, Part};

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

use super::{Error, Inputs};

/// All that was parsed.
#[derive(Debug)]
pub struct Definitions {
    /// Datatypes and resources, in the order of the files.
    pub structures: Vec<Structure>,
    /// Expanded value sets of required bindings.
    pub value_sets: Vec<ValueSet>,
    /// Constraints.
    pub constraints: Vec<Constraint>,
    /// Code systems.
    pub code_systems: Vec<CodeSystem>,
    /// Value sets by what they are composed of.
    pub composed_value_sets: Vec<Composed>,
    /// Search parameters.
    pub search_parameters: Vec<SearchParameter>,
}

/// A StructureDefinition.
#[derive(Debug, Deserialize)]
pub struct Structure {
    pub name: String,
    pub url: String,
    pub kind: String,
    #[serde(default, rename = "abstract")]
    pub is_abstract: bool,
    #[serde(default)]
    pub derivation: Option<String>,
    pub elements: Vec<Element>,
}

/// An ElementDefinition of a snapshot.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    pub path: String,
    #[serde(default)]
    pub short: String,
    pub min: u32,
    pub max: String,
    #[serde(default, rename = "type")]
    pub types: Vec<ElementType>,
    #[serde(default)]
    pub content_reference: Option<String>,
    #[serde(default)]
    pub binding: Option<Binding>,
    /// Keys of its constraints.
    #[serde(default)]
    pub constraint: Vec<String>,
    #[serde(default)]
    pub is_modifier: bool,
    #[serde(default)]
    pub is_summary: bool,
}

/// ElementDefinition.type.
#[derive(Debug, Deserialize)]
pub struct ElementType {
    /// Absent on the values of primitive types.
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub targets: Vec<String>,
}

/// ElementDefinition.binding.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    pub strength: String,
    #[serde(default)]
    pub value_set: Option<String>,
    #[serde(default)]
    pub max_value_set: Option<String>,
}

/// An expanded value set.
#[derive(Debug, Deserialize)]
pub struct ValueSet {
    pub url: String,
    /// Absent where there is no resource behind the URL; such a set is not closed.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default = "closed")]
    pub closed: bool,
    #[serde(default)]
    pub systems: serde_json::Map<String, serde_json::Value>,
}

fn closed() -> bool {
    true
}

/// ElementDefinition.constraint.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Constraint {
    pub key: String,
    pub severity: String,
    pub human: String,
    pub expression: String,
    #[serde(default)]
    pub best_practice: bool,
    /// Where it holds, if its key has other meanings elsewhere.
    #[serde(default)]
    pub structures: Vec<String>,
}

/// A SearchParameter.
#[derive(Debug, Deserialize)]
pub struct SearchParameter {
    pub code: String,
    pub url: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub base: Vec<String>,
    #[serde(default)]
    pub expression: Option<String>,
    #[serde(default)]
    pub target: Vec<String>,
    /// What it finds, where that is the same for every base.
    #[serde(default)]
    pub description: String,
    /// What it finds in each base.
    #[serde(default)]
    pub descriptions: BTreeMap<String, String>,
    #[serde(default)]
    pub component: Vec<Component>,
}

/// SearchParameter.component.
#[derive(Debug, Deserialize)]
pub struct Component {
    pub definition: String,
    pub expression: String,
}

/// Parses all files.
pub fn definitions(inputs: &Inputs) -> Result<Definitions, Error> {
    #[derive(Deserialize)]
    struct Structures {
        structures: Vec<Structure>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ValueSets {
        value_sets: Vec<ValueSet>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct SearchParameters {
        search_parameters: Vec<SearchParameter>,
    }
    #[derive(Deserialize)]
    struct Constraints {
        constraints: Vec<Constraint>,
    }
    let mut structures: Vec<Structure> =
        json::<Structures>("types.json", &inputs.types)?.structures;
    structures.extend(json::<Structures>("resources.json", &inputs.resources)?.structures);
    Ok(Definitions {
        structures,
        value_sets: json::<ValueSets>("value-sets-required.json", &inputs.value_sets)?.value_sets,
        constraints: json::<Constraints>("constraints.json", &inputs.constraints)?.constraints,
        code_systems: terminology::code_systems(inputs)?,
        composed_value_sets: terminology::composed(inputs)?,
        search_parameters: json::<SearchParameters>(
            "search-parameters.json",
            &inputs.search_parameters,
        )?
        .search_parameters,
    })
}

fn json<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::new(file, error.to_string()))
}
