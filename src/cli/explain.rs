//! `explain CODE`: what a rule asks for, why, an example and its place in the
//! specification.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use super::USAGE;
use crate::{
    model::{Constraint, Rule, near},
    validation::{constrained, constraints},
};

/// Where the specification says what conformance is.
pub const CONFORMANCE: &str = "https://hl7.org/fhir/R4/validation.html";

/// An entry for each rule but the constraints. It begins with `# code`; then a
/// line that says what the rule asks for, and lines that begin with `Why:`,
/// `Wrong:`, `Right:` and `Section:` (a name, a comma, a URL).
const ENTRIES: &str = include_str!("explain/rules.md");

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Code of a rule or key of a constraint: required-binding, obs-3; without it all are listed
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// What there is to say about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code of the rule.
    pub code: &'static str,
    /// What it asks for.
    pub what: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// A document, or words, that break it.
    pub wrong: &'static str,
    /// The same as it should be.
    pub right: &'static str,
    /// Name of the section of the specification.
    pub section: &'static str,
    /// The section.
    pub url: &'static str,
}

/// The entry of a rule; none for constraints.
pub fn entry(code: &str) -> Option<Entry> {
    entries().find(|entry| entry.code == code)
}

/// All entries, in the order of the file.
pub fn entries() -> impl Iterator<Item = Entry> {
    // A comment comes before the first one.
    ENTRIES.split("\n# ").skip(1).filter_map(parse)
}

fn parse(text: &'static str) -> Option<Entry> {
    let mut lines = text.lines();
    let code = lines.next()?.trim();
    let what = lines.next()?.trim();
    let field = |name: &str| {
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let (section, url) = field("Section:")?.rsplit_once(", ")?;
    Some(Entry {
        code,
        what,
        why: field("Why:")?,
        wrong: field("Wrong:")?,
        right: field("Right:")?,
        section,
        url,
    })
}

/// A constraint and the types or elements that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstraintUse {
    /// The constraint.
    pub constraint: &'static Constraint,
    /// Types and paths of elements that it applies to.
    pub on: Vec<&'static str>,
}

/// The constraint with this key.
pub fn constraint(key: &str) -> Option<ConstraintUse> {
    let constraint = constraints()
        .iter()
        .find(|constraint| constraint.key == key)?;
    Some(ConstraintUse {
        constraint,
        on: constrained(key),
    })
}

/// The keys of all constraints, in the order of the alphabet.
pub fn constraint_keys() -> Vec<&'static str> {
    let mut keys: Vec<&str> = constraints()
        .iter()
        .map(|constraint| constraint.key)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Explains a rule, or lists all.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
pub fn run(arguments: &Arguments) -> ExitCode {
    let text = match &arguments.code {
        None => Some(list()),
        Some(code) => explained(code.trim()),
    };
    let Some(text) = text else {
        let code = arguments.code.as_deref().unwrap_or_default();
        let codes = Rule::ALL.iter().map(|rule| rule.code());
        let near = near::matches(code, codes.chain(constraint_keys()));
        let hint = match near.as_slice() {
            [] => String::new(),
            names => format!(" Did you mean {}?", names.join(" or ")),
        };
        eprintln!(
            "error: there is no rule `{code}`.{hint} `fhir-mcp-server explain` lists all rules."
        );
        return ExitCode::from(USAGE);
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads through a pipe may stop early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            ExitCode::from(USAGE)
        }
    }
}

/// The text about a rule or constraint; `None` if there is none with this code.
fn explained(code: &str) -> Option<String> {
    if let Some(found) = constraint(code) {
        return Some(explained_constraint(&found));
    }
    let rule = Rule::ALL.iter().find(|rule| rule.code() == code)?;
    let mut text = format!(
        "{} ({}, issue type {})\n{}.\n",
        rule.code(),
        rule.severity(),
        rule.issue_type().as_str(),
        rule.title()
    );
    if let Some(entry) = entry(code) {
        for (name, content) in [
            ("What", entry.what),
            ("Why", entry.why),
            ("Wrong", entry.wrong),
            ("Right", entry.right),
        ] {
            let _ = write!(text, "\n{name}:\n  {content}\n");
        }
        let _ = write!(
            text,
            "\nSpecification:\n  {}\n  {}\n",
            entry.section, entry.url
        );
    }
    Some(text)
}

