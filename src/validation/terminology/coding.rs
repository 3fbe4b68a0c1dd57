//! What a Coding asks for wherever it stands: a system that is one, a code that
//! the system has, the display that goes with it
//! ([Coding](https://hl7.org/fhir/R4/datatypes.html#Coding)).

use super::quoted;
use crate::model::{
    Coding, Rule, Severity,
    reader::At,
    terminology::{LANGUAGES, MEDIA_TYPES, UNITS, code_system, is_language, is_media_type, unit},
};

/// Checks a coding: the one at this index of a CodeableConcept, or the object
/// itself. What its binding has reported already is not said again.
pub(super) fn check(coding: &Coding, index: Option<usize>, reported: bool, at: &mut At<'_, '_>) {
    let place = |name| Place {
        index,
        name,
        severity: None,
    };
    let (system, code) = (coding.system.as_deref(), coding.code.as_deref());
    match (system, code) {
        // Large systems that are not part of the specification.
        (Some("http://loinc.org" | "http://snomed.info/sct"), _) | (None, None) => {}
        (Some(system), code) => {
            if let Some(table) = code_system(system) {
                let Some(code) = code else { return };
                match table.concept(code) {
                    Some(concept) => {
                        if let Some(display) = coding.display.as_deref()
                            && !is_same(display, concept.display())
                        {
                            let (known, display) = (quoted(concept.display()), quoted(display));
                            place("display").report(Rule::Display, known, display, at);
                        }
                    }
                    None if table.is_complete() && !reported => {
                        let expected = format!("a code of {system}");
                        place("code").report(Rule::UnknownCode, expected, quoted(code), at);
                    }
                    None => {}
                }
            } else if let Some(expected) = wrong_system(system) {
                place("system").report(Rule::CodingSystem, expected.into(), quoted(system), at);
            } else if let Some(code) = code
                && !reported
                && let Some((rule, expected)) = wrong_by_grammar(system, code)
            {
                place("code").report(rule, expected.into(), quoted(code), at);
            }
        }
        (None, Some(code)) => {
            if !reported && coding.system.element.is_none() {
                let found = format!("the code {} without one", quoted(code));
                let mut place = place("code");
                place.severity = Some(Severity::Warning);
                place.report(Rule::CodingSystem, "a system".into(), found, at);
            }
        }
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
        UNITS => (unit(code).is_some(), Rule::Ucum, "a UCUM unit"),
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

/// A part of the coding.
struct Place {
    index: Option<usize>,
    name: &'static str,
    /// Where it is not that of the rule.
    severity: Option<Severity>,
}

impl Place {
    #[cold]
    fn report(&self, rule: Rule, expected: String, found: String, at: &mut At<'_, '_>) {
        let below = match self.index {
            Some(index) => format!("coding[{index}].{}", self.name),
            None => self.name.to_owned(),
        };
        let severity = self.severity.unwrap_or(rule.severity());
        at.report_below(&below, rule, severity, expected, found);
    }
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
