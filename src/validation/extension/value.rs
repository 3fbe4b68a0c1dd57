//! The value of an extension and its parts.

use super::{name, table::Definition};
use crate::model::{Extension, ExtensionValue, Rule, Severity, object::Object, reader::At};
use crate::validation::reference::{form::Form, shortened, target_words};

/// Checks the value and the parts of an extension that closes.
pub(super) fn check(extension: &Extension, definition: &Definition, at: &mut At<'_, '_>) {
    if at.is_complete() {
        whole(extension, definition, "", at);
    }
}

/// Checks an extension or a part of one, which is at `below`.
fn whole(extension: &Extension, definition: &Definition, below: &str, at: &mut At<'_, '_>) {
    match &extension.value {
        Some(value) => self::value(extension, value, definition, below, at),
        None if definition.needs_value() => {
            let expected = format!("a value of type {}", definition.type_names());
            report(at, below, Rule::ExtensionValue, expected, "none".into());
        }
        None => {}
    }
    if definition.has_parts() {
        parts(extension, definition, below, at);
    }
}

fn report(at: &mut At<'_, '_>, below: &str, rule: Rule, expected: String, found: String) {
    if below.is_empty() {
        at.report(rule, Severity::Error, expected, found);
    } else {
        at.report_below(below, rule, Severity::Error, expected, found);
    }
}

fn join(below: &str, step: &str) -> String {
    match below {
        "" => step.to_owned(),
        _ => format!("{below}.{step}"),
    }
}

fn value(
    extension: &Extension,
    value: &ExtensionValue,
    definition: &Definition,
    below: &str,
    at: &mut At<'_, '_>,
) {
    let code = type_of(extension);
    let Some((_, targets)) = definition.types().find(|(known, _)| *known == code) else {
        let expected = match definition.types().next() {
            Some(_) => format!("a value of type {}", definition.type_names()),
            None => format!("no value in {}, which has parts", name(definition)),
        };
        let found = format!("one of type {code}");
        return report(
            at,
            &join(below, "value"),
            Rule::ExtensionValue,
            expected,
            found,
        );
    };
    if let ExtensionValue::Reference(reference) = value
        && !targets.is_empty()
        && let Some(text) = reference.reference.value.as_deref()
        && let Form::Rest(rest) = Form::of(text)
        && !targets
            .split('|')
            .any(|target| target == rest.kind || target == "Resource")
    {
        let targets: Vec<&str> = targets.split('|').collect();
        let (expected, found) = target_words(&targets, shortened(rest.kind));
        report(
            at,
            &join(below, "value"),
            Rule::ReferenceTarget,
            expected,
            found,
        );
    }
}

/// The FHIR name of the type of the value.
fn type_of(extension: &Extension) -> &'static str {
    let definition = extension.definition();
    let Some((index, element)) = definition.element("value") else {
        return "";
    };
    let variant = extension.slot(index).variant();
    element
        .types
        .get(variant)
        .map_or("", |type_ref| type_ref.code)
}

/// Checks the parts: each is one of the definition, as often as it says.
fn parts(extension: &Extension, definition: &Definition, below: &str, at: &mut At<'_, '_>) {
    for part in definition.parts() {
        let mut count = 0;
        for (index, child) in extension.extension.iter().enumerate() {
            if url(child) != part.url {
                continue;
            }
            let place = join(below, &format!("extension[{index}]"));
            count += 1;
            if count == 2 && !part.is_many() {
                let expected = format!("the part {} at most once", part.url);
                report(
                    at,
                    &place,
                    Rule::ExtensionCardinality,
                    expected,
                    "another one".into(),
                );
            }
            whole(child, &part, &place, at);
        }
        if count == 0 && part.is_required() {
            let expected = format!("the part {}", part.url);
            report(
                at,
                below,
                Rule::ExtensionCardinality,
                expected,
                "none".into(),
            );
        }
    }
    for (index, child) in extension.extension.iter().enumerate() {
        let url = url(child);
        // An absolute URL is that of an extension of the extension.
        if url.is_empty() || url.contains(':') || definition.parts().any(|part| part.url == url) {
            continue;
        }
        let names: Vec<&str> = definition.parts().map(|part| part.url).collect();
        report(
            at,
            &join(below, &format!("extension[{index}].url")),
            Rule::ExtensionUrl,
            format!("a part of {}: {}", name(definition), names.join(" | ")),
            format!("\"{}\"", shortened(url)),
        );
    }
}

fn url(extension: &Extension) -> &str {
    extension.url.value.as_ref().map_or("", |url| url.as_str())
}
