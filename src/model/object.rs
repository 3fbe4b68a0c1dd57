//! Reflection over the typed model: what lets one generic piece of code walk
//! any resource by element name.

use super::{Resource, definition::TypeDef};

/// A generated struct: resource, datatype or backbone element.
pub trait Object: std::fmt::Debug + Send + Sync {
    /// Its definition.
    fn definition(&self) -> &'static TypeDef;

    /// The element at this index of [`TypeDef::elements`].
    fn slot(&self, element: usize) -> &dyn Slot;
}

/// The content of one element: none, one or many values.
pub trait Slot: Send + Sync {
    /// Number of values; of a list with gaps (`null`) also the gaps.
    fn len(&self) -> usize;

    /// Whether there is no value.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at this index, `Node::Gap` for a gap.
    fn get(&self, index: usize) -> Node<'_>;
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
pub trait PrimitiveNode: std::fmt::Debug + Send + Sync {
    /// FHIR name of the type: `dateTime`, `code`, `boolean`.
    fn type_name(&self) -> &'static str;

    /// The value as it stands in JSON without quotes; `None` when there is only
    /// an extension.
    fn text(&self) -> Option<std::borrow::Cow<'_, str>>;
}
