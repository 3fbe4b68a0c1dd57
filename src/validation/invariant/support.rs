//! What the compiled constraints are written against. Nothing here is generic
//! over the model: each function is compiled once.

use std::{borrow::Cow, cmp::Ordering, collections::HashSet};

pub(super) use super::super::fhirpath::number::Number;
use super::super::fhirpath::temporal;
use crate::model::object::PrimitiveNode;

/// `%ucum`
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

pub(super) type Text<'a> = Option<Cow<'a, str>>;

/// The value of a primitive.
#[inline(never)]
pub(super) fn text(primitive: &dyn PrimitiveNode) -> Text<'_> {
    primitive.text()
}

pub(super) fn literal(text: &str) -> Text<'_> {
    Some(Cow::Borrowed(text))
}

/// `a & b`
pub(super) fn concatenate(a: Text<'_>, b: Text<'_>) -> Text<'static> {
    Some(Cow::Owned(
        a.unwrap_or_default().into_owned() + &b.unwrap_or_default(),
    ))
}

/// `text = literal`
#[inline(never)]
pub(super) fn is(text: Text<'_>, literal: &str) -> bool {
    text.as_deref() == Some(literal)
}

/// `text != literal`
#[inline(never)]
pub(super) fn is_not(text: Text<'_>, literal: &str) -> bool {
    text.is_some_and(|text| text != literal)
}

/// `text in (list)` gives what is wanted.
#[inline(never)]
pub(super) fn one_of(text: Text<'_>, list: &[&str], wanted: bool) -> bool {
    text.is_some_and(|text| list.contains(&&*text) == wanted)
}

/// `text.matches(…)` gives what is wanted.
#[inline(never)]
pub(super) fn matches(text: Text<'_>, pattern: fn(&str) -> bool, wanted: bool) -> bool {
    text.is_some_and(|text| pattern(&text) == wanted)
}

/// `text.startsWith(start)` gives what is wanted.
#[inline(never)]
pub(super) fn starts_with(text: Text<'_>, start: &str, wanted: bool) -> bool {
    text.is_some_and(|text| text.starts_with(start) == wanted)
}

/// `text.contains(part)` gives what is wanted.
#[inline(never)]
pub(super) fn has_part(text: Text<'_>, part: &str, wanted: bool) -> bool {
    text.is_some_and(|text| text.contains(part) == wanted)
}

#[inline(never)]
pub(super) fn number(text: Text<'_>) -> Option<Number> {
    Number::parse(&text?)
}

#[inline(never)]
pub(super) fn to_integer(text: Text<'_>) -> Option<Number> {
    text?.parse().ok().map(Number::integer)
}

pub(super) fn order_numbers(a: Option<Number>, b: Option<Number>) -> Option<Ordering> {
    Some(a?.compare(b?))
}

#[inline(never)]
pub(super) fn order_dates(a: Text<'_>, b: Text<'_>) -> Option<Ordering> {
    temporal::compare(&a?, &b?)
}

pub(super) fn order<T: Ord>(a: Option<T>, b: Option<T>) -> Option<Ordering> {
    Some(a?.cmp(&b?))
}

/// Whether texts are distinct: the first few are compared, more go into a set.
#[derive(Default)]
pub(super) struct Distinct<'a> {
    few: [Cow<'a, str>; 8],
    len: usize,
    many: HashSet<Cow<'a, str>>,
    repeated: bool,
}

impl<'a> Distinct<'a> {
    #[inline(never)]
    pub(super) fn add(&mut self, text: Text<'a>) {
        let Some(text) = text else { return };
        let (few, len) = (self.few.iter().take(self.len), self.len);
        if few.into_iter().any(|known| *known == text) {
            self.repeated = true;
        } else if let Some(slot) = self.few.get_mut(len) {
            *slot = text;
            self.len += 1;
        } else {
            self.repeated |= !self.many.insert(text);
        }
    }

    pub(super) fn holds(&self) -> bool {
        !self.repeated
    }
}
