//! The generated JSON Schemas, under an independent validator.

use std::{collections::BTreeMap, fs, path::Path};

use fhir_mcp_server::model::{RESOURCE_TYPES, json_schema};
use jsonschema::Validator;
use serde_json::Value;

/// Documents that a schema cannot tell from valid ones: what is lost when JSON
/// is parsed, and what needs more than a pattern, compares two arrays or looks
/// elsewhere.
const BEYOND_SCHEMAS: [&str; 28] = [
    "abstract-code/",
    "bundle-",
    "coding-system/",
    "display/",
    "document-",
    "dom-3/",
    "extensible-binding/",
    "extension-",
    "inactive-code/",
    "json-depth/",
    "json-duplicate-key/",
    "json-encoding/",
    "json-surrogate/",
    "max-binding/",
    "must-support/",
    "narrative-xhtml/",
    "null/input-2.json",
    "null/input-3.json",
    "preferred-binding/",
    "profile-",
    "ref-1/",
    "reference-",
    "required-binding/input-4.json",
    "sdf-4/",
    "sibling-length/",
    "txt-",
    "ucum/",
    "unknown-code/",
];

#[derive(Default)]
struct Validators(BTreeMap<String, Validator>);

impl Validators {
    fn of(&mut self, resource_type: &str) -> Option<&Validator> {
        if !self.0.contains_key(resource_type) {
            let schema: Value = serde_json::from_str(&json_schema(resource_type)?).unwrap();
            self.0.insert(
                resource_type.to_owned(),
                jsonschema::draft202012::new(&schema).unwrap(),
            );
        }
        self.0.get(resource_type)
    }
}

#[test]
fn every_type_has_a_self_contained_schema() {
    for name in RESOURCE_TYPES {
        let text = json_schema(name).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert_eq!(schema["properties"]["resourceType"]["const"], *name);
        for reference in text
            .split("\"$ref\":\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            let target = reference
                .strip_prefix("#/$defs/")
                .expect("a local reference");
            assert!(schema["$defs"].get(target).is_some(), "{name}: {reference}");
        }
    }
    assert_eq!(json_schema("Patiant"), None);
}

#[test]
fn fixtures_pass_their_schemas() {
    let mut validators = Validators::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/r4");
    for path in json_files(&folder) {
        let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let validator = validators
            .of(document["resourceType"].as_str().unwrap())
            .unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

#[test]
fn official_examples_pass_their_schemas() {
    let Some(folder) = std::env::var_os("FHIR_EXAMPLES_DIR") else {
        println!("skipped: FHIR_EXAMPLES_DIR is not set");
        return;
    };
    let exceptions =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/exceptions.json"))
            .unwrap();
    let exceptions: Value = serde_json::from_str(&exceptions).unwrap();
    let beyond = |code: &Value| {
        BEYOND_SCHEMAS.iter().any(|prefix| {
            code.as_str()
                .unwrap()
                .starts_with(prefix.trim_end_matches('/'))
        })
    };
    let exceptions: Vec<&str> = exceptions["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| {
            !file["issues"]
                .as_array()
                .unwrap()
                .iter()
                .all(|issue| beyond(&issue["code"]))
        })
        .map(|file| file["file"].as_str().unwrap())
        .collect();
    let mut validators = Validators::default();
    let mut checked = 0;
    for path in json_files(Path::new(&folder)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        // Large files take a validator of this kind long.
        if path.metadata().unwrap().len() > 200_000 || name == "package.json" {
            continue;
        }
        let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let validator = validators
            .of(document["resourceType"].as_str().unwrap())
            .unwrap();
        let valid = validator.is_valid(&document);
        assert_eq!(
            valid,
            !exceptions.contains(&name),
            "{name}: {:?}",
            validator.iter_errors(&document).next()
        );
        checked += 1;
    }
    assert!(checked > 5_000, "{checked}");
}

#[test]
fn documents_that_break_a_rule_fail_their_schemas() {
    let mut validators = Validators::default();
    let mut passed = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/invalid");
    for rule in fs::read_dir(&root).unwrap() {
        for path in json_files(&rule.unwrap().path()) {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            let beyond = BEYOND_SCHEMAS.iter().any(|beyond| name.starts_with(beyond));
            if beyond || !name.contains("/input") {
                continue;
            }
            let Ok(document) = serde_json::from_slice::<Value>(&fs::read(&path).unwrap()) else {
                continue;
            };
            let validator = validators.of(document["resourceType"].as_str().unwrap_or_default());
            if validator.is_some_and(|validator| validator.is_valid(&document)) {
                passed.push(name.to_owned());
            }
        }
    }
    assert!(passed.is_empty(), "{passed:?}");
}

fn json_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect()
}
