//! `fixtures/invariants/cases.json`: valid documents, and changes that each
//! break what they name, and nothing else. A change without a value takes the
//! element away.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use fhir_mcp_server::{
    model::{IssueType, Reading, Resource, Severity},
    validation::{Validator, constraints},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Cases {
    valid: BTreeMap<String, Value>,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    of: String,
    at: String,
    value: Option<Value>,
    broken: Vec<String>,
}

fn cases() -> Cases {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/invariants/cases.json");
    serde_json::from_slice(&fs::read(path).expect("the file")).expect("cases")
}

/// The constraints that a document breaks: `severity key path`.
fn broken(reading: &Reading<Resource>) -> Vec<String> {
    let issues = reading.issues.iter();
    issues
        .filter(|issue| issue.rule.issue_type() == IssueType::Invariant)
        .map(|issue| {
            let (severity, code) = (issue.severity, issue.rule.code());
            format!("{severity} {code} {}", issue.expression)
        })
        .collect()
}

fn check(document: &Value) -> Vec<String> {
    let reading = Validator::default().read(document.to_string().as_bytes());
    for issue in &reading.issues {
        assert!(issue.line > 0 && issue.column > 0, "{issue:?}");
        assert!(!issue.expected.is_empty() && !issue.found.is_empty());
    }
    broken(&reading)
}

fn change(document: &mut Value, at: &str, value: Option<&Value>) {
    let (parent, name) = at.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).expect("the parent");
    match (parent, value) {
        (Value::Object(object), Some(value)) => {
            object.insert(name.to_owned(), value.clone());
        }
        (Value::Object(object), None) => {
            object.remove(name).expect("the element");
        }
        (Value::Array(list), Some(value)) => {
            let index: usize = name.parse().expect("an index");
            match list.get_mut(index) {
                Some(slot) => *slot = value.clone(),
                None => list.push(value.clone()),
            }
        }
        (parent, _) => panic!("{at} in {parent}"),
    }
}

#[test]
fn each_change_breaks_what_it_names_and_nothing_else() {
    let cases = cases();
    let mut failures = Vec::new();
    for (name, document) in &cases.valid {
        let reading = Validator::default().read(document.to_string().as_bytes());
        if !reading.issues.is_empty() {
            failures.push(format!("{name}: {:#?}", reading.issues));
        }
    }
    for Change {
        of,
        at,
        value,
        broken,
    } in &cases.changes
    {
        let mut document = cases.valid[of].clone();
        change(&mut document, at, value.as_ref());
        let mut found = check(&document);
        found.sort();
        let mut expected = broken.clone();
        expected.sort();
        if found != expected {
            failures.push(format!("{of} {at}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn good_practice_is_asked_for() {
    let document = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": {"resourceType": "Patient", "gender": "male"}},
        {"resource": {"resourceType": "Condition", "subject": {"display": "x"}, "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/condition-category",
            "code": "problem-list-item"
        }]}]}},
    ]});
    assert_eq!(check(&document), [""; 0]);
    let reading = Validator::default()
        .with_best_practice(true)
        .read(document.to_string().as_bytes());
    assert!(reading.is_valid());
    assert_eq!(
        broken(&reading),
        [
            "information dom-6 Bundle.entry[0].resource",
            "information dom-6 Bundle.entry[1].resource",
            "information con-3 Bundle.entry[1].resource",
        ]
    );
}

#[test]
fn every_published_constraint_is_checked() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/constraints.json");
    let file: Value = serde_json::from_slice(&fs::read(file).expect("the file")).expect("JSON");
    let known: BTreeSet<&str> = constraints()
        .iter()
        .map(|constraint| constraint.key)
        .collect();
    let published = file["constraints"].as_array().expect("a list");
    let missing: BTreeSet<&str> = published
        .iter()
        .filter_map(|constraint| constraint["key"].as_str())
        .filter(|key| !known.contains(key))
        .collect();
    // Those of profiles, and the narrative, which the reader checks.
    let elsewhere = BTreeSet::from(["mqty-1", "sqty-1", "txt-1", "txt-2", "vs-1", "vs-2", "vs-3"]);
    assert_eq!(missing, elsewhere);
    let information = constraints()
        .iter()
        .filter(|constraint| constraint.severity == Severity::Information);
    assert_eq!(information.count(), 2);
}

/// The reasons why an official example breaks a constraint.
const PINNED: &[(&str, &str)] = &[
    // Logical models that are not abstract and name no base.
    (
        "StructureDefinition-Definition.json",
        "sdf-4 StructureDefinition",
    ),
    (
        "StructureDefinition-Event.json",
        "sdf-4 StructureDefinition",
    ),
    (
        "StructureDefinition-FiveWs.json",
        "sdf-4 StructureDefinition",
    ),
    (
        "StructureDefinition-Request.json",
        "sdf-4 StructureDefinition",
    ),
];

/// Opt-in, as in `corpus.rs`.
#[test]
fn official_examples_break_no_constraint_but_the_pinned_ones() {
    let Some(folder) = std::env::var_os("FHIR_EXAMPLES_DIR") else {
        println!("skipped: FHIR_EXAMPLES_DIR is not set");
        return;
    };
    let validator = Validator::default();
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(&folder)).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let size = path.metadata().expect("the size").len();
        if !name.ends_with(".json") || size > 4_000_000 {
            continue;
        }
        let reading = validator.read(&fs::read(&path).expect("a file"));
        let errors = broken(&reading);
        let errors = errors.iter().filter_map(|text| text.strip_prefix("error "));
        found.extend(errors.map(|error| (name.to_owned(), error.to_owned())));
    }
    found.sort();
    let pinned = PINNED
        .iter()
        .map(|(file, error)| ((*file).to_owned(), (*error).to_owned()));
    assert_eq!(found, pinned.collect::<Vec<_>>());
}
