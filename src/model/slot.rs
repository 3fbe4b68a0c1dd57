//! What an element of a struct may hold, as a [`Slot`].

use std::{any::Any, borrow::Cow, fmt};

use super::{
    Element, Resource,
    definition::{Key, TypeDef},
    object::{Node, Object, PrimitiveNode, Slot},
    primitive::{JsonType, Primitive, PrimitiveType},
    reader::{Place, Reader},
};

impl<T: PrimitiveType> PrimitiveNode for Primitive<T> {
    fn type_name(&self) -> &'static str {
        T::NAME
    }

    fn json_type(&self) -> JsonType {
        T::JSON
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        self.value.as_ref().map(T::text)
    }

    fn element(&self) -> Option<&dyn Object> {
        self.element
            .as_deref()
            .map(|element| element as &dyn Object)
    }
}

impl<T: PrimitiveType> fmt::Debug for Primitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_primitive(self, f)
    }
}

fn debug_primitive(primitive: &dyn PrimitiveNode, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match primitive.text() {
        Some(text) if primitive.json_type() == JsonType::String => fmt::Debug::fmt(&text, f)?,
        Some(text) => f.write_str(&text)?,
        None => f.write_str("None")?,
    }
    match primitive.element() {
        Some(element) => write!(f, " + {element:?}"),
        None => Ok(()),
    }
}

/// Reads the value of a primitive.
fn read_value<T: PrimitiveType>(reader: &mut Reader<'_>) -> Option<T> {
    let at = reader.offset();
    let text = reader.scalar(T::JSON, T::NAME)?;
    match T::from_text(text) {
        Ok(value) => Some(value),
        Err(defect) => {
            reader.defect(defect, at);
            None
        }
    }
}

/// Reads the `_` sibling of a primitive.
fn read_element(reader: &mut Reader<'_>, key: &'static Key, element: &mut Option<Box<Element>>) {
    reader.one_object(key, &mut |reader| {
        reader.object(element.get_or_insert_default().as_mut())
    });
}

impl<T: PrimitiveType> Slot for Primitive<T> {
    fn len(&self) -> usize {
        usize::from(!self.is_absent())
    }

    fn get(&self, index: usize) -> Node<'_> {
        if index == 0 {
            Node::Primitive(self)
        } else {
            Node::Gap
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>, key: &'static Key, sibling: bool) {
        if sibling {
            read_element(reader, key, &mut self.element);
        } else {
            self.value = read_value(reader);
        }
    }
}

impl<T: PrimitiveType> Slot for Vec<Primitive<T>> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn get(&self, index: usize) -> Node<'_> {
        match self.as_slice().get(index) {
            Some(primitive) if !primitive.is_absent() => Node::Primitive(primitive),
            _ => Node::Gap,
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>, key: &'static Key, sibling: bool) {
        reader.primitive_array(key, sibling, &mut |reader, index, null| {
            while Vec::len(self) <= index {
                push(self);
            }
            match self.get_mut(index) {
                Some(_) if null => {}
                Some(primitive) if sibling => read_element(reader, key, &mut primitive.element),
                Some(primitive) => primitive.value = read_value(reader),
                None => {}
            }
        });
    }
}

/// Appends a default value. Grows by doubling from one: most lists of FHIR
/// have one entry, and the entries are large.
fn push<T: Default>(list: &mut Vec<T>) -> &mut T {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len().max(1));
    }
    list.push_mut(T::default())
}

impl<T: Object + Default> Slot for Option<T> {
    fn len(&self) -> usize {
        usize::from(self.is_some())
    }

    fn get(&self, index: usize) -> Node<'_> {
        match self {
            Some(object) if index == 0 => Node::Object(object),
            _ => Node::Gap,
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>, key: &'static Key, _sibling: bool) {
        reader.object_of(key, self);
    }
}

impl<T: Object + Default> Place for Option<T> {
    fn object(&mut self) -> &mut dyn Object {
        self.get_or_insert_default()
    }
}

/// A boxed struct, where a struct would contain itself.
impl<T: Object + 'static> Object for Box<T> {
    fn definition(&self) -> &'static TypeDef {
        self.as_ref().definition()
    }

    fn as_any(&self) -> &dyn Any {
        self.as_ref().as_any()
    }

    fn slot(&self, element: usize) -> &dyn Slot {
        self.as_ref().slot(element)
    }

    fn slot_mut(&mut self, element: usize) -> &mut dyn Slot {
        self.as_mut().slot_mut(element)
    }
}

