//! Documents that each break one rule, in `fixtures/invalid/<rule>/`: what must
//! be reported, in document order, and nothing else.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fhir_mcp_server::{
    model::{Resource, Rule},
    validation::{Options, Validator},
};
use serde::Deserialize;

use crate::support::package;

/// One expected issue; `count` of them in a row, whose indexes are `[*]`.
#[derive(Deserialize)]
struct Expected {
    severity: String,
    code: String,
    expression: String,
    #[serde(default = "once")]
    count: usize,
}

fn once() -> usize {
    1
}

#[test]
fn each_document_gets_exactly_its_issues() {
    let mut failures = Vec::new();
    let mut rules = BTreeSet::new();
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        packages: package::all(folder.path()),
        ..Options::default()
    };
    let remarks = Options {
        must_support: true,
        ..options.clone()
    };
    let [validator, remarking] =
        [options, remarks].map(|options| Validator::new(options).expect("a validator"));
    for (input, expected) in cases() {
        let expected: Vec<Expected> =
            serde_json::from_slice(&fs::read(&expected).expect("the issues"))
                .expect("a list of issues");
        rules.extend(expected.iter().map(|issue| issue.code.clone()));
        let expected: Vec<String> = expected
            .iter()
            .flat_map(|issue| {
                std::iter::repeat_n(
                    format!("{} {} {}", issue.severity, issue.code, issue.expression),
                    issue.count,
                )
            })
            .collect();
        let validator = match input.parent() {
            Some(rule) if rule.ends_with("must-support") => &remarking,
            _ => &validator,
        };
        let reading = validator.read(&fs::read(&input).expect("the document"));
        let found: Vec<String> = reading
            .issues
            .iter()
            .enumerate()
            .map(|(index, issue)| {
                let pattern = expected
                    .get(index)
                    .and_then(|expected| expected.rsplit(' ').next());
                let expression = star(&issue.expression, pattern.unwrap_or_default());
                format!("{} {} {expression}", issue.severity, issue.rule.code())
            })
            .collect();
        if found != expected {
            failures.push(format!(
                "{}:\n  expected {expected:#?}\n  found {found:#?}",
                input.display()
            ));
        }
        for issue in &reading.issues {
            assert!(issue.line > 0 && issue.column > 0, "{issue:?}");
            assert!(
                !issue.expected.is_empty() && !issue.found.is_empty(),
                "{issue:?}"
            );
        }
        let errors = expected.iter().any(|issue| {
            let severity = issue.split(' ').next();
            matches!(severity, Some("error" | "fatal"))
        });
        assert_eq!(reading.is_valid(), !errors, "{}", input.display());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let without: Vec<_> = Rule::ALL
        .iter()
        .map(|rule| rule.code())
        .filter(|code| !rules.contains(*code))
        .collect();
    assert!(without.is_empty(), "rules without a document: {without:?}");
}

/// The documents and their expected issues.
fn cases() -> Vec<(PathBuf, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/invalid");
    let mut cases = Vec::new();
    for rule in fs::read_dir(root).expect("the folder") {
        for file in fs::read_dir(rule.expect("an entry").path()).expect("a folder of a rule") {
            let path = file.expect("an entry").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("a UTF-8 name");
            if let Some(suffix) = name.strip_prefix("input") {
                cases.push((path.clone(), path.with_file_name(format!("issues{suffix}"))));
            }
        }
    }
    assert!(!cases.is_empty());
    cases.sort();
    cases
}

/// The expression with any index where the pattern has `[*]`.
fn star(expression: &str, pattern: &str) -> String {
    let matches = pattern.split_once("[*]").is_some_and(|(before, after)| {
        let index = expression
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after));
        let digits = index
            .and_then(|index| index.strip_prefix('['))
            .and_then(|index| index.strip_suffix(']'));
        digits.is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    });
    if matches {
        pattern.to_owned()
    } else {
        expression.to_owned()
    }
}

#[test]
fn names_that_were_meant_are_looked_for_at_first_alone() {
    let hinted = |members: &[String]| {
        let document = format!("{{\"resourceType\":\"Patient\",{}}}", members.join(","));
        let reading = Resource::from_slice(document.as_bytes());
        assert_eq!(reading.issues.len(), members.len());
        let near = reading.issues.iter();
        near.filter(|issue| issue.expected.contains("near: birthDate"))
            .count()
    };
    let members: Vec<String> = (100..400)
        .map(|index| format!("\"birthDate{index}\":1"))
        .collect();
    assert_eq!(hinted(&members), 100);
    // A name that nobody mistypes: comparing it would take minutes.
    assert_eq!(
        hinted(&[format!("\"birthDate{}\":1", "x".repeat(1_000_000))]),
        0
    );
}
