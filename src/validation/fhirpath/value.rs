//! What an expression works on: elements of the model and values of its own.

use std::{borrow::Cow, cmp::Ordering};

use super::{number::Number, temporal};
use crate::model::{
    definition::Kind,
    object::{Node, Object, PrimitiveNode},
};

/// An item of a collection.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Object(&'a dyn Object),
    Primitive(&'a dyn PrimitiveNode),
    Boolean(bool),
    Integer(i64),
    Decimal(Cow<'a, str>),
    String(Cow<'a, str>),
    Temporal(Cow<'a, str>),
    Time(Cow<'a, str>),
    Quantity(Cow<'a, str>, Cow<'a, str>),
}

/// What a value is when it is compared.
enum Plain<'v> {
    Boolean(bool),
    Number(Number),
    Text(Cow<'v, str>),
    Temporal(Cow<'v, str>),
    Time(Cow<'v, str>),
    Quantity(Number, Cow<'v, str>),
}

impl<'a> Value<'a> {
    /// A node of the model; none for a gap.
    pub(super) fn of(node: Node<'a>) -> Option<Self> {
        match node {
            Node::Object(object) => Some(Self::Object(object)),
            Node::Resource(resource) => Some(Self::Object(resource.as_object())),
            Node::Primitive(primitive) => Some(Self::Primitive(primitive)),
            Node::Gap => None,
        }
    }

    /// The children with this name; all of them without one.
    pub(super) fn children(&self, name: Option<&str>, out: &mut Vec<Value<'a>>) {
        let object = match self {
            Self::Object(object) => *object,
            Self::Primitive(primitive) => match primitive.element() {
                Some(element) => element,
                None => return,
            },
            _ => return,
        };
        for (index, element) in object.definition().elements.iter().enumerate() {
            if name.is_none_or(|name| name == element.name) {
                out.extend(object.slot(index).iter().filter_map(Value::of));
            }
        }
    }

    /// The text of a primitive or of a value; none of an object.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Primitive(primitive) => primitive.text(),
            Self::Boolean(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Self::Integer(value) => Some(Cow::Owned(value.to_string())),
            Self::Decimal(text) | Self::String(text) | Self::Temporal(text) | Self::Time(text) => {
                Some(text.clone())
            }
            Self::Quantity(value, unit) => Some(Cow::Owned(format!("{value} '{unit}'"))),
            Self::Object(_) => None,
        }
    }

    /// The FHIR name of its type.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Object(object) => object.definition().name,
            Self::Primitive(primitive) => primitive.type_name(),
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Decimal(_) => "decimal",
            Self::String(_) => "string",
            Self::Temporal(_) => "dateTime",
            Self::Time(_) => "time",
            Self::Quantity(..) => "Quantity",
        }
    }

    /// Whether it is of a type or of one derived from it. The types of FHIRPath
    /// itself (`Boolean`) are taken for those of FHIR (`boolean`): the
    /// constraints of FHIR mean them so.
    pub(super) fn is(&self, wanted: &str) -> bool {
        let own = self.type_name();
        if own == wanted
            || own.eq_ignore_ascii_case(wanted)
                && matches!(
                    wanted,
                    "Boolean" | "String" | "Integer" | "Decimal" | "DateTime" | "Time" | "Date"
                )
        {
            return true;
        }
        let kind = match self {
            Self::Object(object) => Some(object.definition().kind),
            _ => None,
        };
        match wanted {
            "Resource" => kind == Some(Kind::Resource),
            "DomainResource" => {
                kind == Some(Kind::Resource) && !matches!(own, "Bundle" | "Binary" | "Parameters")
            }
            "Element" => kind != Some(Kind::Resource),
            "BackboneElement" => kind == Some(Kind::Backbone),
            "string" | "String" => matches!(own, "code" | "id" | "markdown"),
            "uri" => matches!(own, "url" | "canonical" | "uuid" | "oid"),
            "integer" | "Integer" => matches!(own, "positiveInt" | "unsignedInt"),
            "Quantity" => matches!(own, "Age" | "Count" | "Distance" | "Duration"),
            _ => false,
        }
    }

    fn plain(&self) -> Option<Plain<'a>> {
        Some(match self {
            Self::Boolean(value) => Plain::Boolean(*value),
            Self::Integer(value) => Plain::Number(Number::integer(*value)),
            Self::Decimal(text) => Plain::Number(Number::parse(text)?),
            Self::String(text) => Plain::Text(text.clone()),
            Self::Temporal(text) => Plain::Temporal(text.clone()),
            Self::Time(text) => Plain::Time(text.clone()),
            Self::Quantity(value, unit) => Plain::Quantity(Number::parse(value)?, unit.clone()),
            Self::Primitive(primitive) => {
                let text = primitive.text()?;
                match primitive.type_name() {
                    "boolean" => Plain::Boolean(text == "true"),
                    "integer" | "decimal" | "positiveInt" | "unsignedInt" => {
                        Plain::Number(Number::parse(&text)?)
                    }
                    "date" | "dateTime" | "instant" => Plain::Temporal(text),
                    "time" => Plain::Time(text),
                    _ => Plain::Text(text),
                }
            }
            Self::Object(object) if self.is("Quantity") => {
                let part = |name| match object.get(name)?.get(0) {
                    Node::Primitive(primitive) => primitive.text(),
                    _ => None,
                };
                let unit = part("code").or_else(|| part("unit")).unwrap_or_default();
                Plain::Quantity(Number::parse(&part("value")?)?, unit)
            }
            Self::Object(_) => return None,
        })
    }

    /// The number that it is.
    pub(super) fn number(&self) -> Option<Number> {
        match self.plain()? {
            Plain::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The truth value that it is.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.plain()? {
            Plain::Boolean(value) => Some(value),
            _ => None,
        }
    }

    fn is_valueless(&self) -> bool {
        matches!(self, Self::Primitive(primitive) if primitive.text().is_none())
    }

    /// `=`: none where the precision of dates leaves it open.
    pub(super) fn equals(&self, other: &Self) -> Option<bool> {
        if let (Self::Object(a), Self::Object(b)) = (self, other) {
            return Some(equal_objects(*a, *b));
        }
        let (a, b) = match (self.plain(), other.plain()) {
            (Some(a), Some(b)) => (a, b),
            // A primitive that has but an extension equals nothing else.
            _ if self.is_valueless() || other.is_valueless() => return None,
            _ => return Some(false),
        };
        match (a, b) {
            // A text beside a date: both as they are written.
            (Plain::Text(a), Plain::Temporal(b) | Plain::Time(b))
            | (Plain::Temporal(a) | Plain::Time(a), Plain::Text(b)) => Some(a == b),
            (a, b) => match order(&a, &b) {
                Some(order) => order.map(Ordering::is_eq),
                None => Some(false),
            },
        }
    }

    /// `<`, `>` and the like: the order, none where the precision of dates
    /// leaves it open, an error where the types have no order.
    pub(super) fn compare(&self, other: &Self) -> Result<Option<Ordering>, &'static str> {
        match (self.plain(), other.plain()) {
            (Some(a), Some(b)) => order(&a, &b).ok_or("two values that can be compared"),
            // A primitive without a value is no value.
            _ if matches!(self, Self::Primitive(_)) || matches!(other, Self::Primitive(_)) => {
                Ok(None)
            }
            _ if self.is("Quantity") && other.is("Quantity") => Ok(None),
            _ => Err("two values that can be compared"),
        }
    }
}

/// The inner none: undecidable. The outer: not comparable.
fn order(a: &Plain<'_>, b: &Plain<'_>) -> Option<Option<Ordering>> {
    Some(match (a, b) {
        (Plain::Boolean(a), Plain::Boolean(b)) => Some(a.cmp(b)),
        (Plain::Number(a), Plain::Number(b)) => Some(a.compare(*b)),
        (Plain::Text(a), Plain::Text(b)) => Some(a.cmp(b)),
        (Plain::Temporal(a), Plain::Temporal(b)) => temporal::compare(a, b),
        (Plain::Time(a), Plain::Time(b)) => Some(temporal::compare_times(a, b)),
        // Units are not converted: different ones leave the order open.
        (Plain::Quantity(a, unit), Plain::Quantity(b, other)) => {
            (unit == other).then(|| a.compare(*b))
        }
        _ => return None,
    })
}

/// Whether two objects of one type hold equal children, ids included.
fn equal_objects(a: &dyn Object, b: &dyn Object) -> bool {
    std::ptr::eq(a.definition(), b.definition())
        && (0..a.definition().elements.len()).all(|index| {
            let (a, b) = (a.slot(index), b.slot(index));
            a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|(a, b)| match (Value::of(a), Value::of(b)) {
                        (Some(a), Some(b)) => {
                            a.is_valueless() == b.is_valueless() && a.equals(&b) != Some(false)
                        }
                        (a, b) => a.is_none() && b.is_none(),
                    })
        })
}
