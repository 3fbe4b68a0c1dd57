//! When a GET is sent again, and after what wait.

use std::time::{Duration, SystemTime};

use tokio_retry::strategy::{ExponentialBackoff, jitter};

/// Repeats of one GET.
const RETRIES: usize = 3;
/// Wait before the first repeat, at most; it doubles with each.
const FIRST_WAIT_MS: u64 = 250;
/// All waits of one GET together, also when the server asks for more.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The waits between the attempts of one GET.
pub(super) struct Backoff {
    delays: std::iter::Take<ExponentialBackoff>,
    budget: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            delays: ExponentialBackoff::from_millis(2)
                .factor(FIRST_WAIT_MS / 2)
                .take(RETRIES),
            budget: MAX_WAIT,
        }
    }

    /// The next wait, not shorter than the server asks for; `None` when the
    /// attempts or the time are used up. `remaining` is the time until the
    /// request as a whole is given up.
    pub(super) fn next(
        &mut self,
        retry_after: Option<Duration>,
        remaining: Duration,
    ) -> Option<Duration> {
        let wait = jitter(self.delays.next()?).max(retry_after.unwrap_or_default());
        if wait >= remaining {
            return None;
        }
        self.budget = self.budget.checked_sub(wait)?;
        Some(wait)
    }
}

/// Whether an answer with this status asks to come back later.
pub(super) fn asks_to_retry(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// Reads a `Retry-After` header: seconds, or a date
/// ([RFC 9110, 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#name-retry-after)).
/// A date in the past means at once.
pub(super) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn waits_three_times_and_ever_longer() {
        let mut backoff = Backoff::new();
        for limit in [250, 500, 1000] {
            let wait = backoff.next(None, MINUTE).unwrap();
            assert!(wait <= Duration::from_millis(limit));
        }
        assert_eq!(backoff.next(None, MINUTE), None);
    }

    #[test]
    fn waits_as_long_as_the_server_asks_within_the_budget() {
        let six = Some(Duration::from_secs(6));
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(six, MINUTE), six);
        assert_eq!(backoff.next(six, MINUTE), None);
        assert_eq!(Backoff::new().next(Some(MINUTE), 2 * MINUTE), None);
        assert_eq!(Backoff::new().next(six, Duration::from_secs(5)), None);
    }

    #[test]
    fn reads_both_forms_of_retry_after() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("99999999999999999999", None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(parse_retry_after(value, now), expected, "{value}");
        }
    }
}
