//! Exact comparison of decimals: `0.1` and `0.10` are equal, and no digit of
//! a long number is lost.

use std::cmp::Ordering;

/// A decimal number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    mantissa: i128,
    /// Digits after the point.
    scale: u32,
    /// The same, rounded: for what has too many digits.
    approximate: f64,
}

impl Number {
    /// A number as JSON writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let approximate: f64 = text.parse().ok()?;
        let (mut mantissa, mut scale, mut point, mut exact) = (0_i128, 0_u32, false, true);
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    let next = mantissa
                        .checked_mul(10)
                        .and_then(|value| value.checked_add(i128::from(byte - b'0')));
                    exact &= next.is_some();
                    mantissa = next.unwrap_or(mantissa);
                    scale += u32::from(point);
                }
                b'.' => point = true,
                b'-' | b'+' => {}
                // An exponent, or no number.
                _ => exact = false,
            }
        }
        let number = Self {
            mantissa: if text.starts_with('-') {
                -mantissa
            } else {
                mantissa
            },
            scale: if exact { scale } else { u32::MAX },
            approximate,
        };
        approximate.is_finite().then_some(number)
    }

    pub(crate) fn integer(value: i64) -> Self {
        Self {
            mantissa: i128::from(value),
            scale: 0,
            approximate: value as f64,
        }
    }

    pub(crate) fn approximate(self) -> f64 {
        self.approximate
    }

    /// The value, if it has no fraction.
    pub(crate) fn as_integer(self) -> Option<i64> {
        (self.scale == 0).then(|| i64::try_from(self.mantissa).ok())?
    }

    pub(crate) fn compare(self, other: Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        let scaled = |number: Self| {
            let factor = 10_i128.checked_pow(scale.checked_sub(number.scale)?)?;
            number.mantissa.checked_mul(factor)
        };
        match (scale < u32::MAX)
            .then(|| scaled(self).zip(scaled(other)))
            .flatten()
        {
            Some((a, b)) => a.cmp(&b),
            None => self.approximate.total_cmp(&other.approximate),
        }
    }
}
