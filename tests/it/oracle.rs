//! Another FHIRPath engine (`rh-fhirpath`) and ours say the same of every
//! published constraint and every official example, but for what
//! `fixtures/exceptions-oracle.json` lists with its reasons.
//!
//! Opt-in: the feature `oracle`, and `FHIR_EXAMPLES_DIR` for the examples of the
//! npm package hl7.fhir.r4.examples 4.0.1. Those of `fixtures/` are always compared.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Mutex,
};

use fhir_mcp_server::{
    model::{
        IssueType, Resource,
        definition::Kind,
        object::{Node, Object},
    },
    validation::Validator,
};
use rh_fhirpath::{
    EvaluationContext, FhirPathEvaluator, FhirPathExpression, FhirPathParser, FhirPathValue,
};
use serde::Deserialize;
use serde_json::Value;

use crate::support::constraints::{self, Published};

/// Of the 5,297 examples 5,101 are smaller. Of larger ones, which are definitions
/// and collections of them, the other engine takes minutes.
const MAX_FILE: u64 = 100_000;

#[derive(Deserialize)]
struct Exceptions {
    /// Constraints that are not compared at all.
    constraints: Vec<Exception>,
    /// Those of one file that the two see differently.
    differences: Vec<Difference>,
}

#[derive(Deserialize)]
struct Exception {
    key: String,
    reason: String,
    /// What the other engine evaluates instead; without it, nothing.
    instead: Option<String>,
    /// Whether only contained resources are left out.
    #[serde(default)]
    contained: bool,
}

#[derive(Deserialize)]
struct Difference {
    file: String,
    key: String,
    expression: String,
    reason: String,
}

/// A constraint, parsed by the other engine.
struct Parsed {
    index: usize,
    key: String,
    tree: FhirPathExpression,
    /// Whether it asks for more than the element that it is of, and if so, for
    /// which elements of the resource; without any, for all.
    resource: Option<Vec<String>>,
}

/// The elements that an expression asks `%resource` for.
fn asks_for(expression: &str) -> Option<Vec<String>> {
    if !expression.contains("%resource") && !expression.contains("%rootResource") {
        return None;
    }
    let names = expression.split("%resource.").skip(1);
    let names = names.filter_map(|rest| rest.split(|c: char| !c.is_alphabetic()).next());
    let names: Vec<String> = names.map(str::to_owned).collect();
    let all = ["descendants", "children"];
    let all = names.iter().any(|name| all.contains(&name.as_str()));
    Some(if all { Vec::new() } else { names })
}

/// That much of a resource. The engine copies it for every item of a list; of
/// the elements of a StructureDefinition the first is all that is asked for.
fn part(resource: &Value, names: &[String]) -> Value {
    if names.is_empty() {
        return resource.clone();
    }
    let mut part = serde_json::Map::new();
    for name in names.iter().map(String::as_str) {
        match (name, resource.get(name)) {
            ("snapshot" | "differential", Some(list)) => {
                let first = list.pointer("/element/0");
                part.insert(name.to_owned(), serde_json::json!({"element": [first]}));
            }
            (_, Some(value)) => drop(part.insert(name.to_owned(), value.clone())),
            (_, None) => {}
        }
    }
    Value::Object(part)
}

struct Oracle {
    by_path: BTreeMap<String, Vec<Parsed>>,
    /// What every element, and what every extension has.
    element: Parsed,
    extension: Parsed,
}

impl Oracle {
    fn new(exceptions: &[Exception]) -> Self {
        let parser = FhirPathParser::new();
        let mut count = 0;
        let mut parse = |Published { key, expression }: Published| {
            count += 1;
            let instead = exceptions.iter().find(|known| known.key == key);
            let instead = instead.and_then(|known| known.instead.clone());
            let expression = instead.unwrap_or(expression);
            Parsed {
                index: count,
                tree: parser.parse(&expression).expect(&key),
                resource: asks_for(&expression),
                key,
            }
        };
        let published = constraints::published().into_iter();
        let by_path = published
            .map(|(path, list)| {
                let list = list.into_iter();
                let list = list.filter(|constraint| !is_skipped(exceptions, &constraint.key, ""));
                (path, list.map(&mut parse).collect())
            })
            .collect();
        Self {
            by_path,
            element: parse(constraints::by_key("ele-1")),
            extension: parse(constraints::by_key("ext-1")),
        }
    }

    fn of(&self, path: &str) -> &[Parsed] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }
}

/// What the other engine says of documents.
struct Judge<'o> {
    oracle: &'o Oracle,
    engine: FhirPathEvaluator,
    /// What was said of the same constraint and the same value before.
    known: HashMap<(usize, u64), Option<String>>,
    evaluations: usize,
    found: BTreeSet<String>,
}

