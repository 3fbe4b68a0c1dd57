//! Profiles in the form of the definition files become StructureDefinitions
//! again, as packages have them: the library then reads one form. What only
//! people read is left out, and so is what they repeat of the base types.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{Error, Inputs},
    repeated::Base,
};

const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";

#[derive(Deserialize)]
struct Structures {
    structures: Vec<Structure>,
}

#[derive(Deserialize)]
struct Structure {
    name: String,
    url: String,
    kind: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    base: String,
    #[serde(default)]
    derivation: Option<String>,
    elements: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Constraints {
    constraints: Vec<Map<String, Value>>,
}

/// What stands among the profiles: the constraints of the base types, each as its
/// key and expression.
const BASE_CONSTRAINTS: &str = "constraints";

/// The profiles that the files hold, by URL: those of `profiles.json` and the
/// two of Quantity in `types.json`. Under `constraints` the
/// constraints of the base types, which snapshots repeat.
pub fn profiles(inputs: &Inputs) -> Result<BTreeMap<String, String>, Error> {
    let mut structures = parse::<Structures>("types.json", &inputs.types)?.structures;
    structures.extend(parse::<Structures>("resources.json", &inputs.resources)?.structures);
    let (mut profiles, base): (Vec<Structure>, Vec<Structure>) = structures
        .into_iter()
        .partition(|structure| structure.derivation.as_deref() == Some("constraint"));
    profiles.extend(parse::<Structures>("profiles.json", &inputs.profiles)?.structures);
    let constraints = parse::<Constraints>("constraints.json", &inputs.constraints)?.constraints;
    let inherited: BTreeSet<&str> = base
        .iter()
        .flat_map(|structure| &structure.elements)
        .flat_map(keys)
        .collect();
    let own = Own {
        inherited,
        constraints: &constraints,
        base: Base::new(base.iter().flat_map(|structure| &structure.elements)),
    };
    let text = |constraint: &Map<String, Value>, name: &str| -> String {
        let text = constraint.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let known: BTreeSet<String> = constraints
        .iter()
        .map(|constraint| (text(constraint, "key"), text(constraint, "expression")))
        .filter(|(key, _)| own.inherited.contains(key.as_str()))
        .map(|(key, expression)| format!("{key} {expression}"))
        .collect();
    let known: Value = known.into_iter().collect();
    let profiles = profiles.into_iter().map(|profile| {
        let elements = profile
            .elements
            .iter()
            .filter_map(|element| own.element(element, &profile).transpose())
            .collect::<Result<Vec<Value>, Error>>()?;
        let definition = json!({
            "resourceType": "StructureDefinition",
            "url": profile.url,
            "name": profile.name,
            "kind": profile.kind,
            "type": profile.r#type,
            "baseDefinition": profile.base,
            "derivation": "constraint",
            "snapshot": {"element": elements},
        });
        Ok((profile.url, definition.to_string()))
    });
    std::iter::once(Ok((BASE_CONSTRAINTS.to_owned(), known.to_string())))
        .chain(profiles)
        .collect()
}

fn parse<'a, T: Deserialize<'a>>(file: &str, text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::new(file, error.to_string()))
}

fn keys(element: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let keys = element.get("constraint").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str)
}

/// What tells the constraints of a profile from those that it inherits.
struct Own<'a> {
    inherited: BTreeSet<&'a str>,
    constraints: &'a [Map<String, Value>],
    base: Base<'a>,
}

impl Own<'_> {
    /// What an element asks for beyond its type; `None` when that is nothing.
    fn element(
        &self,
        element: &Map<String, Value>,
        profile: &Structure,
    ) -> Result<Option<Value>, Error> {
        let mut out = Map::new();
        if !element.contains_key("id") {
            let path = element.get("path").cloned().unwrap_or_default();
            out.insert("id".to_owned(), path);
        }
        for (name, value) in self.base.beyond(element) {
            match name.as_str() {
                "short" | "base" | "isSummary" | "isModifier" | "explicitTypeName" => {}
                "type" => {
                    let types = value.as_array().into_iter().flatten().map(type_of);
                    out.insert(name.clone(), types.collect());
                }
                "constraint" => {
                    let own = keys(element).filter(|key| !self.inherited.contains(key));
                    let own = own
                        .map(|key| self.constraint(key, profile))
                        .collect::<Result<Vec<Value>, Error>>()?;
                    if !own.is_empty() {
                        out.insert(name.clone(), own.into());
                    }
                }
                _ => {
                    out.insert(name.clone(), value.clone());
                }
            }
        }
        let says_more = out
            .keys()
            .any(|name| !matches!(name.as_str(), "id" | "path"));
        Ok(says_more.then_some(Value::Object(out)))
    }

    fn constraint(&self, key: &str, profile: &Structure) -> Result<Value, Error> {
        let found = self.constraints.iter().find(|constraint| {
            let structures = constraint.get("structures").and_then(Value::as_array);
            constraint.get("key").and_then(Value::as_str) == Some(key)
                && structures.is_none_or(|structures| {
                    structures.iter().any(|name| {
                        name.as_str()
                            .is_some_and(|name| profile.url.ends_with(name))
                    })
                })
        });
        let Some(found) = found else {
            let reason = format!("the constraint {key} is not among the constraints");
            return Err(Error::new(&profile.url, reason));
        };
        let mut constraint = found.clone();
        constraint.remove("structures");
        Ok(Value::Object(constraint))
    }
}

/// `targets` and `profiles` as the URLs of `targetProfile` and `profile`.
fn type_of(r#type: &Value) -> Value {
    let urls = |name: &str| -> Option<Value> {
        let names = r#type.get(name)?.as_array()?.iter();
        let urls = names.filter_map(Value::as_str).map(|name| {
            let url = match name.contains("://") {
                true => name.to_owned(),
                false => format!("{BASE}{name}"),
            };
            Value::from(url)
        });
        Some(urls.collect())
    };
    let mut out = Map::new();
    out.insert(
        "code".to_owned(),
        r#type.get("code").cloned().unwrap_or_default(),
    );
    for (from, to) in [("profiles", "profile"), ("targets", "targetProfile")] {
        if let Some(urls) = urls(from) {
            out.insert(to.to_owned(), urls);
        }
    }
    Value::Object(out)
}
