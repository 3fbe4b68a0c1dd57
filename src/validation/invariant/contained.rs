//! Contained resources ([DomainResource](https://hl7.org/fhir/R4/domainresource.html)):
//! `dom-2` to `dom-5` and `ref-1`. They need the whole resource, and `dom-3` as
//! published is an error (`as()` of a collection) and takes quadratic time.

use std::collections::HashSet;

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
    walk.object(resource);
    for resource in &contained {
        if let Some(id) = first_text(*resource, "id") {
            walk.ids.insert(id.into_owned());
        }
    }
    let mut found = Found {
        references: walk.references.len(),
        failed: Vec::new(),
    };
    for (path, id) in &walk.references {
        // `#` alone is the resource itself.
        if !id.is_empty() && !walk.ids.contains(id) {
            found.failed.push((compiled::REF_1, path.clone()));
        }
    }
    let metadata = |resource: &dyn Object, names: &[&str]| {
        first_object(resource, "meta").is_some_and(|meta| {
            names
                .iter()
                .any(|name| meta.get(name).is_some_and(|slot| !slot.is_empty()))
        })
    };
    let any = |test: &dyn Fn(&dyn Object) -> bool| contained.iter().any(|inner| test(*inner));
    for (constraint, broken) in [
        (
            compiled::DOM_2,
            any(&|inner| inner.get("contained").is_some_and(|slot| !slot.is_empty())),
        ),
        (compiled::DOM_3, any(&|inner| !walk.is_used(inner))),
        (
            compiled::DOM_4,
            any(&|inner| metadata(inner, &["versionId", "lastUpdated"])),
        ),
        (
            compiled::DOM_5,
            any(&|inner| metadata(inner, &["security"])),
        ),
    ] {
        if broken {
            found.failed.push((constraint, String::new()));
        }
    }
    found
}

/// One walk through a resource and what it contains.
#[derive(Default)]
struct Walk {
    path: String,
    ids: HashSet<String>,
    /// References to contained resources: where, and the id.
    references: Vec<(String, String)>,
    /// Canonicals, URIs and URLs that start with `#`: the id.
    links: HashSet<String>,
}

impl Walk {
    fn object(&mut self, object: &dyn Object) {
        let definition = object.definition();
        if definition.name == "Reference"
            && let Some(text) = first_text(object, "reference")
            && let Some(id) = text.strip_prefix('#')
        {
            self.references.push((self.path.clone(), id.to_owned()));
        }
        for (index, element) in definition.elements.iter().enumerate() {
            let slot = object.slot(index);
            for (index, node) in slot.iter().enumerate() {
                let len = self.path.len();
                if len > 0 {
                    self.path.push('.');
                }
                self.path.push_str(element.name);
                if element.many {
                    self.path += &format!("[{index}]");
                }
                self.node(node, element.name);
                self.path.truncate(len);
            }
        }
    }

    fn node(&mut self, node: Node<'_>, name: &str) {
        match node {
            Node::Object(object) => self.object(object),
            // What is in a bundle has been checked when it was read.
            Node::Resource(resource) if name == "contained" => self.object(resource.as_object()),
            Node::Resource(_) | Node::Gap => {}
            Node::Primitive(primitive) => {
                if matches!(primitive.type_name(), "canonical" | "uri" | "url")
                    && let Some(text) = primitive.text()
                    && let Some(id) = text.strip_prefix('#')
                {
                    self.links.insert(id.to_owned());
                }
                if let Some(element) = primitive.element() {
                    self.object(element);
                }
            }
        }
    }

    /// Whether a contained resource is referred to, or refers to what
    /// contains it.
    fn is_used(&self, contained: &dyn Object) -> bool {
        let id = first_text(contained, "id").unwrap_or_default();
        let referred =
            self.links.contains(&*id) || self.references.iter().any(|(_, other)| *other == id);
        !id.is_empty() && referred || {
            let mut inner = Self::default();
            inner.object(contained);
            inner.links.contains("") || inner.references.iter().any(|(_, id)| id.is_empty())
        }
    }
}