/// The resource around an element, and the one around that.
#[derive(Clone, Copy)]
struct Around<'v> {
    resource: &'v Value,
    root: &'v Value,
}

impl<'o> Judge<'o> {
    fn new(oracle: &'o Oracle) -> Self {
        Self {
            oracle,
            engine: FhirPathEvaluator::new(),
            known: HashMap::new(),
            evaluations: 0,
            found: BTreeSet::new(),
        }
    }

    fn resource(&mut self, resource: &Resource, value: &Value, path: &str, root: Option<&Value>) {
        let around = Around {
            resource: value,
            root: root.unwrap_or(value),
        };
        let constraints = self.oracle.of(resource.resource_type());
        self.check(constraints, value, path, around);
        self.object(resource.as_object(), value, path, around);
    }

    fn object(&mut self, object: &dyn Object, value: &Value, path: &str, around: Around<'_>) {
        let definition = object.definition();
        for (index, element) in definition.elements.iter().enumerate() {
            let slot = object.slot(index);
            if slot.is_empty() {
                continue;
            }
            let key = &definition.keys[usize::from(element.first_key) + slot.variant()];
            let of = format!("{}.{}", definition.name, element.name);
            for (index, node) in slot.iter().enumerate() {
                let (below, at) = match element.many {
                    true => (
                        format!("{path}.{}[{index}]", element.name),
                        format!("/{index}"),
                    ),
                    false => (format!("{path}.{}", element.name), String::new()),
                };
                let value_at = |name: &str| value.pointer(&format!("/{name}{at}"));
                match node {
                    Node::Object(inner) => {
                        let value = value_at(key.name).expect("the value");
                        self.element(inner, value, &of, &below, around);
                    }
                    Node::Resource(inner) => {
                        let value = value_at(key.name).expect("the value");
                        let root = (element.name == "contained").then_some(around.root);
                        self.resource(inner, value, &below, root);
                    }
                    Node::Primitive(primitive) => {
                        if let Some(value) = value_at(key.name).filter(|value| !value.is_null()) {
                            self.check(self.oracle.of(&of), value, &below, around);
                        }
                        if let Some(inner) = primitive.element() {
                            let value = value_at(&format!("_{}", key.name)).expect("a sibling");
                            self.object(inner, value, &below, around);
                        }
                    }
                    Node::Gap => {}
                }
            }
        }
    }

    /// A value that is no resource and no primitive.
    fn element(
        &mut self,
        object: &dyn Object,
        value: &Value,
        of: &str,
        path: &str,
        around: Around<'_>,
    ) {
        let oracle = self.oracle;
        let definition = object.definition();
        let here = oracle.of(of);
        // An element that refers to another has its constraints under keys of its own.
        if definition.kind != Kind::Backbone || here.is_empty() {
            self.check(oracle.of(definition.name), value, path, around);
        }
        if definition.name != of {
            self.check(here, value, path, around);
        }
        self.check(std::slice::from_ref(&oracle.element), value, path, around);
        if definition.name == "Extension" {
            self.check(std::slice::from_ref(&oracle.extension), value, path, around);
        }
        self.object(object, value, path, around);
    }

    fn check(&mut self, constraints: &[Parsed], value: &Value, path: &str, around: Around<'_>) {
        if constraints.is_empty() {
            return;
        }
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        for constraint in constraints {
            let key = (constraint.index, hash);
            let known = self
                .known
                .get(&key)
                .filter(|_| constraint.resource.is_none());
            let broken = match known {
                Some(known) => known.clone(),
                None => {
                    let broken = self.evaluate(constraint, value, around);
                    self.known.insert(key, broken.clone());
                    broken
                }
            };
            if let Some(words) = broken {
                self.found
                    .insert(format!("{}{words} {path}", constraint.key));
            }
        }
    }

    /// `None` when it holds; else what there is to say besides that it does not.
    fn evaluate(
        &mut self,
        constraint: &Parsed,
        value: &Value,
        around: Around<'_>,
    ) -> Option<String> {
        self.evaluations += 1;
        let mut context = EvaluationContext::new(Value::Null);
        context.current = value.clone();
        if let Some(names) = &constraint.resource {
            context.root = part(around.resource, names);
            if names.is_empty() {
                let root = FhirPathValue::from_json(around.root);
                context.add_constant("rootResource".to_owned(), root);
            }
        }
        let result = self.engine.evaluate(&constraint.tree, &context);
        match result.map(FhirPathValue::normalize) {
            Ok(FhirPathValue::Boolean(false)) => Some(String::new()),
            Ok(FhirPathValue::Boolean(true) | FhirPathValue::Empty) => None,
            Ok(FhirPathValue::Collection(list)) if list.is_empty() => None,
            other => Some(format!(" ({other:?})")),
        }
    }
}

