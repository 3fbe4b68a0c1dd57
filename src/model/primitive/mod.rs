//! Primitive elements: a value, an extension, or both
//! (<https://hl7.org/fhir/R4/datatypes.html#primitive>).

mod code;
mod number;
mod temporal;
mod text;

use std::{borrow::Cow, ops};

pub use code::{CodeTable, CodeType};
pub use number::{Decimal, PositiveInt, UnsignedInt};
pub use temporal::{Date, DateTime, Instant, Precision, Time};
pub use text::{Base64Binary, Canonical, Code, Id, Markdown, Oid, Uri, Url, Uuid, Xhtml};

use super::{Element, Rule};

/// A primitive element: dereferences to its optional value.
///
/// ```ignore
/// if let Some(gender) = &*patient.gender { … }
/// ```
///
/// Both parts are absent when the element is.
#[derive(Clone, PartialEq)]
pub struct Primitive<T> {
    /// The value. Absent when only an extension says why, or when the text in
    /// the document was not of the type (which is an issue).
    pub value: Option<T>,
    /// The id and the extensions: in JSON the property with `_` before its name.
    pub element: Option<Box<Element>>,
}

impl<T> Primitive<T> {
    /// Whether neither a value nor an extension is there.
    pub fn is_absent(&self) -> bool {
        self.value.is_none() && self.element.is_none()
    }
}

impl<T> Default for Primitive<T> {
    fn default() -> Self {
        Self {
            value: None,
            element: None,
        }
    }
}

impl<T> From<T> for Primitive<T> {
    fn from(value: T) -> Self {
        Self {
            value: Some(value),
            element: None,
        }
    }
}

impl<T> ops::Deref for Primitive<T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.value
    }
}

impl<T> ops::DerefMut for Primitive<T> {
    fn deref_mut(&mut self) -> &mut Option<T> {
        &mut self.value
    }
}

/// How a primitive stands in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// In double quotes.
    String,
    /// A number, kept as text.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl JsonType {
    /// A word for messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// Why a text is not of a primitive type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The rule that it breaks.
    pub rule: Rule,
    /// What the type asks for.
    pub expected: Cow<'static, str>,
    /// What came, where that says more than the text itself.
    pub found: Option<String>,
}

impl Defect {
    pub(crate) fn format(expected: &'static str) -> Self {
        Self {
            rule: Rule::PrimitiveFormat,
            expected: Cow::Borrowed(expected),
            found: None,
        }
    }
}

/// The value of a primitive type.
pub trait PrimitiveType: Sized + Send + Sync + 'static {
    /// FHIR name of the type.
    const NAME: &'static str;
    /// How it stands in JSON.
    const JSON: JsonType;

    /// Checks and takes a text (of a string what stands between the quotes).
    fn from_text(text: Cow<'_, str>) -> Result<Self, Defect>;

    /// The text, exactly as it was read.
    fn text(&self) -> Cow<'_, str>;
}

impl PrimitiveType for bool {
    const NAME: &'static str = "boolean";
    const JSON: JsonType = JsonType::Boolean;

    fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
        Ok(text == "true")
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(if *self { "true" } else { "false" })
    }
}