impl<T: Object + Default> Slot for Vec<T> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn get(&self, index: usize) -> Node<'_> {
        match self.as_slice().get(index) {
            Some(object) => Node::Object(object),
            None => Node::Gap,
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>, key: &'static Key, _sibling: bool) {
        reader.objects_of(key, self);
    }
}

impl<T: Object + Default> Place for Vec<T> {
    fn object(&mut self) -> &mut dyn Object {
        push::<T>(self)
    }
}

impl Slot for Option<Resource> {
    fn len(&self) -> usize {
        usize::from(self.is_some())
    }

    fn get(&self, index: usize) -> Node<'_> {
        match self {
            Some(resource) if index == 0 => Node::Resource(resource),
            _ => Node::Gap,
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>, key: &'static Key, _sibling: bool) {
        reader.one_object(key, &mut |reader| reader.resource(self));
    }
}

impl Slot for Vec<Resource> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn get(&self, index: usize) -> Node<'_> {
        self.as_slice().get(index).map_or(Node::Gap, Node::Resource)
    }

    fn read(&mut self, reader: &mut Reader<'_>, key: &'static Key, _sibling: bool) {
        reader.array(key, &mut |reader, _| {
            reader.one_object(key, &mut |reader| {
                let mut resource = None;
                reader.resource(&mut resource);
                self.extend(resource);
            });
        });
    }
}

/// A generated enum of a choice element.
pub(super) trait ChoiceType: Sized + Send + Sync {
    /// An empty value of the type at this index of the element's types.
    fn empty(variant: usize) -> Option<Self>;

    /// The index of the type that it has.
    fn variant(&self) -> usize;

    /// The value.
    fn value(&self) -> &dyn Slot;

    /// The value, to be read into.
    fn value_mut(&mut self) -> &mut dyn Slot;
}

/// Reads one property of a choice element.
pub(super) fn read_choice<C: ChoiceType>(
    choice: &mut Option<C>,
    reader: &mut Reader<'_>,
    key: &'static Key,
    sibling: bool,
) {
    // A value and its `_` sibling meet in the same variant.
    if choice.is_none() {
        *choice = C::empty(usize::from(key.variant));
    }
    if let Some(choice) = choice {
        choice.value_mut().read(reader, key, sibling);
    }
}

/// Boxed types inside a choice.
impl<T: Object + Default> Slot for Box<T> {
    fn len(&self) -> usize {
        1
    }

    fn get(&self, index: usize) -> Node<'_> {
        if index == 0 {
            Node::Object(self.as_ref())
        } else {
            Node::Gap
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>, key: &'static Key, _sibling: bool) {
        reader.object_of(key, self);
    }
}

impl<T: Object + Default> Place for Box<T> {
    fn object(&mut self) -> &mut dyn Object {
        self.as_mut()
    }
}

/// Makes [`Slot`]s of the optional choice enums.
macro_rules! choice_slots {
    ($($name:ident)*) => {$(
        impl $crate::model::object::Slot for Option<$name> {
            fn len(&self) -> usize {
                match self {
                    Some(choice) => $crate::model::slot::ChoiceType::value(choice).len(),
                    None => 0,
                }
            }

            fn get(&self, index: usize) -> $crate::model::object::Node<'_> {
                match self {
                    Some(choice) => $crate::model::slot::ChoiceType::value(choice).get(index),
                    None => $crate::model::object::Node::Gap,
                }
            }

            fn variant(&self) -> usize {
                match self {
                    Some(choice) => $crate::model::slot::ChoiceType::variant(choice),
                    None => 0,
                }
            }

            fn read(
                &mut self,
                reader: &mut $crate::model::reader::Reader<'_>,
                key: &'static $crate::model::definition::Key,
                sibling: bool,
            ) {
                $crate::model::slot::read_choice(self, reader, key, sibling);
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                use $crate::model::slot::ChoiceType;
                self.variant() == other.variant()
                    && $crate::model::object::equal_slots(self.value(), other.value())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&$crate::model::slot::ChoiceType::value(self).get(0), f)
            }
        }
    )*};
}

pub(crate) use choice_slots;
