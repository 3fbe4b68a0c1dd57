//! A walk over a value that was read, for what cannot be said before all of it
//! is there.

use std::fmt::Write;

use crate::model::{
    Resource,
    definition::{ElementDef, TypeRef},
    object::{Node, Object},
};

/// What a walk shows, each with its path below the start.
pub(crate) trait Visitor {
    /// An object, before what is in it.
    fn object(&mut self, object: &dyn Object, type_ref: &'static TypeRef, path: &str);

    /// A resource inside; whether to go into it.
    fn resource(&mut self, _resource: &Resource, _element: &'static ElementDef) -> bool {
        false
    }

    /// The end of a resource that it went into.
    fn left(&mut self) {}
}

/// Shows everything below an object, which is at `path`.
pub(crate) fn walk(object: &dyn Object, path: &mut String, visitor: &mut dyn Visitor) {
    let definition = object.definition();
    for (index, element) in definition.elements.iter().enumerate() {
        let slot = object.slot(index);
        if slot.is_empty() {
            continue;
        }
        let Some(type_ref) = element.types.get(slot.variant()) else {
            continue;
        };
        let length = path.len();
        for (index, node) in slot.iter().enumerate() {
            let dot = if length == 0 { "" } else { "." };
            let _ = match element.many {
                true => write!(path, "{dot}{}[{index}]", element.name),
                false => write!(path, "{dot}{}", element.name),
            };
            match node {
                Node::Object(object) => {
                    visitor.object(object, type_ref, path);
                    walk(object, path, visitor);
                }
                Node::Primitive(primitive) => {
                    if let Some(object) = primitive.element() {
                        walk(object, path, visitor);
                    }
                }
                Node::Resource(resource) => {
                    if visitor.resource(resource, element) {
                        walk(resource.as_object(), path, visitor);
                        visitor.left();
                    }
                }
                Node::Gap => {}
            }
            path.truncate(length);
        }
    }
}
