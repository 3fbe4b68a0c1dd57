//! What another server says, kept for as long as it may be.
//!
//! One caller at a time fetches. Where there is something old, or the reason
//! why there is nothing, the others go on with that; a server that does not
//! answer is left alone for a while.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{clock::Clock, error::AuthError};

/// How long a document is kept at least, whatever its server says: each caller
/// with a token can cause a fetch.
const MIN_AGE: Duration = Duration::from_secs(60);
/// How long after a failure nothing is fetched.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// A document, fetched when it is needed.
pub(super) struct Kept<T> {
    clock: Clock,
    seen: Mutex<Seen<T>>,
    until: Mutex<u64>,
    turn: tokio::sync::Mutex<()>,
}

/// What there was at some moment.
pub(super) struct Seen<T> {
    /// The newest document.
    pub(super) value: Option<Arc<T>>,
    /// Why there is no newer one.
    pub(super) failure: Option<AuthError>,
    /// Fetches so far, those that failed among them.
    pub(super) fetches: u64,
}

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            failure: self.failure.clone(),
            fetches: self.fetches,
        }
    }
}

impl<T> Seen<T> {
    /// The document, which may be old.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn result(self) -> Result<Arc<T>, AuthError> {
        let failure = self.failure.unwrap_or(AuthError::NoEndpoint("document"));
        self.value.ok_or(failure)
    }
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

impl<T> Kept<T> {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            seen: Mutex::new(Seen {
                value: None,
                failure: None,
                fetches: 0,
            }),
            until: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// What there is without asking anyone.
    pub(super) fn look(&self) -> Seen<T> {
        self.seen().clone()
    }

    /// What there is, fetched first if it is time.
    pub(super) async fn current(
        &self,
        fetch: impl Future<Output = Result<(T, Duration), AuthError>>,
    ) -> Seen<T> {
        let seen = self.look();
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if self.clock.now() < until {
            return seen;
        }
        let nothing = seen.value.is_none() && seen.failure.is_none();
        self.renewed(&seen, nothing, fetch).await
    }

    /// What there is after a fetch, of this caller or another, since `seen`.
    /// Where another is at it, this one waits or takes what there is.
    pub(super) async fn renewed(
        &self,
        seen: &Seen<T>,
        wait: bool,
        fetch: impl Future<Output = Result<(T, Duration), AuthError>>,
    ) -> Seen<T> {
        let turn = match wait {
            true => Some(self.turn.lock().await),
            false => self.turn.try_lock().ok(),
        };
        if turn.is_none() || self.seen().fetches != seen.fetches {
            return self.look();
        }
        let fetched = fetch.await;
        let mut seen = self.seen();
        seen.fetches += 1;
        let age = match fetched {
            Ok((value, max_age)) => {
                seen.value = Some(Arc::new(value));
                seen.failure = None;
                max_age.max(MIN_AGE)
            }
            Err(error) => {
                tracing::warn!(%error, "a document of an authorization server cannot be had");
                seen.failure = Some(error);
                AFTER_FAILURE
            }
        };
        let until = self.clock.now().saturating_add(age.as_secs());
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        seen.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen<T>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
