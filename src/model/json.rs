//! JSON and serde of the generated types, all through the one reader and the
//! one writer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

use super::{
    Reading, Resource,
    object::{self, Object},
    reader::{self, Observer},
    writer,
};

/// `Debug`, equality and serde of a struct.
macro_rules! json_methods {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::model::json::debug(self, f)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                $crate::model::object::equal(self, other)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::model::json::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::model::json::deserialize_object(deserializer)
            }
        }
    };
}

pub(crate) use json_methods;

/// The type and its JSON.
pub(super) fn debug(object: &dyn Object, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "{} {}",
        object.definition().name,
        writer::to_json(object)
    )
}

/// Serialises the JSON of the writer as it is, so that numbers keep their text.
/// FHIR's serde is for JSON: the serializer must be serde_json's.
pub(super) fn serialize<S: Serializer>(
    object: &dyn Object,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    RawValue::from_string(writer::to_json(object))
        .map_err(ser::Error::custom)?
        .serialize(serializer)
}

/// [`deserialize`] of a struct. Its name alone stands in the impl of each type:
/// inferring the reader there would take a third of the check of this crate.
pub(super) fn deserialize_object<'de, D: Deserializer<'de>, T: Object + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserialize(deserializer, T::from_slice)
}

/// Takes the JSON text from serde_json and reads it; any error among the issues
/// fails.
pub(super) fn deserialize<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&[u8]) -> Reading<T>,
) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    read(raw.get().as_bytes())
        .into_result()
        .map_err(de::Error::custom)
}

impl Resource {
    /// Reads and validates a resource of any type from JSON
    /// (<https://hl7.org/fhir/R4/json.html>). The value is `None` when the
    /// document is no resource or not JSON.
    pub fn from_slice(bytes: &[u8]) -> Reading<Self> {
        reader::read_resource(bytes, None)
    }

    /// The same, and shows each object to an observer when it has been read.
    pub fn from_slice_observed<'a>(
        bytes: &'a [u8],
        observer: &'a mut dyn Observer,
    ) -> Reading<Self> {
        reader::read_resource(bytes, Some(observer))
    }

    /// The type, for instance `Patient`.
    pub fn resource_type(&self) -> &'static str {
        self.as_object().definition().name
    }

    /// The logical id.
    pub fn id(&self) -> Option<String> {
        match self.as_object().get("id")?.get(0) {
            object::Node::Primitive(id) => id.text().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(self.as_object(), f)
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        object::equal(self.as_object(), other.as_object())
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.as_object(), serializer)
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, Self::from_slice)
    }
}
