//! `code-systems.json` and `value-sets.json`.

use serde::Deserialize;
use serde_json::Value;

use super::{super::Error, Inputs, json};

/// A code system.
#[derive(Debug)]
pub struct CodeSystem {
    pub url: String,
    /// `complete`, `fragment`, `example`, `supplement`, `not-present`.
    pub content: String,
    pub case_sensitive: bool,
    pub concepts: Vec<Concept>,
}

/// A concept with all below it.
#[derive(Debug)]
pub struct Concept {
    pub code: String,
    pub display: String,
    /// `notSelectable`, or `abstract` as some systems call it: it is there to
    /// group others.
    pub is_abstract: bool,
    /// The status `retired`, or the property `inactive`.
    pub is_inactive: bool,
    /// Codes of concepts that are below it as well.
    pub other_children: Vec<String>,
    pub children: Vec<Concept>,
}

/// A value set by what it is composed of.
#[derive(Debug, Deserialize)]
pub struct Composed {
    pub url: String,
    #[serde(default)]
    pub include: Vec<Part>,
    #[serde(default)]
    pub exclude: Vec<Part>,
}

/// ValueSet.compose.include or exclude.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    #[serde(default)]
    pub system: Option<String>,
    #[serde(default)]
    pub concept: Vec<String>,
    #[serde(default)]
    pub filter: Vec<Filter>,
    #[serde(default)]
    pub value_set: Vec<String>,
}

/// ValueSet.compose.include.filter.
#[derive(Clone, Debug, Deserialize)]
pub struct Filter {
    pub property: String,
    pub op: String,
    pub value: String,
}

pub(super) fn code_systems(inputs: &Inputs) -> Result<Vec<CodeSystem>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct File {
        code_systems: Vec<Raw>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Raw {
        url: String,
        content: String,
        #[serde(default)]
        case_sensitive: bool,
        #[serde(default)]
        concept: Vec<Value>,
    }
    let systems = json::<File>("code-systems.json", &inputs.code_systems)?.code_systems;
    let system = |raw: Raw| {
        Ok(CodeSystem {
            concepts: concepts(&raw.url, raw.concept)?,
            url: raw.url,
            content: raw.content,
            case_sensitive: raw.case_sensitive,
        })
    };
    systems.into_iter().map(system).collect()
}

pub(super) fn composed(inputs: &Inputs) -> Result<Vec<Composed>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct File {
        value_sets: Vec<Composed>,
    }
    Ok(json::<File>("value-sets.json", &inputs.composed_value_sets)?.value_sets)
}

/// A concept is an array: code, display, properties, children; all but the
/// first may be absent.
fn concepts(url: &str, list: Vec<Value>) -> Result<Vec<Concept>, Error> {
    let refuse = |what: &Value| Error::new(url, format!("a concept with {what}"));
    let concept = |value: Value| {
        let Value::Array(parts) = value else {
            return Err(refuse(&value));
        };
        let mut parts = parts.into_iter();
        let Some(Value::String(code)) = parts.next() else {
            return Err(Error::new(url, "a concept without a code"));
        };
        let mut concept = Concept {
            code,
            display: String::new(),
            is_abstract: false,
            is_inactive: false,
            other_children: Vec::new(),
            children: Vec::new(),
        };
        for part in parts {
            match part {
                Value::String(display) => concept.display = display,
                Value::Object(properties) => {
                    let is = |name: &str, value: Value| properties.get(name) == Some(&value);
                    let yes = Value::Bool(true);
                    concept.is_abstract =
                        is("notSelectable", yes.clone()) || is("abstract", yes.clone());
                    concept.is_inactive = is("inactive", yes) || is("status", "retired".into());
                    let children = properties.get("child").and_then(Value::as_array);
                    let codes = children.into_iter().flatten().filter_map(Value::as_str);
                    concept.other_children = codes.map(str::to_owned).collect();
                }
                Value::Array(children) => concept.children = concepts(url, children)?,
                other => return Err(refuse(&other)),
            }
        }
        Ok(concept)
    };
    list.into_iter().map(concept).collect()
}
