//! `minValue[x]` and `maxValue[x]`
//! ([ElementDefinition](https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.minValue_x_)).

use std::cmp::Ordering;

use serde_json::Value;

use crate::model::{Quantity, object::Node};

/// Whether a value lies beyond a bound, the lower one if `low`. What cannot be
/// compared does not.
pub(super) fn outside(node: Node<'_>, bound: &Value, low: bool) -> bool {
    let order = match node {
        Node::Primitive(primitive) => match (primitive.text(), bound) {
            (Some(text), Value::Number(bound)) => numbers(&text, &bound.to_string()),
            (Some(text), Value::String(bound)) => temporal(&text, bound),
            _ => None,
        },
        Node::Object(object) => object
            .as_any()
            .downcast_ref::<Quantity>()
            .and_then(|quantity| quantities(quantity, bound)),
        Node::Resource(_) | Node::Gap => None,
    };
    order
        == Some(if low {
            Ordering::Less
        } else {
            Ordering::Greater
        })
}

fn numbers(a: &str, b: &str) -> Option<Ordering> {
    a.parse::<f64>().ok()?.partial_cmp(&b.parse().ok()?)
}

/// Quantities of the same unit.
fn quantities(quantity: &Quantity, bound: &Value) -> Option<Ordering> {
    let same = |name: &str, own: Option<&str>| bound.get(name).and_then(Value::as_str) == own;
    let code = quantity.code.as_deref();
    let comparable = match code {
        Some(_) => same("code", code) && same("system", quantity.system.as_deref()),
        None => bound.get("code").is_none() && same("unit", quantity.unit.as_deref()),
    };
    let Some(Value::Number(wanted)) = bound.get("value").filter(|_| comparable) else {
        return None;
    };
    numbers(quantity.value.as_ref()?.as_str(), &wanted.to_string())
}

/// Dates and times: as far as both are precise, instants by their time zones.
fn temporal(a: &str, b: &str) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (seconds(a), seconds(b)) {
        return a.partial_cmp(&b);
    }
    // Without a time zone on both sides only the dates can be compared.
    let date = |text: &str| text.split('T').next().unwrap_or_default().len();
    let length = date(a).min(date(b));
    a.get(..length).zip(b.get(..length)).map(|(a, b)| a.cmp(b))
}

/// Seconds since 1970 of a date with time and time zone.
fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let mut part = || date.next()?.ok();
    let (year, month, day) = (part()?, part()?, part()?);
    let zone = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let mut time = time.splitn(3, ':').map(str::parse::<f64>);
    let mut part = || time.next()?.ok();
    let (hours, minutes, seconds) = (part()?, part()?, part().unwrap_or_default());
    let offset = match zone.split_at_checked(1)? {
        ("Z", _) => 0.0,
        (sign, zone) => {
            let (hours, minutes) = zone.split_once(':')?;
            let minutes: f64 = hours.parse::<f64>().ok()? * 60.0 + minutes.parse::<f64>().ok()?;
            if sign == "-" { -minutes } else { minutes }
        }
    };
    let days = days(year, month, day) as f64;
    Some(days * 86_400.0 + hours * 3_600.0 + (minutes - offset) * 60.0 + seconds)
}

/// Days since 1970 in the proleptic Gregorian calendar, with years that begin
/// in March, so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_compare_as_far_as_they_are_precise() {
        use Ordering::*;
        let cases = [
            ("2020", "2020-05-01", Some(Equal)),
            ("2019-12", "2020-05-01", Some(Less)),
            (
                "2019-12-31T23:30:00-05:00",
                "2020-01-01T00:00:00Z",
                Some(Greater),
            ),
            (
                "2020-03-01T00:00:00Z",
                "2020-02-29T23:59:59Z",
                Some(Greater),
            ),
            (
                "1970-01-01T01:00:00+01:00",
                "1970-01-01T00:00:00Z",
                Some(Equal),
            ),
            ("12:00:00", "12:30:00", Some(Less)),
        ];
        for (a, b, expected) in cases {
            assert_eq!(temporal(a, b), expected, "{a} {b}");
        }
    }
}
