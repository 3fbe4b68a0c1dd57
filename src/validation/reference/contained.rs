//! Contained resources: what references lead to has the type that they allow
//! (<https://hl7.org/fhir/R4/references.html#contained>). That they lead
//! somewhere, and that none is there for nobody, are constraints (ref-1, dom-3).

use std::collections::HashMap;

use super::{
    Notes, allows,
    notes::{Fragment, Offsets, hash, key},
    target_words,
    walk::{Visitor, walk},
};
use crate::model::{
    Meta, Reference, Resource, Rule,
    definition::{ElementDef, TypeRef},
    object::{Node, Object, Slot},
    reader::At,
};

/// Checks a resource that closes. One that is contained is checked with its
/// container.
pub(crate) fn close(resource: &dyn Object, at: &mut At<'_, '_>, notes: &mut Notes) {
    let here = notes
        .fragments
        .last()
        .is_some_and(|fragment| fragment.offset > at.offset());
    if !here
        || at
            .element()
            .is_some_and(|element| element.name == "contained")
    {
        return;
    }
    let fragments = notes.take_fragments(at);
    // What could not be kept may be what is missed.
    if !at.is_complete() {
        return;
    }
    let types = types(resource);
    let wrong: Vec<(&Fragment, &'static str)> = fragments
        .iter()
        .filter_map(|fragment| {
            let (_, kind) = types.iter().find(|(hash, _)| *hash == fragment.hash)?;
            (!allows(fragment.targets, kind)).then_some((fragment, *kind))
        })
        .collect();
    if !wrong.is_empty() {
        report(resource, at, &fragments, &wrong);
    }
}

/// What a fragment may lead to: the hash of its text, and the type.
fn types(resource: &dyn Object) -> Vec<(u64, &'static str)> {
    let container = (hash("#"), resource.definition().name);
    let contained = contained(resource);
    let contained = contained.iter().flat_map(|slot| slot.iter());
    let contained = contained.filter_map(|node| match node {
        Node::Resource(resource) => {
            let id = id(resource.as_object())?;
            Some((hash(&format!("#{id}")), resource.resource_type()))
        }
        _ => None,
    });
    std::iter::once(container).chain(contained).collect()
}

/// The element with the contained resources: the sixth of every DomainResource.
fn contained(resource: &dyn Object) -> Option<&dyn Slot> {
    const CONTAINED: usize = 5;
    let element = resource.definition().elements.get(CONTAINED)?;
    (element.name == "contained").then(|| resource.slot(CONTAINED))
}

/// Walks the resource once more, for the paths of the references that are wrong.
fn report(
    resource: &dyn Object,
    at: &mut At<'_, '_>,
    fragments: &[Fragment],
    wrong: &[(&Fragment, &'static str)],
) {
    let notes = fragments.iter();
    let mut search = Search {
        offsets: Offsets::new(notes.map(|fragment| {
            let Fragment {
                offset,
                hash,
                targets,
            } = *fragment;
            (offset, key(hash, None, targets))
        })),
        paths: HashMap::new(),
        inside: false,
    };
    walk(resource, &mut String::new(), &mut search);
    for (fragment, kind) in wrong {
        let path = search.paths.get(&fragment.offset);
        let (expected, found) = target_words(fragment.targets, kind);
        let rule = Rule::ReferenceTarget;
        at.report_at(
            path.map_or("", String::as_str),
            fragment.offset,
            rule,
            rule.severity(),
            expected,
            found,
        );
    }
}

struct Search {
    offsets: Offsets,
    /// The paths of the fragments, by offset.
    paths: HashMap<usize, String>,
    /// Whether the walk is in a contained resource.
    inside: bool,
}

impl Visitor for Search {
    fn object(&mut self, object: &dyn Object, type_ref: &'static TypeRef, path: &str) {
        let reference = object.as_any().downcast_ref::<Reference>();
        if let Some(text) = reference.and_then(|reference| reference.reference.value.as_deref())
            && let Some(offset) = self.offsets.next(key(hash(text), None, type_ref.targets))
        {
            self.paths.insert(offset, path.to_owned());
        }
    }

    fn resource(&mut self, _resource: &Resource, element: &'static ElementDef) -> bool {
        let contained = element.name == "contained" && !self.inside;
        self.inside |= contained;
        contained
    }

    fn left(&mut self) {
        self.inside = false;
    }
}

/// The logical id of a resource.
pub(crate) fn id(resource: &dyn Object) -> Option<String> {
    match resource.slot(0).get(0) {
        Node::Primitive(id) => id.text().map(|text| text.into_owned()),
        _ => None,
    }
}

/// The `meta` of a resource: the second element of every one.
pub(crate) fn meta(resource: &dyn Object) -> Option<&Meta> {
    const META: usize = 1;
    match resource.slot(META).get(0) {
        Node::Object(meta) => meta.as_any().downcast_ref(),
        _ => None,
    }
}
