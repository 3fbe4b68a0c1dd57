//! What a Coding asks for wherever it stands: a system that is one, a code that
//! the system has, the display that goes with it
//! ([Coding](https://hl7.org/fhir/R4/datatypes.html#Coding)).

use super::{memo::Memo, quoted};
use crate::model::{
    Coding, Rule, Severity,
    definition::BindingStrength,
    reader::At,
    terminology::{
        LANGUAGES, MEDIA_TYPES, Membership, UNITS, code_system, is_language, is_media_type, is_unit,
    },
};

/// The specification's own expansions of its value sets list all of its codes.
const ALL_SELECTABLE: &str = "http://terminology.hl7.org/CodeSystem/referencerange-meaning";

/// Checks a coding: the one at this index of a CodeableConcept, or the object
/// itself. What its binding has reported already is not said again.
pub(super) fn check(
    coding: &Coding,
    index: Option<usize>,
    reported: bool,
    memo: &mut Memo,
    at: &mut At<'_, '_>,
) {
    let (system, code) = (coding.system.as_deref(), coding.code.as_deref());
    match (system, code) {
        // Large systems that are not part of the specification.
        (Some("http://loinc.org" | "http://snomed.info/sct"), _) | (None, None) => {}
        (Some(system), _) => {
            let texts = [
                system,
                code.unwrap_or_default(),
                coding.display.as_deref().unwrap_or_default(),
            ];
            let known = memo.finding(0, texts);
            if known.as_deref() == Some(&Some(Membership::Member)) {
                return;
            }
            match defect(system, code, coding.display.as_deref()) {
                None => {
                    if let Some(known) = known {
                        *known = Some(Membership::Member);
                    }
                }
                Some(defect) if reported && defect.name == "code" => {}
                Some(defect) => {
                    let Some(severity) = severity(defect.rule, at) else {
                        return;
                    };
                    let below = below(index, defect.name);
                    at.report_below(&below, defect.rule, severity, defect.expected, defect.found);
                }
            }
        }
        (None, Some(code)) => {
            if !reported && coding.system.element.is_none() {
                let found = format!("the code {} without one", quoted(code));
                let (below, rule) = (below(index, "code"), Rule::CodingSystem);
                at.report_below(&below, rule, Severity::Warning, "a system".into(), found);
            }
        }
    }
}

/// How bad a defect is; of a code that groups others that is a matter of the
/// binding, and nothing without one.
fn severity(rule: Rule, at: &At<'_, '_>) -> Option<Severity> {
    if rule != Rule::AbstractCode {
        return Some(rule.severity());
    }
    match at.element()?.binding?.strength {
        BindingStrength::Required => Some(Severity::Error),
        BindingStrength::Extensible => Some(rule.severity()),
        BindingStrength::Preferred | BindingStrength::Example => None,
    }
}

/// What is wrong with a part of a coding.
struct Defect {
    name: &'static str,
    rule: Rule,
    expected: String,
    found: String,
}

fn defect(system: &str, code: Option<&str>, display: Option<&str>) -> Option<Defect> {
    let Some(table) = code_system(system) else {
        if let Some(expected) = wrong_system(system) {
            return Some(Defect {
                name: "system",
                rule: Rule::CodingSystem,
                expected: expected.into(),
                found: quoted(system),
            });
        }
        let (rule, expected) = wrong_by_grammar(system, code?)?;
        return Some(Defect {
            name: "code",
            rule,
            expected: expected.into(),
            found: quoted(code?),
        });
    };
    match table.concept(code?) {
        Some(concept) => {
            if let Some(display) = display.filter(|display| !is_same(display, concept.display())) {
                return Some(Defect {
                    name: "display",
                    rule: Rule::Display,
                    expected: quoted(concept.display()),
                    found: quoted(display),
                });
            }
            let (rule, expected) = if concept.is_inactive() {
                let expected = format!("a code of {system} that is not retired");
                (Rule::InactiveCode, expected)
            } else if concept.is_abstract() && system != ALL_SELECTABLE {
                let expected = format!("a code of {system} that is not there to group others");
                (Rule::AbstractCode, expected)
            } else {
                return None;
            };
            Some(Defect {
                name: "code",
                rule,
                expected,
                found: quoted(concept.code()),
            })
        }
        None => table.is_complete().then(|| Defect {
            name: "code",
            rule: Rule::UnknownCode,
            expected: format!("a code of {system}"),
            found: quoted(code.unwrap_or_default()),
        }),
    }
}

fn below(index: Option<usize>, name: &str) -> String {
    match index {
        Some(index) => format!("coding[{index}].{name}"),
        None => name.to_owned(),
    }
}

/// What a code is not, of a system whose codes have a grammar.
fn wrong_by_grammar(system: &str, code: &str) -> Option<(Rule, &'static str)> {
    let (known, rule, expected) = match system {
        LANGUAGES => (
            is_language(code),
            Rule::UnknownCode,
            "a BCP 47 language tag",
        ),
        MEDIA_TYPES => (
            is_media_type(code),
            Rule::UnknownCode,
            "a BCP 13 media type",
        ),
        UNITS => (is_unit(code), Rule::Ucum, "a UCUM unit"),
        _ => return None,
    };
    (!known).then_some((rule, expected))
}

/// Whether a text is a URI with a scheme.
fn is_absolute(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default();
    scheme.len() < uri.len()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// What an unknown system should have been, if it can be none.
fn wrong_system(system: &str) -> Option<&'static str> {
    let own = [
        "http://hl7.org/fhir/ValueSet/",
        "http://terminology.hl7.org/ValueSet/",
    ];
    if !is_absolute(system) {
        Some("an absolute URI of a code system")
    } else if own.iter().any(|start| system.starts_with(start)) {
        Some("the URI of a code system, not of a value set")
    } else {
        None
    }
}

/// Whether two displays differ in case and white space alone.
fn is_same(display: &str, known: &str) -> bool {
    let words =
        |text: &'_ str| -> Vec<String> { text.split_whitespace().map(str::to_lowercase).collect() };
    display.eq_ignore_ascii_case(known) || words(display) == words(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_uris_have_a_scheme() {
        for uri in ["http://a", "urn:oid:1.2", "a+b:c", "mailto:x"] {
            assert!(is_absolute(uri), "{uri}");
        }
        for uri in ["", "a", "#a", "/a:b", "1a:b", ":", "Patient/1"] {
            assert!(!is_absolute(uri), "{uri}");
        }
    }
}
