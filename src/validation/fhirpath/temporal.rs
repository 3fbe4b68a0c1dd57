//! Comparison of dates and times of different precision
//! ([FHIRPath N1, 6.2](http://hl7.org/fhirpath/N1/#comparison)).

use std::cmp::Ordering;

/// Compares two dates, dateTimes or instants. `None` where the less precise
/// one does not say: `2024` is neither before nor after `2024-05`. A time with
/// a zone is compared as the instant that it is.
pub(crate) fn compare(a: &str, b: &str) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (instant(a), instant(b)) {
        return Some(a.cmp(&b));
    }
    // Without a time on both sides the zone says nothing: parts, as they stand.
    let len = a.len().min(b.len()).min(10);
    let (left, right) = (a.get(..len)?, b.get(..len)?);
    match left.cmp(right) {
        Ordering::Equal if a.len() == b.len() => Some(Ordering::Equal),
        Ordering::Equal => None,
        order => Some(order),
    }
}

/// Compares two times of day.
pub(crate) fn compare_times(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        (
            seconds.to_owned(),
            fraction.trim_end_matches('0').to_owned(),
        )
    };
    parts(a).cmp(&parts(b))
}

/// Seconds since the year 0 in UTC, and nanoseconds.
fn instant(text: &str) -> Option<(i64, u64)> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at_checked(zone_at)?;
    let mut nanoseconds = 0;
    let digits = fraction.trim_start_matches('.').bytes();
    for digit in digits.chain(std::iter::repeat(b'0')).take(9) {
        nanoseconds = nanoseconds * 10 + u64::from(digit.wrapping_sub(b'0') % 10);
    }
    let offset = match zone.get(1..6) {
        Some(offset) => {
            let minutes = offset.get(..2)?.parse::<i64>().ok()? * 60
                + offset.get(3..)?.parse::<i64>().ok()?;
            if zone.starts_with('-') {
                -minutes
            } else {
                minutes
            }
        }
        None => 0,
    };
    // Days since the first of March of the year 0.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day;
    Some((
        ((days * 24 + hour) * 60 + minute - offset) * 60 + second,
        nanoseconds,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_zones() {
        let cases = [
            ("2024", "2025", Some(Ordering::Less)),
            ("2024", "2024", Some(Ordering::Equal)),
            ("2024", "2024-05", None),
            ("2024-06", "2024-05-01", Some(Ordering::Greater)),
            ("2024-05-01", "2024-05-01T10:00:00Z", None),
            (
                "2024-05-02",
                "2024-05-01T10:00:00Z",
                Some(Ordering::Greater),
            ),
            (
                "2024-05-01T10:00:00+02:00",
                "2024-05-01T08:00:00Z",
                Some(Ordering::Equal),
            ),
            (
                "2024-05-01T10:00:00+02:00",
                "2024-05-01T09:00:00Z",
                Some(Ordering::Less),
            ),
            (
                "2024-01-01T00:30:00+01:00",
                "2023-12-31T23:30:00Z",
                Some(Ordering::Equal),
            ),
            (
                "2024-03-01T00:00:00Z",
                "2024-02-29T23:59:59.999Z",
                Some(Ordering::Greater),
            ),
            (
                "2024-03-01T00:00:00.5Z",
                "2024-03-01T00:00:00.50Z",
                Some(Ordering::Equal),
            ),
        ];
        for (a, b, expected) in cases {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.map(Ordering::reverse), "{b} {a}");
        }
    }
}
