//! Contained resources: references to them lead somewhere (ref-1), and none is
//! there for nobody (dom-3)
//! (<https://hl7.org/fhir/R4/references.html#contained>).

use std::collections::{HashMap, HashSet};

use super::{
    Notes, allows,
    notes::{Offsets, hash},
    target_words,
    walk::{Visitor, walk},
};
use crate::model::{
    Constraint, Reference, Resource, Rule, Severity,
    definition::{ElementDef, TypeRef},
    object::{Node, Object, PrimitiveNode, Slot},
    reader::At,
};

/// By hand, because it speaks of the whole resource, and because what its
/// expression takes for the root of an entry of a Bundle is not defined.
static REF_1: Constraint = Constraint {
    key: "ref-1",
    severity: Severity::Error,
    human: "SHALL have a contained resource if a local reference is provided",
    expression: "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
};

/// By hand, because its expression goes through all descendants once for each
/// contained resource.
static DOM_3: Constraint = Constraint {
    key: "dom-3",
    severity: Severity::Error,
    human: "If the resource is contained in another resource, it SHALL be referred to from elsewhere in the resource or SHALL refer to the containing resource",
    expression: "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()",
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
    /// Type and index of the contained resources, by id.
    by_id: HashMap<String, (&'static str, usize)>,
    /// Whether a contained resource has its place in the resource.
    used: Vec<bool>,
    /// The contained resource that the walk is in.
    inside: Option<usize>,
    next: usize,
    /// Fragments that primitives name.
    named: HashSet<String>,
    findings: Vec<Finding>,
}

impl Search {
    fn new(container: &dyn Object, contained: Option<&dyn Slot>) -> Self {
        let mut by_id = HashMap::new();
        let mut used = Vec::new();
        for node in contained.iter().flat_map(|slot| slot.iter()) {
            if let Node::Resource(resource) = node {
                if let Some(id) = id(resource.as_object()) {
                    by_id
                        .entry(id)
                        .or_insert((resource.resource_type(), used.len()));
                }
                used.push(false);
            }
        }
        Self {
            container: container.definition().name,
            by_id,
            used,
            inside: None,
            next: 0,
            named: HashSet::new(),
            findings: Vec::new(),
        }
    }

    fn reference(&mut self, reference: &Reference, type_ref: &'static TypeRef, path: &str) {
        let text = reference.reference.value.as_deref().unwrap_or_default();
        let Some(id) = text.strip_prefix('#') else {
            return;
        };
        let kind = if id.is_empty() {
            if let Some(used) = self.inside.and_then(|index| self.used.get_mut(index)) {
                *used = true;
            }
            self.container
        } else if let Some(&(kind, index)) = self.by_id.get(id) {
            if let Some(used) = self.used.get_mut(index) {
                *used = true;
            }
            kind
        } else {
            let expected = "the id of a contained resource".to_owned();
            let found = format!("\"{}\", which none has", super::shortened(text));
            let rule = Rule::Constraint(&REF_1);
            self.findings
                .push((path.to_owned(), hash(text), rule, expected, found));
            return;
        };
        if !allows(type_ref.targets, kind) {
            let (expected, found) = target_words(type_ref.targets, kind);
            let rule = Rule::ReferenceTarget;
            self.findings
                .push((path.to_owned(), hash(text), rule, expected, found));
        }
    }

    fn report(mut self, at: &mut At<'_, '_>, fragments: &[(usize, u64)]) {
        for id in &self.named {
            if let Some(used) = self
                .by_id
                .get(id)
                .and_then(|&(_, index)| self.used.get_mut(index))
            {
                *used = true;
            }
        }
        let unused = self.used.iter().enumerate().filter(|(_, used)| !**used);
        for (index, _) in unused {
            at.report_below(
                &format!("contained[{index}]"),
                Rule::Constraint(&DOM_3),
                Severity::Error,
                "a contained resource that the resource refers to".into(),
                "one that nothing refers to".into(),
            );
        }
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

    fn primitive(&mut self, primitive: &dyn PrimitiveNode) {
        if !matches!(primitive.type_name(), "canonical" | "uri" | "url") {
            return;
        }
        let text = primitive.text().unwrap_or_default();
        match text.strip_prefix('#') {
            Some("") => {
                if let Some(used) = self.inside.and_then(|index| self.used.get_mut(index)) {
                    *used = true;
                }
            }
            Some(id) => {
                self.named.insert(id.to_owned());
            }
            None => {}
        }
    }

    fn resource(&mut self, _resource: &Resource, element: &'static ElementDef) -> bool {
        let contained = element.name == "contained" && self.inside.is_none();
        if contained {
            self.inside = Some(self.next);
            self.next += 1;
        }
        contained
    }

    fn left(&mut self) {
        self.inside = None;
    }
}

/// The logical id of a resource.
pub(crate) fn id(resource: &dyn Object) -> Option<String> {
    match resource.slot(0).get(0) {
        Node::Primitive(id) => id.text().map(|text| text.into_owned()),
        _ => None,
    }
}
