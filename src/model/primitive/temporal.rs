//! date, dateTime, instant and time. Each keeps its text, and so its precision
//! and time zone, and gives its parts on demand.

use std::{borrow::Cow, fmt, str::FromStr};

use super::{Defect, JsonType, PrimitiveType};

/// How precise a date or dateTime is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `2024`
    Year,
    /// `2024-03`
    Month,
    /// `2024-03-09`
    Day,
    /// `2024-03-09T08:30:00Z`, with or without a fraction.
    Second,
}

macro_rules! temporal {
    ($($(#[$doc:meta])* $name:ident, $fhir:literal, $valid:expr, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Defect;

            fn from_str(text: &str) -> Result<Self, Defect> {
                Self::from_text(Cow::Borrowed(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl PrimitiveType for $name {
            const NAME: &'static str = $fhir;
            const JSON: JsonType = JsonType::String;

            fn from_text(text: Cow<'_, str>) -> Result<Self, Defect> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text.into())) } else { Err(Defect::format($expected)) }
            }

            fn text(&self) -> Cow<'_, str> {
                Cow::Borrowed(&self.0)
            }
        }
    )*};
}

temporal! {
    /// A calendar date, or a month or year of one: `2024-03-09`, `2024-03`, `2024`.
    Date, "date", |text| date(text).is_some(),
        "a date that exists, as YYYY, YYYY-MM or YYYY-MM-DD";
    /// A date, or a date with time and time zone.
    DateTime, "dateTime",
        |text| if text.len() <= 10 { date(text).is_some() } else { date_and_time(text) },
        "a dateTime that exists, as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm";
    /// A moment: date, time to the second at least, time zone.
    Instant, "instant", date_and_time,
        "an instant that exists, as YYYY-MM-DDThh:mm:ss with Z or +hh:mm";
    /// A time of day without time zone.
    Time, "time", |text| time(text) == Some(""),
        "a time of day, as hh:mm:ss";
}

impl Date {
    /// How precise it is.
    pub fn precision(&self) -> Precision {
        precision(&self.0)
    }
}

impl DateTime {
    /// How precise it is.
    pub fn precision(&self) -> Precision {
        precision(&self.0)
    }
}

fn precision(text: &str) -> Precision {
    match text.len() {
        4 => Precision::Year,
        7 => Precision::Month,
        10 => Precision::Day,
        _ => Precision::Second,
    }
}

/// Two digits at `at`.
fn two(bytes: &[u8], at: usize) -> Option<u32> {
    match bytes.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        }
        _ => None,
    }
}

/// Year, month and day of a date of any precision (absent parts are 1), when it
/// exists in the Gregorian calendar.
fn date(text: &str) -> Option<(u32, u32, u32)> {
    let bytes = text.as_bytes();
    if !matches!(bytes.len(), 4 | 7 | 10) {
        return None;
    }
    let year = two(bytes, 0)? * 100 + two(bytes, 2)?;
    let part = |dash: usize| {
        if bytes.len() <= dash {
            return Some(1);
        }
        (bytes.get(dash) == Some(&b'-'))
            .then(|| two(bytes, dash + 1))
            .flatten()
    };
    let (month, day) = (part(4)?, part(7)?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    (year > 0 && (1..=days).contains(&day)).then_some((year, month, day))
}

/// A time of day with seconds at the start of `text`; returns the rest. Second
/// 60 is allowed, as the type's regular expression does for leap seconds.
fn time(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let valid = two(bytes, 0)? <= 23
        && bytes.get(2) == Some(&b':')
        && two(bytes, 3)? <= 59
        && bytes.get(5) == Some(&b':')
        && two(bytes, 6)? <= 60;
    if !valid {
        return None;
    }
    let rest = text.get(8..)?;
    match rest.strip_prefix('.') {
        None => Some(rest),
        Some(fraction) => {
            let end = fraction
                .find(|char: char| !char.is_ascii_digit())
                .unwrap_or(fraction.len());
            if end == 0 { None } else { fraction.get(end..) }
        }
    }
}

fn date_and_time(text: &str) -> bool {
    let (Some(day), Some(b'T'), Some(rest)) =
        (text.get(..10), text.as_bytes().get(10), text.get(11..))
    else {
        return false;
    };
    date(day).is_some() && time(rest).is_some_and(zone)
}

/// `Z`, or an offset up to 14:00.
fn zone(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes {
        b"Z" => true,
        [b'+' | b'-', _, _, b':', _, _] => match (two(bytes, 1), two(bytes, 4)) {
            (Some(hours), Some(minutes)) => {
                hours <= 13 && minutes <= 59 || (hours, minutes) == (14, 0)
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_exist() {
        for valid in [
            "2024",
            "2024-12",
            "2024-02-29",
            "2000-02-29",
            "0001-01-01",
            "9999-12-31",
        ] {
            assert!(valid.parse::<Date>().is_ok(), "{valid}");
        }
        for invalid in [
            "0000",
            "24",
            "2024-1",
            "2024-13",
            "2024-00",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-01-00",
            "2024-01-1",
            "2024/01/01",
            "2024-01-01T00:00:00Z",
            " 2024",
            "2024-",
            "٢٠٢٤",
        ] {
            assert!(invalid.parse::<Date>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn times_have_seconds_and_a_zone() {
        for valid in [
            "2024-03-09T08:30:00Z",
            "2024-03-09T23:59:60Z",
            "2024-03-09T08:30:00.123456789012+14:00",
            "2024-03-09T08:30:00-05:30",
            "2024",
            "2024-03-09",
        ] {
            assert!(valid.parse::<DateTime>().is_ok(), "{valid}");
        }
        for invalid in [
            "2024-03-09T08:30Z",
            "2024-03-09T08:30:00",
            "2024-03-09T24:00:00Z",
            "2024-03-09T25:00:00Z",
            "2024-03-09T08:60:00Z",
            "2024-03-09T08:30:61Z",
            "2024-03-09T08:30:00.Z",
            "2024-03-09T08:30:00+14:01",
            "2024-03-09T08:30:00+0200",
            "2024-03-09 08:30:00Z",
            "2024-03-09t08:30:00z",
            "2024-03-09T",
            "2024-03T08:30:00Z",
        ] {
            assert!(invalid.parse::<DateTime>().is_err(), "{invalid}");
        }
        assert!("2024-03-09".parse::<Instant>().is_err());
        assert!("08:30:00.5".parse::<Time>().is_ok());
        assert!("08:30:00Z".parse::<Time>().is_err());
    }
}
