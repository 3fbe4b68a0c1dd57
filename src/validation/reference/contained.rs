//! Contained resources: what references lead to has the type that they allow
//! (<https://hl7.org/fhir/R4/references.html#contained>). That they lead
//! somewhere, and that none is there for nobody, are constraints (ref-1, dom-3).

use std::collections::HashMap;

use super::{
    Notes, allows,
    notes::{Offsets, hash},
    target_words,
    walk::{Visitor, walk},
};
use crate::model::{
    Reference, Resource, Rule,
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
        .is_some_and(|&(offset, _)| offset > at.offset());
    let contained = contained(resource);
    let none = contained.is_none_or(|slot| slot.is_empty());
    if !here && none
        || at
            .element()
            .is_some_and(|element| element.name == "contained")
    {
        return;
    }
    let fragments = notes.take_fragments(at);
    // What could not be kept may be what is missed.
    if at.is_complete() {
        let mut search = Search::new(resource, contained);
        walk(resource, &mut String::new(), &mut search);
        search.report(at, &fragments);
    }
}

/// The element with the contained resources: the sixth of every DomainResource.
fn contained(resource: &dyn Object) -> Option<&dyn Slot> {
    const CONTAINED: usize = 5;
    let element = resource.definition().elements.get(CONTAINED)?;
    (element.name == "contained").then(|| resource.slot(CONTAINED))
}

/// What is wrong with a reference: where, its hash, rule, words.
type Finding = (String, u64, Rule, String, String);

struct Search {
    container: &'static str,
    /// Types of the contained resources, by id.
    by_id: HashMap<String, &'static str>,
    /// Whether the walk is in a contained resource.
    inside: bool,
    findings: Vec<Finding>,
}

impl Search {
    fn new(container: &dyn Object, contained: Option<&dyn Slot>) -> Self {
        let mut by_id = HashMap::new();
        for node in contained.iter().flat_map(|slot| slot.iter()) {
            if let Node::Resource(resource) = node
                && let Some(id) = id(resource.as_object())
            {
                by_id.entry(id).or_insert(resource.resource_type());
            }
        }
        Self {
            container: container.definition().name,
            by_id,
            inside: false,
            findings: Vec::new(),
        }
    }

    fn reference(&mut self, reference: &Reference, type_ref: &'static TypeRef, path: &str) {
        let text = reference.reference.value.as_deref().unwrap_or_default();
        let Some(id) = text.strip_prefix('#') else {
            return;
        };
        let kind = match id {
            "" => self.container,
            id => match self.by_id.get(id) {
                Some(kind) => kind,
                None => return,
            },
        };
        if !allows(type_ref.targets, kind) {
            let (expected, found) = target_words(type_ref.targets, kind);
            let rule = Rule::ReferenceTarget;
            self.findings
                .push((path.to_owned(), hash(text), rule, expected, found));
        }
    }

    fn report(self, at: &mut At<'_, '_>, fragments: &[(usize, u64)]) {
        let mut offsets = Offsets::new(fragments.iter().copied());
        for (path, hash, rule, expected, found) in self.findings {
            let offset = offsets.next(hash).unwrap_or(at.offset());
            at.report_at(&path, offset, rule, rule.severity(), expected, found);
        }
    }
}

impl Visitor for Search {
    fn object(&mut self, object: &dyn Object, type_ref: &'static TypeRef, path: &str) {
        if let Some(reference) = object.as_any().downcast_ref::<Reference>() {
            self.reference(reference, type_ref, path);
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
