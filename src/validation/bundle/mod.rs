//! Bundles: what their types ask for beyond the constraints bdl-1 to bdl-12
//! (<https://hl7.org/fhir/R4/bundle.html>).
//!
//! An entry is checked when it closes, as far as it can be without the type of
//! the Bundle, which may come after it; the rest when the Bundle closes.

mod entry;
mod resolve;

pub(crate) use entry::check as check_entry;
pub(crate) use resolve::Places;

use super::reference::{notes::Notes, shortened};
use crate::model::{Bundle, Rule, Severity, codes::BundleType, reader::At};

/// Checks a Bundle that closes.
pub(crate) fn close(bundle: &Bundle, at: &mut At<'_, '_>, notes: &mut Notes) {
    let links = notes.take_links(at);
    let entries = notes.take_entries(at);
    relations(bundle, at);
    let Some(kind) = bundle.r#type.value else {
        return;
    };
    match kind {
        BundleType::Searchset => searchset(bundle, at, &entries),
        BundleType::Document | BundleType::Message | BundleType::Collection => {
            full_urls(bundle, kind, at, &entries);
        }
        _ => {}
    }
    resolve::check(bundle, kind, at, &links, &entries);
}

/// Each relation stands once: what should a client follow otherwise?
fn relations(bundle: &Bundle, at: &mut At<'_, '_>) {
    const ONCE: [&str; 6] = ["self", "first", "previous", "prev", "next", "last"];
    let mut seen = [false; ONCE.len()];
    for (index, link) in bundle.link.iter().enumerate() {
        let Some(relation) = link.relation.value.as_deref() else {
            continue;
        };
        let known = ONCE.iter().position(|name| *name == relation);
        let Some(seen) = known.and_then(|known| seen.get_mut(known)) else {
            continue;
        };
        if *seen {
            at.report_below(
                &format!("link[{index}]"),
                Rule::BundleLink,
                Severity::Warning,
                format!("one link {}", shortened(relation)),
                "another one".into(),
            );
        }
        *seen = true;
    }
}

/// <https://hl7.org/fhir/R4/search.html#conformance>: the self link says how the
/// search was understood, and the mode why an entry is there.
fn searchset(bundle: &Bundle, at: &mut At<'_, '_>, entries: &[usize]) {
    let has_self = bundle
        .link
        .iter()
        .any(|link| link.relation.value.as_deref() == Some("self"));
    if !has_self && at.is_complete() {
        at.report(
            Rule::BundleLink,
            Severity::Warning,
            "a self link with the search that was done".into(),
            "none".into(),
        );
    }
    for (index, entry) in bundle.entry.iter().enumerate() {
        let mode = entry.search.as_ref().map(|search| &search.mode);
        if mode.is_none_or(|mode| mode.is_absent()) {
            at.report_at(
                &format!("entry[{index}]"),
                entries.get(index).copied().unwrap_or(at.offset()),
                Rule::BundleEntry,
                Severity::Warning,
                "search.mode in an entry of a search result".into(),
                "none".into(),
            );
        }
    }
}

/// A fullUrl is required but for creates and for the results of operations,
/// searches and history; a collection may be the result of an operation
/// (<https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.fullUrl>).
fn full_urls(bundle: &Bundle, kind: BundleType, at: &mut At<'_, '_>, entries: &[usize]) {
    let severity = match kind {
        BundleType::Collection => Severity::Warning,
        _ => Severity::Error,
    };
    for (index, entry) in bundle.entry.iter().enumerate() {
        if entry.full_url.is_absent() && entry.resource.is_some() {
            at.report_at(
                &format!("entry[{index}]"),
                entries.get(index).copied().unwrap_or(at.offset()),
                Rule::BundleFullUrl,
                severity,
                "a fullUrl".into(),
                "none".into(),
            );
        }
    }
}
