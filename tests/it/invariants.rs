//! `fixtures/invariants/cases.json`: valid documents, and changes that each
//! break what they name, and nothing else. A change without a value takes the
//! element away.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use fhir_mcp_server::{
    model::{
        IssueType, Reading, Resource, Severity,
        object::{Node, Object},
    },
    validation::{
        self, Validator,
        fhirpath::{self, Expression},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::constraints::{self, Published};

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
        if !reading.is_valid() || !broken(&reading).is_empty() {
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
    let known: BTreeSet<&str> = validation::constraints()
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
    let information = validation::constraints()
        .iter()
        .filter(|constraint| constraint.severity == Severity::Information);
    assert_eq!(information.count(), 2);
}

/// The published constraints by path, parsed.
fn published() -> BTreeMap<String, Vec<(String, Expression)>> {
    let published = constraints::published().into_iter();
    published
        .map(|(path, list)| {
            let list = list
                .into_iter()
                .filter(|constraint| !OTHERWISE.contains(&constraint.key.as_str()))
                .map(|Published { key, expression }| {
                    let parsed = fhirpath::parse(&expression).expect(&key);
                    (key, parsed)
                });
            (path, list.collect())
        })
        .collect()
}

/// Constraints that are checked elsewhere, or in another way than published,
/// with the reasons in `validation::invariant`.
const OTHERWISE: &[&str] = &[
    "con-3", "ctm-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ele-1", "ref-1", "tim-9",
    "txt-1", "txt-2",
];

/// What the interpreter says of a document, as [`broken`] says it.
struct Interpreted<'p> {
    published: &'p BTreeMap<String, Vec<(String, Expression)>>,
    found: Vec<String>,
}

impl Interpreted<'_> {
    fn node(&mut self, node: Node<'_>, definition: &str, path: &str, resource: &dyn Object) {
        for (key, expression) in self.published.get(definition).into_iter().flatten() {
            match fhirpath::holds(expression, node, resource, resource) {
                Ok(true) => {}
                Ok(false) => self.found.push(format!("{key} {path}")),
                Err(refusal) => self.found.push(format!("{key} {path}: {refusal}")),
            }
        }
    }

    fn object(&mut self, object: &dyn Object, path: &str, resource: &dyn Object) {
        let definition = object.definition();
        for (index, element) in definition.elements.iter().enumerate() {
            for (index, node) in object.slot(index).iter().enumerate() {
                let below = match element.many {
                    true => format!("{path}.{}[{index}]", element.name),
                    false => format!("{path}.{}", element.name),
                };
                let of = format!("{}.{}", definition.name, element.name);
                match node {
                    Node::Object(inner) => {
                        let name = inner.definition().name;
                        self.node(node, name, &below, resource);
                        if name != of {
                            self.node(node, &of, &below, resource);
                        }
                        self.object(inner, &below, resource);
                    }
                    Node::Resource(inner) => self.resource(inner, &below),
                    Node::Primitive(primitive) => {
                        self.node(node, &of, &below, resource);
                        if let Some(inner) = primitive.element() {
                            self.object(inner, &below, resource);
                        }
                    }
                    Node::Gap => {}
                }
            }
        }
    }

    fn resource(&mut self, resource: &Resource, path: &str) {
        let object = resource.as_object();
        self.node(
            Node::Resource(resource),
            resource.resource_type(),
            path,
            object,
        );
        self.object(object, path, object);
    }
}

/// Where compiled and interpreted constraints differ.
fn difference(
    published: &BTreeMap<String, Vec<(String, Expression)>>,
    bytes: &[u8],
) -> Vec<String> {
    let reading = Validator::default().read(bytes);
    let errors = reading
        .issues
        .iter()
        .filter(|issue| issue.severity.is_error());
    let Some(resource) = reading.value.as_ref().filter(|_| {
        errors
            .clone()
            .all(|issue| issue.rule.issue_type() == IssueType::Invariant)
    }) else {
        return Vec::new();
    };
    let mut interpreted = Interpreted {
        published,
        found: Vec::new(),
    };
    interpreted.resource(resource, resource.resource_type());
    let without_severity = |text: &String| text.split_once(' ').expect("a severity").1.to_owned();
    let compiled: BTreeSet<String> = broken(&reading).iter().map(without_severity).collect();
    // Elements that refer to another have their constraints under two keys.
    let twice = ["tst-7 ", "tst-5 ", "tst-10 ", "tst-12 "];
    let interpreted: BTreeSet<String> = interpreted
        .found
        .into_iter()
        .filter(|text| text.contains(".setup") || !twice.iter().any(|key| text.starts_with(key)))
        .collect();
    let elsewhere = |text: &&String| {
        let key = text.split(' ').next().unwrap_or_default();
        !OTHERWISE.contains(&key) && key != "ext-1"
    };
    compiled
        .symmetric_difference(&interpreted)
        .filter(elsewhere)
        .cloned()
        .collect()
}

#[test]
fn compiled_and_interpreted_constraints_agree() {
    let (cases, published) = (cases(), published());
    let mut documents: Vec<Vec<u8>> = Vec::new();
    for Change { of, at, value, .. } in &cases.changes {
        let mut document = cases.valid[of].clone();
        change(&mut document, at, value.as_ref());
        documents.push(document.to_string().into_bytes());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/r4");
    let official = std::env::var_os("FHIR_EXAMPLES_DIR").map(std::path::PathBuf::from);
    for folder in std::iter::once(folder).chain(official) {
        for entry in fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            let size = path.metadata().expect("the size").len();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
                && size < 200_000
            {
                documents.push(fs::read(path).expect("a file"));
            }
        }
    }
    let differences: Vec<String> = documents
        .iter()
        .flat_map(|document| difference(&published, document))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
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
        // Those of narratives are pinned with the other issues of reading.
        let errors = errors.filter(|text| !text.starts_with("txt-"));
        found.extend(errors.map(|error| (name.to_owned(), error.to_owned())));
    }
    found.sort();
    let pinned = PINNED
        .iter()
        .map(|(file, error)| ((*file).to_owned(), (*error).to_owned()));
    assert_eq!(found, pinned.collect::<Vec<_>>());
}
