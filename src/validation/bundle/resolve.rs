//! Where the references inside a Bundle lead
//! (<https://hl7.org/fhir/R4/bundle.html#references>).
//!
//! One pass over the entries makes maps by hash, one over the notes looks into
//! them; only entries with something wrong are walked again, for the paths.

use std::collections::HashMap;

use crate::model::{
    Bundle, BundleEntry, Reference, Resource, Rule, Severity, codes::BundleType,
    definition::TypeRef, object::Object, reader::At,
};
use crate::validation::reference::{
    allows, conditional,
    form::{Form, Rest},
    meta,
    notes::{Note, Offsets, Way, hash, key},
    shortened, target_words,
    walk::{Visitor, walk},
};

/// Checks the references of a Bundle that closes.
pub(super) fn check(
    bundle: &Bundle,
    kind: BundleType,
    at: &mut At<'_, '_>,
    links: &[Note],
    entries: &[usize],
) {
    let closed = matches!(kind, BundleType::Document | BundleType::Message);
    let document = kind == BundleType::Document;
    let matters = |note: &Note| match note.way {
        Way::Urn => true,
        Way::Conditional => !matches!(kind, BundleType::Transaction | BundleType::Batch),
        _ => closed,
    };
    if !document && !links.iter().any(matters) {
        return;
    }
    let versioned = |note: &Note| note.version.is_some() && matters(note);
    let places = Places::new(bundle, links.iter().any(versioned));
    let mut groups = Groups::new(bundle.entry.len());
    let mut wrong = Vec::new();
    for note in links.iter().filter(|note| matters(note)) {
        match places.find(note) {
            Some(found) => {
                groups.join(note.entry, found);
                let resource = bundle
                    .entry
                    .get(found)
                    .and_then(|entry| entry.resource.as_ref());
                if let Some(resource) = resource
                    && !allows(note.targets, resource.resource_type())
                    // Where the URL says it, it has been said.
                    && matches!(note.way, Way::Urn | Way::Absolute)
                {
                    wrong.push(note);
                }
            }
            None => match note.way {
                Way::Urn if closed || kind == BundleType::Transaction => wrong.push(note),
                Way::Conditional => wrong.push(note),
                Way::Relative if has_full_url(bundle, note) => wrong.push(note),
                _ => {}
            },
        }
    }
    if !wrong.is_empty() {
        report(bundle, at, &wrong, &places);
    }
    if document && at.is_complete() {
        orphans(bundle, at, &mut groups, entries);
    }
}

/// The entries by what refers to them.
pub(crate) struct Places {
    /// By the hash of the fullUrl.
    by_url: HashMap<u64, usize>,
    /// By the hashes of what stands before the type in the fullUrl, and of the
    /// type and id.
    by_local: HashMap<(u64, u64), usize>,
    /// The hash of what stands before the type in the fullUrl of each entry.
    bases: Vec<Option<u64>>,
    /// The entries with a version, by the first entry with their fullUrl and the
    /// hash of the version; empty when no reference asks for one.
    by_version: HashMap<(usize, u64), usize>,
}

impl Places {
    /// Those of a Bundle. `versioned`: whether a reference asks for a version.
    pub(crate) fn new(bundle: &Bundle, versioned: bool) -> Self {
        let mut places = Self {
            by_url: HashMap::with_capacity(bundle.entry.len()),
            by_local: HashMap::new(),
            bases: Vec::with_capacity(bundle.entry.len()),
            by_version: HashMap::new(),
        };
        for (index, entry) in bundle.entry.iter().enumerate() {
            let url = entry.full_url.value.as_ref().map_or("", |url| url.as_str());
            let first = *places.by_url.entry(hash(url)).or_insert(index);
            if versioned && let Some(version) = version(entry) {
                places
                    .by_version
                    .entry((first, hash(version)))
                    .or_insert(index);
            }
            let base = match Form::of(url) {
                Form::Rest(Rest { base, local, .. }) => {
                    let base = hash(base);
                    places.by_local.entry((base, hash(local))).or_insert(index);
                    Some(base)
                }
                _ => None,
            };
            places.bases.push(base);
        }
        places
    }

    /// The entry that a reference leads to: one of the version, if it asks for one.
    pub(crate) fn find(&self, note: &Note) -> Option<usize> {
        let first = self.of_any_version(note)?;
        match note.version {
            Some(version) => self.by_version.get(&(first, version)).copied(),
            None => Some(first),
        }
    }

    /// The first entry with the fullUrl that a reference names.
    fn of_any_version(&self, note: &Note) -> Option<usize> {
        match note.way {
            Way::Conditional => None,
            Way::Relative => {
                let base = (*self.bases.get(note.entry)?)?;
                self.by_local.get(&(base, note.hash)).copied()
            }
            _ => self.by_url.get(&note.hash).copied(),
        }
    }
}

/// The version of the resource of an entry.
fn version(entry: &BundleEntry) -> Option<&str> {
    let resource = entry.resource.as_ref()?;
    meta(resource.as_object())?.version_id.as_deref()
}

/// Which entries references join, in either direction: a Provenance belongs to a
/// document because it refers to what is in it.
struct Groups {
    parents: Vec<usize>,
}

impl Groups {
    fn new(entries: usize) -> Self {
        Self {
            parents: (0..entries).collect(),
        }
    }

