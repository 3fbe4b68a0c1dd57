//! How many requests one caller may send.
//!
//! A caller is the principal of an authorized request, else the address that it
//! comes from. Each has a bucket that a minute fills; a request takes one part.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::proxies::Proxies;
use crate::auth::Caller;

/// Time in which an empty bucket fills.
const WINDOW: Duration = Duration::from_secs(60);
/// Callers that are told from each other; those beyond share a bucket.
const MAX_CALLERS: usize = 10_000;

/// Counts the requests of each caller.
#[derive(Debug)]
pub(super) struct Limiter {
    /// What one request takes of a bucket, as the time in which it comes back.
    cost: Duration,
    proxies: Proxies,
    /// When the bucket of a caller will be full again.
    full_at: Mutex<HashMap<Key, Instant>>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A caller who is authorized.
    Principal(String),
    /// The network that a request comes from.
    Address(IpAddr),
    /// All whose bucket found no place.
    Rest,
}

impl Limiter {
    /// So many requests in a minute, all at once or spread.
    pub(super) fn new(per_minute: NonZeroU32, proxies: Proxies) -> Self {
        Self {
            cost: WINDOW / per_minute.get(),
            proxies,
            full_at: Mutex::default(),
        }
    }

    fn key(&self, request: &Request) -> Key {
        match request.extensions().get::<Caller>() {
            Some(caller) => Key::Principal(caller.principal.clone()),
            None => self.origin(request),
        }
    }

    /// Where a request comes from.
    pub(super) fn origin(&self, request: &Request) -> Key {
        match request.extensions().get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(peer)) => {
                let client = self.proxies.client(peer.ip(), request.headers());
                Key::Address(network(client))
            }
            None => Key::Rest,
        }
    }

    /// Counts a request; 429 and when to come back where there were too many.
    pub(super) fn count(&self, key: Key) -> Option<Response> {
        let wait = self.take(key, Instant::now()).err()?;
        tracing::warn!("refused a request: too many from one caller");
        let seconds = wait.as_secs() + 1;
        let retry_after = (header::RETRY_AFTER, HeaderValue::from(seconds));
        let reason = "Too many requests; FHIR_MCP_RATE_LIMIT says how many a minute.";
        Some((StatusCode::TOO_MANY_REQUESTS, [retry_after], reason).into_response())
    }

    /// Takes a request from the bucket of its caller.
    ///
    /// # Errors
    /// The time to wait, if the bucket is empty.
    fn take(&self, key: Key, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let key = place(&mut full_at, key, now);
        let entry = full_at.entry(key).or_insert(now);
        let next = (*entry).max(now) + self.cost;
        let missing = next.saturating_duration_since(now);
        if missing > WINDOW {
            return Err(missing - WINDOW);
        }
        *entry = next;
        Ok(())
    }
}

/// The key itself, or [`Key::Rest`] when there are too many others. Full buckets
/// say nothing and make place.
fn place(full_at: &mut HashMap<Key, Instant>, key: Key, now: Instant) -> Key {
    if full_at.contains_key(&key) || full_at.len() < MAX_CALLERS {
        return key;
    }
    full_at.retain(|_, full_at| *full_at > now);
    if full_at.len() < MAX_CALLERS {
        key
    } else {
        Key::Rest
    }
}

/// One subscriber has a whole IPv6 network of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::MAX << 64);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

/// Lets a request pass or answers 429 and when to come back.
pub(super) async fn limit(
    State(limiter): State<Arc<Limiter>>,
    request: Request,
    next: Next,
) -> Response {
    match limiter.count(limiter.key(&request)) {
        None => next.run(request).await,
        Some(refusal) => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(name: &str) -> Key {
        Key::Principal(name.to_owned())
    }

    #[test]
    fn a_minute_fills_what_requests_took() {
        let limiter = Limiter::new(NonZeroU32::new(6).unwrap(), Proxies::default());
        let start = Instant::now();
        for _ in 0..6 {
            assert_eq!(limiter.take(principal("a"), start), Ok(()));
        }
        let ten = Duration::from_secs(10);
        assert_eq!(limiter.take(principal("a"), start), Err(ten));
        assert_eq!(limiter.take(principal("b"), start), Ok(()));
        assert_eq!(limiter.take(principal("a"), start + ten), Ok(()));
        assert_eq!(limiter.take(principal("a"), start + ten), Err(ten));
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let limiter = Limiter::new(NonZeroU32::MIN, Proxies::default());
        let start = Instant::now();
        for number in 0..MAX_CALLERS + 5_000 {
            let _ = limiter.take(principal(&number.to_string()), start);
        }
        assert_eq!(limiter.full_at.lock().unwrap().len(), MAX_CALLERS + 1);
        assert!(limiter.take(principal("new"), start).is_err());
        // Once they are full again, they make place.
        let later = start + WINDOW;
        assert_eq!(limiter.take(principal("new"), later), Ok(()));
        assert_eq!(limiter.full_at.lock().unwrap().len(), 1);
    }

    #[test]
    fn who_is_authorized_is_told_by_the_principal() {
        let limiter = Limiter::new(NonZeroU32::MIN, Proxies::default());
        let key = |request: &Request| limiter.key(request);
        let mut request = Request::new(axum::body::Body::empty());
        assert_eq!(key(&request), Key::Rest);
        let peer: SocketAddr = "10.0.0.1:1".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        assert_eq!(key(&request), Key::Address(peer.ip()));
        request.extensions_mut().insert(Caller {
            principal: "a".to_owned(),
            scope: None,
            credential: None,
        });
        assert_eq!(key(&request), principal("a"));
    }

    #[test]
    fn addresses_of_one_network_are_one_caller() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
