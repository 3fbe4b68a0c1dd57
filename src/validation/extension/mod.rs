//! Extensions: those of the specification as they are defined, others as far as
//! the rules for all go (<https://hl7.org/fhir/R4/extensibility.html>).

mod context;
mod invariant;
mod table;
mod value;

use super::profile::Profiles;
use std::collections::HashSet;

use super::reference::{form::scheme, notes::hash, shortened};
use crate::model::{Extension, Rule, Severity, reader::At};
pub(super) use invariant::check as check_holder;
use table::Definition;

/// What is remembered of the extensions of a document.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Extensions that stand once in their list, of the lists that are open:
    /// depth of the list and place of the definition.
    once: Vec<(usize, usize)>,
    /// Extensions that ask something of the element that has them, which is not
    /// closed yet: depth of that, index of the extension, place of the definition.
    pub(super) waiting: Vec<(usize, usize, usize)>,
    /// Hashes of the URLs that nobody knows; each is reported once.
    unknown: HashSet<u64>,
}

/// Checks an extension that closes.
pub(crate) fn check(
    extension: &Extension,
    at: &mut At<'_, '_>,
    seen: &mut Seen,
    packages: &Profiles,
) {
    let Some(url) = &extension.url.value else {
        return;
    };
    let url = url.as_str();
    let Some((parent, element, index)) = at.path().next_back() else {
        return;
    };
    let modifier = element.name == "modifierExtension";
    if !url.starts_with("http") && scheme(url).is_none() {
        // A part of an extension, which is checked with the whole.
        if parent.name != "Extension" {
            at.report_below(
                "url",
                Rule::ExtensionUrl,
                Severity::Error,
                "an absolute URL".into(),
                format!("\"{}\"", shortened(url)),
            );
        }
        return;
    }
    let Some(definition) = table::find(url) else {
        // Those of packages are checked with the profiles.
        if !packages.knows(url) {
            unknown(url, modifier, at, seen);
        }
        return;
    };
    if modifier != definition.is_modifier() {
        let list = |modifier| {
            if modifier {
                "modifierExtension"
            } else {
                "extension"
            }
        };
        at.report(
            Rule::ExtensionModifier,
            Severity::Error,
            format!("{} in {}", name(&definition), list(!modifier)),
            format!("it in {}", list(modifier)),
        );
    }
    if context::allows(&definition, at) {
        if definition.invariant().is_some() && !modifier && at.is_complete() {
            let holder = at.path().count() - 1;
            let index = index.unwrap_or_default();
            seen.waiting.push((holder, index, definition.place));
        }
    } else {
        let contexts: Vec<&str> = definition.contexts().collect();
        at.report(
            Rule::ExtensionContext,
            Severity::Error,
            format!("{} in {}", name(&definition), contexts.join(" | ")),
            format!("it in {}", parent.name),
        );
    }
    if !definition.is_many() {
        once(&definition, index.unwrap_or_default(), at, seen);
    }
    value::check(extension, &definition, at);
}

/// The last part of the URL.
fn name(definition: &Definition) -> &'static str {
    definition.url.rsplit('/').next().unwrap_or(definition.url)
}

/// Reports the second extension of a kind that stands once.
fn once(definition: &Definition, index: usize, at: &mut At<'_, '_>, seen: &mut Seen) {
    let depth = at.path().count();
    // Deeper lists are closed, and with the first entry a new list begins.
    while let Some(&(last, _)) = seen.once.last()
        && (last > depth || last == depth && index == 0)
    {
        seen.once.pop();
    }
    let here = (depth, definition.place);
    let mut same = seen
        .once
        .iter()
        .rev()
        .take_while(|(last, _)| *last == depth);
    if same.any(|known| *known == here) {
        at.report(
            Rule::ExtensionCardinality,
            Severity::Error,
            format!("{} at most once", name(definition)),
            "another one".into(),
        );
    } else {
        seen.once.push(here);
    }
}

fn unknown(url: &str, modifier: bool, at: &mut At<'_, '_>, seen: &mut Seen) {
    if modifier {
        at.report(
            Rule::ExtensionUnknown,
            Severity::Error,
            "a modifier extension that is known".into(),
            format!("\"{}\"", shortened(url)),
        );
    } else if seen.unknown.insert(hash(url)) {
        at.report(
            Rule::ExtensionUnknown,
            Severity::Information,
            "an extension that is known".into(),
            format!("\"{}\" (reported once)", shortened(url)),
        );
    }
}
