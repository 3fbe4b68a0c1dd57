//! References: their form, the types that they may point to, and the contained
//! resources that they name (<https://hl7.org/fhir/R4/references.html>).
//! Where they lead inside a Bundle is a matter of [`bundle`](super::bundle).

mod contained;
pub(crate) mod form;
pub(crate) mod notes;
pub(crate) mod walk;

pub(crate) use contained::{close as close_container, id, meta};

use crate::model::{Reference, Rule, Severity, reader::At};
use form::{Form, is_resource_type};
use notes::{Fragment, Note, Notes, hash};

/// What stands before the name of a type in its canonical URL.
const STRUCTURES: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Checks a Reference that closes, and notes where it points.
pub(crate) fn check(reference: &Reference, at: &mut At<'_, '_>, notes: &mut Notes) {
    let targets = at.type_ref().map_or(&[][..], |type_ref| type_ref.targets);
    let declared = declared(reference, at);
    let kind = match reference.reference.value.as_deref() {
        Some(text) => literal(text, targets, at, notes),
        None => {
            if is_empty(reference) && at.is_complete() {
                report(
                    at,
                    Rule::ReferenceEmpty,
                    "a reference, an identifier or a display".into(),
                    "a Reference without any of them".into(),
                );
            }
            None
        }
    };
    let Some(declared) = declared else { return };
    match kind {
        Some(kind) if kind != declared => report(
            at,
            Rule::ReferenceType,
            format!("the type {kind}, to which the reference points"),
            format!("the type {declared}"),
        ),
        None if !allows(targets, declared) => target(at, targets, declared),
        _ => {}
    }
}

/// Whether a resource type is among the targets.
pub(crate) fn allows(targets: &[&str], kind: &str) -> bool {
    targets.is_empty() || targets.contains(&kind) || targets.contains(&"Resource")
}

/// The words of an issue of a wrong target.
pub(crate) fn target_words(targets: &[&str], kind: &str) -> (String, String) {
    (
        format!("a reference to {}", targets.join(" | ")),
        format!("a reference to {kind}"),
    )
}

fn target(at: &mut At<'_, '_>, targets: &[&str], kind: &str) {
    let (expected, found) = target_words(targets, kind);
    report(at, Rule::ReferenceTarget, expected, found);
}

fn report(at: &mut At<'_, '_>, rule: Rule, expected: String, found: String) {
    at.report(rule, rule.severity(), expected, found);
}

fn is_empty(reference: &Reference) -> bool {
    reference.reference.is_absent()
        && reference.identifier.is_none()
        && reference.display.is_absent()
        && reference.extension.is_empty()
}

/// The resource type in Reference.type; `None` where it has none, or where it is
/// the URL of a logical model.
fn declared<'a>(reference: &'a Reference, at: &mut At<'_, '_>) -> Option<&'a str> {
    let text = reference.r#type.value.as_ref()?.as_str();
    let name = text.strip_prefix(STRUCTURES).unwrap_or(text);
    if is_resource_type(name) {
        return Some(name);
    }
    let names_a_type =
        form::scheme(text).is_some() || matches!(name, "Resource" | "DomainResource");
    if !names_a_type {
        report(
            at,
            Rule::ReferenceType,
            "the name of a resource type".into(),
            format!("the type \"{}\"", shortened(text)),
        );
    }
    None
}

/// Checks the literal reference; the type that it points to, if it says so.
fn literal<'a>(
    text: &'a str,
    targets: &'static [&'static str],
    at: &mut At<'_, '_>,
    notes: &mut Notes,
) -> Option<&'a str> {
    let form = Form::of(text);
    let kind = match form {
        Form::Fragment(_) => {
            notes.fragments.push(Fragment {
                offset: at.offset(),
                hash: hash(text),
                targets,
            });
            return None;
        }
        Form::Rest(rest) => Some(rest.kind),
        Form::Conditional(kind) => Some(kind),
        Form::Absolute => None,
        Form::Malformed(expected) => {
            let found = format!("the reference \"{}\"", shortened(text));
            report(at, Rule::ReferenceForm, expected.into(), found);
            return None;
        }
    };
    if let Some(kind) = kind
        && !(allows(targets, kind) && (!targets.is_empty() || is_resource_type(kind)))
    {
        if is_resource_type(kind) {
            target(at, targets, kind);
        } else {
            let found = format!("the type \"{}\"", shortened(kind));
            report(
                at,
                Rule::ReferenceForm,
                "a resource type of R4".into(),
                found,
            );
        }
        return Some(kind);
    }
    match entry(at) {
        Some(entry) => {
            let note = Note::of_form(form, text, at.offset(), entry, targets);
            notes.links.extend(note);
        }
        None if matches!(form, Form::Conditional(_)) => conditional(|rule, expected, found| {
            at.report(rule, Severity::Warning, expected, found);
        }),
        None => {}
    }
    kind
}

/// Reports a conditional reference where it has no meaning. A warning: exports
/// in bulk have them, and the text that restricts them does so in passing
/// (<https://hl7.org/fhir/R4/http.html#trules>).
pub(crate) fn conditional(report: impl FnOnce(Rule, String, String)) {
    report(
        Rule::ReferenceForm,
        "a conditional reference only in a transaction".into(),
        "one elsewhere".into(),
    );
}

/// The index of the entry of the innermost Bundle that the object is in.
pub(crate) fn entry(at: &At<'_, '_>) -> Option<usize> {
    at.path()
        .rev()
        .find(|(parent, element, _)| parent.name == "Bundle" && element.name == "entry")
        .and_then(|(_, _, index)| index)
}

/// At most the first characters of a text.
pub(crate) fn shortened(text: &str) -> &str {
    const MOST: usize = 60;
    text.char_indices()
        .nth(MOST)
        .map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}