    fn root(&mut self, mut entry: usize) -> usize {
        while let Some(&parent) = self.parents.get(entry)
            && parent != entry
        {
            let above = self.parents.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.parents.get_mut(entry) {
                *slot = above;
            }
            entry = above;
        }
        entry
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller one stays the root, so that a chain stays short enough.
        if let Some(slot) = self.parents.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}

fn orphans(bundle: &Bundle, at: &mut At<'_, '_>, groups: &mut Groups, entries: &[usize]) {
    let first = bundle
        .entry
        .first()
        .and_then(|entry| entry.resource.as_ref());
    if !matches!(first, Some(Resource::Composition(_))) {
        return;
    }
    for (index, entry) in bundle.entry.iter().enumerate() {
        // A Binary may be a style sheet or an attachment, which URLs name.
        let linked = matches!(entry.resource, None | Some(Resource::Binary(_)));
        if !linked && groups.root(index) != groups.root(0) {
            at.report_at(
                &format!("entry[{index}]"),
                entries.get(index).copied().unwrap_or(at.offset()),
                Rule::DocumentOrphan,
                Severity::Warning,
                "an entry that references join with the Composition".into(),
                "one that they do not".into(),
            );
        }
    }
}

/// Finds the paths of wrong references and reports them. The notes of an entry
/// follow each other.
fn report(bundle: &Bundle, at: &mut At<'_, '_>, wrong: &[&Note], places: &Places) {
    for notes in wrong.chunk_by(|a, b| a.entry == b.entry) {
        let Some(index) = notes.first().map(|note| note.entry) else {
            continue;
        };
        let resource = bundle
            .entry
            .get(index)
            .and_then(|entry| entry.resource.as_ref());
        let Some(resource) = resource else { continue };
        let mut search = Search {
            offsets: Offsets::new(notes.iter().map(|note| {
                let key = key(note.hash, note.version, note.targets);
                (note.offset, key)
            })),
            found: Vec::new(),
        };
        walk(
            resource.as_object(),
            &mut format!("entry[{index}].resource"),
            &mut search,
        );
        let by_offset: HashMap<usize, &Note> =
            notes.iter().map(|note| (note.offset, *note)).collect();
        for (path, offset, text) in search.found {
            let Some(note) = by_offset.get(&offset) else {
                continue;
            };
            let entry = places.find(note).and_then(|found| bundle.entry.get(found));
            let target = entry.and_then(|entry| entry.resource.as_ref());
            let mut report = |rule: Rule, severity, expected, found| {
                at.report_at(&path, offset, rule, severity, expected, found);
            };
            if let Some(target) = target {
                let (expected, found) = target_words(note.targets, target.resource_type());
                report(Rule::ReferenceTarget, Severity::Error, expected, found);
            } else if note.way == Way::Conditional {
                conditional(|rule, expected, found| {
                    report(rule, Severity::Warning, expected, found)
                });
            } else {
                let there = places.of_any_version(note);
                let there = there.and_then(|index| bundle.entry.get(index));
                let why = match there.map(version) {
                    None => "which no entry has".to_owned(),
                    Some(None) => "of which the entry says no meta.versionId".to_owned(),
                    Some(Some(version)) => {
                        format!("of which there is the version {}", shortened(version))
                    }
                };
                let found = format!("\"{}\", {why}", shortened(&text));
                let expected = match note.way {
                    Way::Relative => {
                        "a reference that, behind the base of the entry's fullUrl, is the fullUrl of an entry"
                    }
                    _ => "a reference to the fullUrl of an entry",
                };
                // Of what the first entry of a document or message refers to, the
                // text says that it is there; elsewhere a relative reference
                // that leads nowhere has no meaning, which is not forbidden.
                let severity = match note.way {
                    Way::Relative if index > 0 => Severity::Warning,
                    _ => Severity::Error,
                };
                report(Rule::ReferenceUnresolved, severity, expected.into(), found);
            }
        }
    }
}

/// Looks for references by hash.
struct Search {
    offsets: Offsets,
    /// Path, offset, text.
    found: Vec<(String, usize, String)>,
}

impl Visitor for Search {
    fn object(&mut self, object: &dyn Object, type_ref: &'static TypeRef, path: &str) {
        let reference = object.as_any().downcast_ref::<Reference>();
        let Some(text) = reference.and_then(|reference| reference.reference.value.as_deref())
        else {
            return;
        };
        let (hash, version) = match Form::of(text) {
            Form::Rest(rest) => (hash(rest.unversioned), rest.version.map(hash)),
            _ => (hash(text), None),
        };
        if let Some(offset) = self.offsets.next(key(hash, version, type_ref.targets)) {
            self.found.push((path.to_owned(), offset, text.to_owned()));
        }
    }

    fn resource(
        &mut self,
        _: &Resource,
        element: &'static crate::model::definition::ElementDef,
    ) -> bool {
        // What is in the entry of a Bundle inside has been looked at there.
        element.name == "contained"
    }
}

/// Whether the entry of a reference has a fullUrl; that it has none is an issue
/// of its own.
fn has_full_url(bundle: &Bundle, note: &Note) -> bool {
    bundle
        .entry
        .get(note.entry)
        .is_some_and(|entry| !entry.full_url.is_absent())
}
