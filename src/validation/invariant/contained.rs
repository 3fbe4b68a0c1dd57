//! Contained resources ([DomainResource](https://hl7.org/fhir/R4/domainresource.html)):
//! `dom-2` to `dom-5` and `ref-1`. They need the whole resource, and `dom-3` as
//! published is an error (`as()` of a collection) and takes quadratic time.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::{
    by_hand::{first_object, first_text},
    compiled,
};
use crate::model::object::{Node, Object};

/// What a walk through a resource found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How many references were to contained resources.
    pub(super) references: usize,
    /// Constraints that do not hold, each with the path below the resource.
    pub(super) failed: Vec<(u16, String)>,
}

/// Whether a Reference is to a contained resource.
pub(super) fn is_local(reference: &dyn Object) -> bool {
    first_text(reference, "reference").is_some_and(|text| text.starts_with('#'))
}

/// `dom-6`
pub(super) fn has_no_narrative(resource: &dyn Object) -> bool {
    match resource.get("text") {
        Some(text) => match text.get(0) {
            Node::Object(text) => text.get("div").is_none_or(|div| div.is_empty()),
            _ => true,
        },
        // No DomainResource.
        None => false,
    }
}

/// Checks a resource that is not contained itself.
pub(super) fn check(resource: &dyn Object) -> Found {
    let mut walk = Walk::default();
    let contained: Vec<&dyn Object> = resource
        .get("contained")
        .into_iter()
        .flat_map(|slot| slot.iter())
        .filter_map(|node| match node {
            Node::Resource(resource) => Some(resource.as_object()),
            _ => None,
        })
        .collect();
    for inner in &contained {
        if let Some(id) = first_text(*inner, "id") {
            walk.used.insert(id, false);
        }
    }
    walk.object(resource);
    let mut found = walk.found;
    let unused = |(index, inner): (usize, &&dyn Object)| {
        let id = first_text(*inner, "id");
        let used = id.is_some_and(|id| walk.used.get(&id) == Some(&true));
        !used && !walk.referring.contains(&index)
    };
    let any = |test: fn(&dyn Object) -> bool| contained.iter().any(|inner| test(*inner));
    for (constraint, broken) in [
        (compiled::DOM_2, any(|inner| has(inner, "contained"))),
        (compiled::DOM_3, contained.iter().enumerate().any(unused)),
        (
            compiled::DOM_4,
            any(|inner| {
                first_object(inner, "meta")
                    .is_some_and(|meta| has(meta, "versionId") || has(meta, "lastUpdated"))
            }),
        ),
        (
            compiled::DOM_5,
            any(|inner| first_object(inner, "meta").is_some_and(|meta| has(meta, "security"))),
        ),
    ] {
        if broken {
            found.failed.push((constraint, String::new()));
        }
    }
    found
}

fn has(object: &dyn Object, name: &str) -> bool {
    object.get(name).is_some_and(|slot| !slot.is_empty())
}

/// One walk through a resource and what it contains.
#[derive(Default)]
struct Walk<'a> {
    path: Vec<(&'static str, Option<usize>)>,
    /// Ids of the contained resources, and whether something refers to them.
    used: HashMap<Cow<'a, str>, bool>,
    /// Contained resources that refer to the one that contains them.
    referring: HashSet<usize>,
    found: Found,
}

impl<'a> Walk<'a> {
    fn object(&mut self, object: &'a dyn Object) {
        let definition = object.definition();
        if definition.name == "Reference"
            && let Some(text) = first_text(object, "reference")
            && let Some(id) = text.strip_prefix('#')
        {
            self.found.references += 1;
            // `#` alone is the resource itself.
            if !self.refer(id) && !id.is_empty() {
                let path = self.path();
                self.found.failed.push((compiled::REF_1, path));
            }
        }
        for (index, element) in definition.elements.iter().enumerate() {
            for (index, node) in object.slot(index).iter().enumerate() {
                self.path
                    .push((element.name, element.many.then_some(index)));
                self.node(node);
                self.path.pop();
            }
        }
    }

    fn node(&mut self, node: Node<'a>) {
        match node {
            Node::Object(object) => self.object(object),
            // What is in a bundle has been checked when it was read.
            Node::Resource(resource)
                if self.path.last().is_some_and(|step| step.0 == "contained") =>
            {
                self.object(resource.as_object());
            }
            Node::Resource(_) | Node::Gap => {}
            Node::Primitive(primitive) => {
                if matches!(primitive.type_name(), "canonical" | "uri" | "url")
                    && let Some(text) = primitive.text()
                    && let Some(id) = text.strip_prefix('#')
                {
                    self.refer(id);
                }
                if let Some(element) = primitive.element() {
                    self.object(element);
                }
            }
        }
    }

    /// Notes that something refers to a contained resource, or that something
    /// in one refers to what contains it; whether there is such a resource.
    fn refer(&mut self, id: &str) -> bool {
        if id.is_empty()
            && let Some(("contained", Some(index))) = self.path.first()
        {
            self.referring.insert(*index);
        }
        match self.used.get_mut(id) {
            Some(used) => {
                *used = true;
                true
            }
            None => false,
        }
    }

    #[cold]
    fn path(&self) -> String {
        let steps = self.path.iter().map(|(name, index)| match index {
            Some(index) => format!("{name}[{index}]"),
            None => (*name).to_owned(),
        });
        steps.collect::<Vec<_>>().join(".")
    }
}
