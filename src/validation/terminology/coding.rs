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
    let code = coding.code.as_deref();
    let Some(system) = coding.system.as_deref() else {
        if let Some(code) = code
            && !reported
            && coding.system.element.is_none()
        {
            let found = format!("the code {} without one", quoted(code));
            let place = Place {
                index,
                name: "code",
            };
            place.report(
                Rule::CodingSystem,
                Severity::Warning,
                "a system".into(),
                found,
                at,
            );
        }
        return;
    };
    if !check_system(system, index, at) {
        return;
    }
    let Some(code) = code else { return };
    let known = match system {
        "http://loinc.org" | "http://snomed.info/sct" => return,
        LANGUAGES => is_language(code),
        MEDIA_TYPES => is_media_type(code),
        UNITS => {
            if !reported && unit(code).is_none() {
                let place = Place {
                    index,
                    name: "code",
                };
                let expected = "a UCUM unit".to_owned();
                place.report(
                    Rule::Ucum,
                    Rule::Ucum.severity(),
                    expected,
                    quoted(code),
                    at,
                );
            }
            return;
        }
        _ => {
            let Some(table) = code_system(system) else {
                return;
            };
            match table.concept(code) {
                Some(concept) => {
                    if let Some(display) = coding.display.as_deref() {
                        check_display(display, concept.display(), index, at);
                    }
                    true
                }
                None => !table.is_complete(),
            }
        }
    };
    if !known && !reported {
        let place = Place {
            index,
            name: "code",
        };
        let severity = Rule::UnknownCode.severity();
        place.report(
            Rule::UnknownCode,
            severity,
            format!("a code of {system}"),
            quoted(code),
            at,
        );
    }
}

/// Whether a text is a URI with a scheme.
pub(super) fn is_absolute(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default();
    scheme.len() < uri.len()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn check_system(system: &str, index: Option<usize>, at: &mut At<'_, '_>) -> bool {
    let expected = if !is_absolute(system) {
        "an absolute URI of a code system"
    } else if system.contains("/ValueSet/") && is_value_set(system) {
        "the URI of a code system, not of a value set"
    } else {
        return true;
    };
    let place = Place {
        index,
        name: "system",
    };
    let severity = Rule::CodingSystem.severity();
    place.report(
        Rule::CodingSystem,
        severity,
        expected.into(),
        quoted(system),
        at,
    );
    false
}

fn is_value_set(url: &str) -> bool {
    let own = [
        "http://hl7.org/fhir/ValueSet/",
        "http://terminology.hl7.org/ValueSet/",
    ];
    own.iter().any(|start| url.starts_with(start)) && code_system(url).is_none()
}

/// Case and white space make no difference.
fn check_display(display: &str, known: &str, index: Option<usize>, at: &mut At<'_, '_>) {
    let same = display.eq_ignore_ascii_case(known) || {
        let known = known.split_whitespace().flat_map(|word| [" ", word]);
        let display = display.split_whitespace().flat_map(|word| [" ", word]);
        let letters = |text: &'_ str| text.to_lowercase();
        known.map(letters).eq(display.map(letters))
    };
    if !same {
        let place = Place {
            index,
            name: "display",
        };
        let severity = Rule::Display.severity();
        place.report(Rule::Display, severity, quoted(known), quoted(display), at);
    }
}

/// A part of the coding.
struct Place {
    index: Option<usize>,
    name: &'static str,
}

impl Place {
    #[cold]
    fn report(
        &self,
        rule: Rule,
        severity: Severity,
        expected: String,
        found: String,
        at: &mut At<'_, '_>,
    ) {
        let below = match self.index {
            Some(index) => format!("coding[{index}].{}", self.name),
            None => self.name.to_owned(),
        };
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
