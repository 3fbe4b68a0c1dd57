//! integer, unsignedInt, positiveInt and decimal.

use std::{borrow::Cow, fmt, str::FromStr};

use super::{Defect, JsonType, PrimitiveType};
use crate::model::Rule;

/// Takes an integer text without fraction, exponent or surplus sign.
fn integer(
    text: &str,
    range: std::ops::RangeInclusive<i64>,
    expected: &'static str,
) -> Result<i64, Defect> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || text == "-0" {
        return Err(Defect::format(expected));
    }
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or(Defect {
            rule: Rule::PrimitiveRange,
            expected: Cow::Borrowed(expected),
            found: None,
        })
}

impl PrimitiveType for i32 {
    const NAME: &'static str = "integer";
    const JSON: JsonType = JsonType::Number;

    fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
        let range = i64::from(Self::MIN)..=i64::from(Self::MAX);
        integer(&text, range, "an integer of 32 bits without fraction").map(|number| number as Self)
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

macro_rules! natural {
    ($($(#[$doc:meta])* $name:ident, $fhir:literal, $min:literal, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The number.
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl PrimitiveType for $name {
            const NAME: &'static str = $fhir;
            const JSON: JsonType = JsonType::Number;

            fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
                integer(&text, $min..=i64::from(i32::MAX), $expected).map(|number| Self(number as u32))
            }

            fn text(&self) -> Cow<'_, str> {
                Cow::Owned(self.0.to_string())
            }
        }
    )*};
}

natural! {
    /// An integer from 1 to 2,147,483,647.
    PositiveInt, "positiveInt", 1, "an integer from 1 to 2147483647";
    /// An integer from 0 to 2,147,483,647.
    UnsignedInt, "unsignedInt", 0, "an integer from 0 to 2147483647";
}

/// A decimal number that keeps its source text, and so its precision: `1.50`
/// stays `1.50`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Box<str>);

impl Decimal {
    /// The number as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest float, for arithmetic that can bear the loss.
    pub fn to_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }
}

impl FromStr for Decimal {
    type Err = Defect;

    fn from_str(text: &str) -> Result<Self, Defect> {
        // The grammar is that of JSON numbers.
        match serde_json::from_str::<&serde_json::value::RawValue>(text) {
            Ok(_)
                if text.starts_with(|char: char| char == '-' || char.is_ascii_digit())
                    && !text.ends_with(' ') =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(Defect::format("a decimal number")),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PrimitiveType for Decimal {
    const NAME: &'static str = "decimal";
    const JSON: JsonType = JsonType::Number;

    /// The text is a JSON number already.
    fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
        Ok(Self(text.into()))
    }

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}