/// What our constraints say of a document; `None` where reading it found errors
/// of another kind, so that not all of it could be checked.
fn ours(validator: &Validator, bytes: &[u8]) -> Option<(Resource, BTreeSet<String>)> {
    let reading = validator.read(bytes);
    let complete = reading.issues.iter().all(|issue| {
        !matches!(
            issue.rule.issue_type(),
            IssueType::Structure | IssueType::Required | IssueType::Value | IssueType::Invalid
        ) || !issue.severity.is_error()
            || issue.rule.code().contains('-') && is_about_links(issue.rule.code())
    });
    let broken = reading
        .issues
        .iter()
        .filter(|issue| issue.rule.issue_type() == IssueType::Invariant)
        .map(|issue| format!("{} {}", issue.rule.code(), issue.expression))
        .collect();
    reading
        .value
        .filter(|_| complete)
        .map(|value| (value, broken))
}

/// Rules that look at what was read, and keep nothing from being checked.
fn is_about_links(code: &str) -> bool {
    ["reference-", "bundle-", "extension-", "profile-"]
        .iter()
        .any(|prefix| code.starts_with(prefix))
}

/// Whether a constraint is not compared where it is of the element at a path.
fn is_skipped(exceptions: &[Exception], key: &str, path: &str) -> bool {
    exceptions.iter().any(|known| {
        let here = !known.contained || path.contains(".contained[");
        known.key == key && known.instead.is_none() && here
    })
}

fn documents() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/r4");
    let official = std::env::var_os("FHIR_EXAMPLES_DIR").map(PathBuf::from);
    let mut paths = Vec::new();
    for folder in std::iter::once(fixtures).chain(official) {
        for entry in fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            let json = path.extension().is_some_and(|name| name == "json");
            let small = path.metadata().is_ok_and(|data| data.len() <= MAX_FILE);
            if json && small && !path.ends_with("package.json") && !path.ends_with("ig-r4.json") {
                paths.push(path);
            }
        }
    }
    // Large ones first, so that the threads end together.
    paths.sort_by_key(|path| std::cmp::Reverse(path.metadata().map_or(0, |data| data.len())));
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

#[test]
fn another_engine_says_the_same() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/exceptions-oracle.json");
    let exceptions: Exceptions =
        serde_json::from_slice(&fs::read(file).expect("the file")).expect("exceptions");
    let reasons = exceptions.constraints.iter().map(|known| &known.reason);
    let mut reasons = reasons.chain(exceptions.differences.iter().map(|known| &known.reason));
    assert!(reasons.all(|reason| !reason.is_empty()));
    let oracle = Oracle::new(&exceptions.constraints);
    let validator = Validator::default().with_best_practice(true);
    let queue = Mutex::new(documents());
    let (found, totals) = (Mutex::new(BTreeSet::new()), Mutex::new((0, 0, 0)));
    let work = || {
        let mut judge = Judge::new(&oracle);
        loop {
            let next = {
                let mut queue = queue.lock().expect("the queue");
                (!queue.is_empty()).then(|| queue.remove(0))
            };
            let Some(path) = next else { break };
            let bytes = fs::read(&path).expect("a file");
            let Some((resource, ours)) = ours(&validator, &bytes) else {
                totals.lock().expect("the totals").1 += 1;
                continue;
            };
            let value: Value = serde_json::from_slice(&bytes).expect("JSON");
            judge.found.clear();
            judge.resource(&resource, &value, resource.resource_type(), None);
            let mut found = found.lock().expect("the differences");
            for difference in ours.symmetric_difference(&judge.found) {
                let (key, place) = difference.split_once(' ').unwrap_or_default();
                if !is_skipped(&exceptions.constraints, key, place) {
                    found.insert((file_name(&path), difference.clone()));
                }
            }
            totals.lock().expect("the totals").0 += 1;
        }
        totals.lock().expect("the totals").2 += judge.evaluations;
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let (compared, incomplete, evaluations) = totals.into_inner().expect("the totals");
    println!("{compared} documents compared in {evaluations} evaluations, {incomplete} not");
    assert!(compared > 150, "{compared}");
    let with_examples = std::env::var_os("FHIR_EXAMPLES_DIR").is_some();
    let pinned: BTreeSet<(String, String)> = exceptions
        .differences
        .into_iter()
        .map(|known| (known.file, format!("{} {}", known.key, known.expression)))
        .collect();
    let found = found.into_inner().expect("the differences");
    let more: Vec<_> = found.difference(&pinned).collect();
    assert!(more.is_empty(), "{} more: {more:#?}", more.len());
    let gone: Vec<_> = pinned.difference(&found).collect();
    assert!(!with_examples || gone.is_empty(), "no longer: {gone:#?}");
}
