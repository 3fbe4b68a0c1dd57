//! Reflection over the typed model: what lets one generic piece of code read,
//! write or walk any resource by element.

use std::{any::Any, borrow::Cow, fmt};

use super::{
    Reading, Resource,
    definition::{Key, TypeDef},
    primitive::JsonType,
    reader::{self, Reader},
    writer,
};

/// A generated struct: resource, datatype or backbone element.
pub trait Object: fmt::Debug + Send + Sync {
    /// Its definition.
    fn definition(&self) -> &'static TypeDef;

    /// The object as the type that it is, for code that knows which.
    fn as_any(&self) -> &dyn Any;

    /// The content of the element at this index of [`TypeDef::elements`].
    fn slot(&self, element: usize) -> &dyn Slot;

    /// The same, to be read into.
    fn slot_mut(&mut self, element: usize) -> &mut dyn Slot;

    /// Reads and validates JSON of this type. The value is `None` only when the
    /// document is not JSON or no object; with errors among the issues it is
    /// incomplete.
    fn from_slice(bytes: &[u8]) -> Reading<Self>
    where
        Self: Default + Sized,
    {
        reader::read_object(bytes)
    }

    /// FHIR JSON, compact.
    fn to_json(&self) -> String
    where
        Self: Sized,
    {
        writer::to_json(self)
    }
}

/// FHIR JSON of an object of any type, compact.
pub(crate) fn json(object: &dyn Object) -> String {
    writer::to_json(object)
}

/// Whether two objects of one type have the same content.
pub(super) fn equal(a: &dyn Object, b: &dyn Object) -> bool {
    let definition = a.definition();
    std::ptr::eq(definition, b.definition())
        && (0..definition.elements.len())
            .all(|element| equal_slots(a.slot(element), b.slot(element)))
}

/// Whether two elements have the same values of the same type.
pub(super) fn equal_slots(a: &dyn Slot, b: &dyn Slot) -> bool {
    a.len() == b.len()
        && a.variant() == b.variant()
        && a.iter().zip(b.iter()).all(|values| match values {
            (Node::Object(a), Node::Object(b)) => equal(a, b),
            (Node::Resource(a), Node::Resource(b)) => equal(a.as_object(), b.as_object()),
            (Node::Primitive(a), Node::Primitive(b)) => {
                a.text() == b.text()
                    && match (a.element(), b.element()) {
                        (Some(a), Some(b)) => equal(a, b),
                        (a, b) => a.is_none() && b.is_none(),
                    }
            }
            (a, b) => matches!((a, b), (Node::Gap, Node::Gap)),
        })
}

impl dyn Object + '_ {
    /// The content of an element by its name (a choice element without `[x]`).
    pub fn get(&self, name: &str) -> Option<&dyn Slot> {
        let (index, _) = self.definition().element(name)?;
        Some(self.slot(index))
    }

    /// FHIR JSON, compact.
    pub fn to_json(&self) -> String {
        writer::to_json(self)
    }
}

/// The content of one element: none, one or many values.
pub trait Slot: Send + Sync {
    /// Number of values; of a list with gaps (`null`) also the gaps.
    fn len(&self) -> usize;

    /// Whether there is no value.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at this index, [`Node::Gap`] for a gap and beyond the end.
    fn get(&self, index: usize) -> Node<'_>;

    /// Index of its type among [`ElementDef::types`](super::definition::ElementDef::types);
    /// more than 0 only in a choice element.
    fn variant(&self) -> usize {
        0
    }

    /// Reads the value at the cursor, or the `_` sibling of a primitive.
    #[doc(hidden)]
    fn read(&mut self, reader: &mut Reader<'_>, key: &'static Key, sibling: bool);
}

impl dyn Slot + '_ {
    /// The values, gaps among them.
    pub fn iter(&self) -> impl Iterator<Item = Node<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// One value in the tree.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    /// A datatype or backbone element.
    Object(&'a dyn Object),
    /// A primitive with a value, an extension or both.
    Primitive(&'a dyn PrimitiveNode),
    /// A contained or entry resource.
    Resource(&'a Resource),
    /// A `null` in a list of primitives.
    Gap,
}

/// A primitive element, whatever its type.
pub trait PrimitiveNode: fmt::Debug + Send + Sync {
    /// FHIR name of the type: `dateTime`, `code`, `boolean`.
    fn type_name(&self) -> &'static str;

    /// How the value stands in JSON.
    fn json_type(&self) -> JsonType;

    /// The value as it stands in JSON without quotes; `None` when there is only
    /// an extension.
    fn text(&self) -> Option<Cow<'_, str>>;

    /// The id and the extensions, if there are any.
    fn element(&self) -> Option<&dyn Object>;
}
