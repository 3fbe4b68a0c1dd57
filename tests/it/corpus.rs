//! Real data: no false rejects, and what is read is written back the same.
//!
//! The official examples are opt-in: `FHIR_EXAMPLES_DIR` names the unpacked npm
//! package hl7.fhir.r4.examples 4.0.1.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fhir_mcp_server::{model::Resource, validation::Validator};
use serde_json::{Value, value::RawValue};

/// Files of the package that are no resources, by name.
const NO_RESOURCES: [&str; 2] = ["package.json", "ig-r4.json"];
/// Larger files are collections of definitions that stand alone as well.
const MAX_FILE: u64 = 4_000_000;
const OFFICIAL_FILES: usize = 5_297;

#[test]
fn official_examples_are_valid_but_for_the_pinned_exceptions() {
    let Some(folder) = std::env::var_os("FHIR_EXAMPLES_DIR") else {
        println!("skipped: FHIR_EXAMPLES_DIR is not set");
        return;
    };
    let paths = json_files(Path::new(&folder), MAX_FILE);
    assert_eq!(paths.len(), OFFICIAL_FILES);
    let mut exceptions = pinned_exceptions();
    let validator = Validator::default();
    let mut failures = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a UTF-8 name")
            .to_owned();
        let expected = exceptions.remove(&name).unwrap_or_default();
        let found = round_trip(&validator, &fs::read(&path).expect("a file"));
        if found != Ok(expected.clone()) {
            failures.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{} files:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(
        exceptions.is_empty(),
        "pinned and not in the package: {exceptions:?}"
    );
}

#[test]
fn our_fixtures_are_valid_and_survive_reading_and_writing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut paths = json_files(&root.join("r4"), u64::MAX);
    paths.extend(json_files(&root.join("patients"), u64::MAX));
    assert!(paths.len() > 160, "{}", paths.len());
    let mut types = std::collections::BTreeSet::new();
    let validator = Validator::default();
    for path in &paths {
        let bytes = fs::read(path).expect("a file");
        assert_eq!(
            round_trip(&validator, &bytes),
            Ok(Vec::new()),
            "{}",
            path.display()
        );
        types.extend(
            Resource::from_slice(&bytes)
                .value
                .map(|resource| resource.resource_type()),
        );
    }
    let missing: Vec<_> = Resource::TYPES
        .iter()
        .filter(|name| !types.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no fixture of {missing:?}");
}

/// The errors of a document as `rule expression`; `Err` when writing it again
/// changes it. With errors it is not written.
fn round_trip(validator: &Validator, bytes: &[u8]) -> Result<Vec<String>, String> {
    let reading = validator.read(bytes);
    let mut errors: Vec<String> = reading
        .issues
        .iter()
        .filter(|issue| issue.severity.is_error())
        .map(|issue| format!("{} {}", issue.rule.code(), issue.expression))
        .collect();
    if !errors.is_empty() {
        errors.sort();
        return Ok(errors);
    }
    let written = reading.value.ok_or("no value and no error")?.to_json();
    same(bytes, written.as_bytes())?;
    Ok(errors)
}

/// Semantic equality of two JSON texts: order of properties aside, numbers by
/// their text.
fn same(left: &[u8], right: &[u8]) -> Result<(), String> {
    let parse = |bytes| serde_json::from_slice::<Value>(bytes).map_err(|error| error.to_string());
    let (a, b) = (parse(left)?, parse(right)?);
    if a != b {
        return Err("the JSON differs".to_owned());
    }
    let mut numbers = [Vec::new(), Vec::new()];
    collect_numbers(
        serde_json::from_slice(left).map_err(|error| error.to_string())?,
        &mut numbers[0],
    );
    collect_numbers(
        serde_json::from_slice(right).map_err(|error| error.to_string())?,
        &mut numbers[1],
    );
    numbers.iter_mut().for_each(|list| list.sort());
    if numbers[0] == numbers[1] {
        Ok(())
    } else {
        Err("the text of a number differs".to_owned())
    }
}

fn collect_numbers(raw: &RawValue, numbers: &mut Vec<String>) {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> =
                serde_json::from_str(text).expect("an object");
            fields
                .values()
                .for_each(|value| collect_numbers(value, numbers));
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(text).expect("an array");
            values
                .iter()
                .for_each(|value| collect_numbers(value, numbers));
        }
        Some(b'-' | b'0'..=b'9') => numbers.push(text.to_owned()),
        _ => {}
    }
}

fn json_files(folder: &Path, limit: u64) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| !NO_RESOURCES.iter().any(|name| path.ends_with(name)))
        .filter(|path| {
            path.metadata()
                .is_ok_and(|metadata| metadata.len() <= limit)
        })
        .collect();
    paths.sort();
    paths
}

/// File name → the errors that it really has, in the order of the alphabet.
fn pinned_exceptions() -> BTreeMap<String, Vec<String>> {
    let mut exceptions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/exceptions.json");
    let pinned: Value = serde_json::from_slice(&fs::read(path).expect("the file")).expect("JSON");
    for file in pinned["exceptions"].as_array().expect("a list") {
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        assert!(!text(&file["reason"]).is_empty(), "a reason: {file}");
        let issues = file["issues"].as_array().expect("issues").iter();
        let issues =
            issues.map(|issue| format!("{} {}", text(&issue["code"]), text(&issue["expression"])));
        exceptions
            .entry(text(&file["file"]))
            .or_default()
            .extend(issues);
    }
    exceptions.values_mut().for_each(|issues| issues.sort());
    exceptions
}