fn explained_constraint(found: &ConstraintUse) -> String {
    let constraint = found.constraint;
    let mut text = format!(
        "{} ({}, issue type invariant)\n{}\n\nExpression (FHIRPath):\n  {}\n",
        constraint.key, constraint.severity, constraint.human, constraint.expression
    );
    if !found.on.is_empty() {
        let _ = write!(text, "\nApplies to:\n  {}\n", found.on.join(", "));
    }
    let _ = write!(text, "\nSpecification:\n");
    // Types have pages; elements are on the page of their type.
    let page = found.on.first().and_then(|path| path.split('.').next());
    let page = page.filter(|name| crate::model::RESOURCE_TYPES.contains(name));
    let _ = match page {
        Some(name) => writeln!(
            text,
            "  Constraints of {name}\n  https://hl7.org/fhir/R4/{}.html#invs",
            name.to_ascii_lowercase()
        ),
        None => writeln!(
            text,
            "  Constraints\n  https://hl7.org/fhir/R4/conformance-rules.html#constraints"
        ),
    };
    text
}

/// All rules, a line each, then the keys of the constraints.
fn list() -> String {
    let width = Rule::ALL.iter().map(|rule| rule.code().len()).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for rule in Rule::ALL {
        let (code, severity) = (rule.code(), rule.severity().as_str());
        let _ = writeln!(text, "{code:width$}  {severity:11}  {}", rule.title());
    }
    let keys = constraint_keys();
    if !keys.is_empty() {
        let _ = write!(text, "\nConstraints: {}\n", keys.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Severity, validation::Validator};

    #[test]
    fn every_rule_has_an_entry() {
        for rule in Rule::ALL {
            let code = rule.code();
            let entry = entry(code).unwrap_or_else(|| {
                panic!(
                    "the rule {code} needs an entry in src/cli/explain/rules.md: a line `# {code}`, \
                     a line that says what it asks for, and lines that begin with `Why:`, `Wrong:`, \
                     `Right:` and `Section:` (name, comma, URL), as the other entries have them"
                )
            });
            assert!(entry.url.starts_with("https://"), "{code}: {}", entry.url);
            assert!(explained(code).unwrap().contains(entry.why));
        }
        assert_eq!(entries().count(), ENTRIES.matches("\n# ").count());
        for entry in entries() {
            let known = Rule::ALL.iter().any(|rule| rule.code() == entry.code);
            assert!(known, "there is no rule {}", entry.code);
        }
    }

    /// What is no document is words about one that would be too long.
    #[test]
    fn examples_are_what_they_say() {
        let has = |document: &str, code: &str| {
            let reading = Validator::default().read(document.as_bytes());
            reading.issues.iter().any(|issue| issue.rule.code() == code)
        };
        for Entry {
            code, wrong, right, ..
        } in entries()
        {
            if wrong.starts_with('{') {
                assert!(has(wrong, code), "{code} is not broken by: {wrong}");
            }
            if right.starts_with('{') {
                let reading = Validator::default().read(right.as_bytes());
                assert!(reading.is_valid(), "{code}: {:?}", reading.issues);
                assert!(!has(right, code), "{code} is broken by: {right}");
            }
        }
    }

    #[test]
    fn a_constraint_is_explained_from_the_definition() {
        static CONSTRAINT: Constraint = Constraint {
            key: "obs-3",
            severity: Severity::Error,
            human: "Must have at least a low or a high or text",
            expression: "low.exists() or high.exists() or text.exists()",
        };
        let text = explained_constraint(&ConstraintUse {
            constraint: &CONSTRAINT,
            on: vec!["Observation.referenceRange"],
        });
        let expected = "obs-3 (error, issue type invariant)\n\
            Must have at least a low or a high or text\n\n\
            Expression (FHIRPath):\n  low.exists() or high.exists() or text.exists()\n\n\
            Applies to:\n  Observation.referenceRange\n\n\
            Specification:\n  Constraints of Observation\n  \
            https://hl7.org/fhir/R4/observation.html#invs\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_constraint_says_what_it_is_of() {
        let on = |key| constraint(key).map(|found| found.on);
        assert_eq!(on("obs-3"), Some(vec!["Observation.referenceRange"]));
        assert_eq!(on("dom-3"), Some(vec!["DomainResource"]));
        assert_eq!(on("ele-1"), Some(vec!["Element"]));
        assert_eq!(on("ext-1"), Some(vec!["Extension"]));
        assert_eq!(on("ref-1"), Some(vec!["Reference"]));
        assert_eq!(on("tst-8"), Some(vec!["TestScript.test.action.operation"]));
        for key in constraint_keys() {
            assert!(on(key).is_some_and(|on| !on.is_empty()), "{key}");
        }
    }

    #[test]
    fn the_list_has_all_rules() {
        // Behind the rules an empty line, and one with the constraints.
        assert_eq!(list().lines().count(), Rule::ALL.len() + 2);
        assert_eq!(explained("no-such-rule"), None);
    }
}
