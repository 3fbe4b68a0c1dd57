//! The constraints of the base types and resources as `schemas/` has them.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

/// A constraint as it was published.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) key: String,
    pub(crate) expression: String,
}

/// The constraints of each type, and of the elements that are no backbone, by
/// path (a choice element without `[x]`). `ele-1` and `ext-1`, which every
/// element and extension has, are not among them.
pub(crate) fn published() -> BTreeMap<String, Vec<Published>> {
    let list = read("constraints.json");
    let list = list["constraints"].as_array().expect("a list");
    let mut published: BTreeMap<String, Vec<Published>> = BTreeMap::new();
    for file in ["types.json", "resources.json"] {
        for structure in read(file)["structures"].as_array().expect("a list") {
            if structure["derivation"] == "constraint" {
                continue;
            }
            for element in structure["elements"].as_array().expect("a list") {
                let keys = element["constraint"].as_array().into_iter().flatten();
                for key in keys.filter_map(Value::as_str) {
                    let found = list.iter().find(|constraint| {
                        let only = constraint["structures"].as_array();
                        constraint["key"] == key
                            && only.is_none_or(|only| only.contains(&structure["name"]))
                    });
                    let path = element["path"].as_str().expect("a path");
                    published
                        .entry(path.trim_end_matches("[x]").to_owned())
                        .or_default()
                        .push(of(found.expect(key)));
                }
            }
        }
    }
    published
}

/// One constraint by its key.
#[cfg(feature = "oracle")]
pub(crate) fn by_key(key: &str) -> Published {
    let list = read("constraints.json");
    let list = list["constraints"].as_array().expect("a list");
    of(list
        .iter()
        .find(|constraint| constraint["key"] == key)
        .expect(key))
}

fn of(constraint: &Value) -> Published {
    let text = constraint["expression"].as_str().expect("a text");
    // A pattern is meant for the whole text.
    let expression = match text.contains("matches('^") {
        true => text.to_owned(),
        false => text
            .replace("matches('", "matches('^(")
            .replace("*')", "*)$')")
            .replace("}')", "})$')"),
    };
    Published {
        key: constraint["key"].as_str().expect("a key").to_owned(),
        expression,
    }
}

fn read(name: &str) -> Value {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    serde_json::from_slice(&fs::read(schemas.join(name)).expect("the file")).expect("JSON")
}
