//! What the facade remembers: bounded, and everything in it expires.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};

use crate::auth::{
    clock::Clock,
    seal::{CryptoError, SealKey, hash},
};

/// Entries of one kind that memory holds. Beyond, what would expire first goes.
pub const MAX_ENTRIES: usize = 10_000;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A browser at the FHIR server's authorization server, by state.
    Login,
    /// An authorization code that is not redeemed yet.
    Code,
    /// A code that is redeemed, with the session it began.
    SpentCode,
    /// A session, by its id.
    Session,
    /// The tokens of a session at the FHIR server, by the id of the session.
    Upstream,
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
    /// Who works on something, by its name.
    Lock,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Code => "code",
            Self::SpentCode => "spent",
            Self::Session => "session",
            Self::Upstream => "upstream",
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Lock => "lock",
        }
    }
}

/// The name of an entry: a kind, and the hash of whatever finds it. A store
/// never sees a token, a code or a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// What the entry is about.
    pub kind: Kind,
    hash: String,
}

impl Key {
    /// The entry that `secret` finds.
    pub fn new(kind: Kind, secret: &str) -> Self {
        Self {
            kind,
            hash: hash(secret),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.hash)
    }
}

/// The store does not work. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token store fails: {0}")]
pub struct StoreError(pub String);

impl From<CryptoError> for StoreError {
    fn from(error: CryptoError) -> Self {
        Self(error.to_string())
    }
}

/// Keeps bytes for a while. Replicas that share a store serve each other's
/// sessions.
pub trait Store: fmt::Debug + Send + Sync {
    /// Keeps a value, in place of another.
    fn put(
        &self,
        key: Key,
        value: Vec<u8>,
        lifetime: Duration,
    ) -> BoxFuture<'_, Result<(), StoreError>>;
    /// Keeps a value unless there is one; says whether it does.
    fn claim(
        &self,
        key: Key,
        value: Vec<u8>,
        lifetime: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;
    /// The value.
    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;
    /// Gives the value and forgets it: of two who take, one gets it.
    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;
}

/// A store in the memory of the process.
#[derive(Debug, Default)]
pub struct Memory {
    clock: Clock,
    kinds: Mutex<HashMap<Kind, HashMap<Key, Entry>>>,
}

struct Entry {
    value: Vec<u8>,
    expires: u64,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "until {}", self.expires)
    }
}

impl Memory {
    /// An empty store.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            kinds: Mutex::default(),
        }
    }

    /// How many entries there are, the expired ones that are still held too.
    pub fn len(&self) -> usize {
        self.lock().values().map(HashMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, HashMap<Key, Entry>>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, key: Key, value: Vec<u8>, lifetime: Duration, replace: bool) -> bool {
        let now = self.clock.now();
        let mut kinds = self.lock();
        let entries = kinds.entry(key.kind).or_default();
        let there = entries.get(&key).is_some_and(|entry| entry.expires > now);
        if there && !replace {
            return false;
        }
        if entries.len() >= MAX_ENTRIES && !there {
            make_room(entries, now);
        }
        let expires = now.saturating_add(lifetime.as_secs());
        entries.insert(key, Entry { value, expires });
        true
    }
}

/// Removes what has expired; where that is little, an eighth of the rest, the
/// first to expire: the search costs nothing to speak of for each entry then.
fn make_room(entries: &mut HashMap<Key, Entry>, now: u64) {
    entries.retain(|_, entry| entry.expires > now);
    if entries.len() < MAX_ENTRIES - MAX_ENTRIES / 8 {
        return;
    }
    tracing::warn!("the token store is full: the entries that expire first are removed");
    let mut expiries: Vec<(u64, Key)> = entries
        .iter()
        .map(|(key, entry)| (entry.expires, key.clone()))
        .collect();
    expiries.sort_by_key(|(expires, _)| *expires);
    for (_, key) in expiries.into_iter().take(MAX_ENTRIES / 8) {
        entries.remove(&key);
    }
}

impl Store for Memory {
    fn put(
        &self,
        key: Key,
        value: Vec<u8>,
        lifetime: Duration,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.insert(key, value, lifetime, true);
        Box::pin(async { Ok(()) })
    }

    fn claim(
        &self,
        key: Key,
        value: Vec<u8>,
        lifetime: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let claimed = self.insert(key, value, lifetime, false);
        Box::pin(async move { Ok(claimed) })
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let now = self.clock.now();
        let kinds = self.lock();
        let value = kinds
            .get(&key.kind)
            .and_then(|entries| entries.get(&key))
            .filter(|entry| entry.expires > now)
            .map(|entry| entry.value.clone());
        Box::pin(async { Ok(value) })
    }

    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let now = self.clock.now();
        let value = self
            .lock()
            .get_mut(&key.kind)
            .and_then(|entries| entries.remove(&key))
            .filter(|entry| entry.expires > now)
            .map(|entry| entry.value);
        Box::pin(async { Ok(value) })
    }
}

/// A store whose values are sealed: whoever reads it learns nothing.
#[derive(Clone, Debug)]
pub(crate) struct Vault {
    store: Arc<dyn Store>,
    key: Arc<SealKey>,
}

impl Vault {
    pub(crate) fn new(store: Arc<dyn Store>, key: Arc<SealKey>) -> Self {
        Self { store, key }
    }

    pub(crate) async fn put(
        &self,
        key: Key,
        value: &impl Serialize,
        lifetime: Duration,
    ) -> Result<(), StoreError> {
        let plain = serde_json::to_vec(value).map_err(|error| StoreError(error.to_string()))?;
        let sealed = self.key.seal(&key.to_string(), &plain)?;
        self.store.put(key, sealed, lifetime).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>, StoreError> {
        let sealed = self.store.get(key.clone()).await?;
        Ok(sealed.and_then(|sealed| self.open(&key, &sealed)))
    }

    pub(crate) async fn take<T: DeserializeOwned>(
        &self,
        key: Key,
    ) -> Result<Option<T>, StoreError> {
        let sealed = self.store.take(key.clone()).await?;
        Ok(sealed.and_then(|sealed| self.open(&key, &sealed)))
    }

    pub(crate) async fn remove(&self, key: Key) -> Result<(), StoreError> {
        self.store.take(key).await.map(|_| ())
    }

    /// Whether nobody else held the lock, which this call then holds.
    pub(crate) async fn lock(&self, name: &str, lifetime: Duration) -> Result<bool, StoreError> {
        let key = Key::new(Kind::Lock, name);
        self.store.claim(key, Vec::new(), lifetime).await
    }

    pub(crate) async fn unlock(&self, name: &str) {
        let key = Key::new(Kind::Lock, name);
        if let Err(error) = self.store.take(key).await {
            tracing::warn!(%error, "a lock stays until it expires");
        }
    }

    /// What was sealed with another key, or for another entry, is not there.
    fn open<T: DeserializeOwned>(&self, key: &Key, sealed: &[u8]) -> Option<T> {
        let plain = self.key.open(&key.to_string(), sealed)?;
        serde_json::from_slice(&plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn key(name: &str) -> Key {
        Key::new(Kind::Login, name)
    }

    #[tokio::test]
    async fn entries_expire_and_are_taken_once() {
        let clock = Clock::default();
        let store = Memory::new(clock.clone());
        for name in ["a", "b"] {
            store.put(key(name), b"1".to_vec(), HOUR).await.unwrap();
        }
        assert_eq!(store.take(key("a")).await.unwrap().unwrap(), b"1");
        assert_eq!(store.take(key("a")).await.unwrap(), None);
        clock.advance(HOUR);
        assert_eq!(store.get(key("b")).await.unwrap(), None);
        assert_eq!(store.take(key("b")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_claim_is_exclusive_until_it_expires() {
        let clock = Clock::default();
        let store = Memory::new(clock.clone());
        assert!(store.claim(key("a"), Vec::new(), HOUR).await.unwrap());
        assert!(!store.claim(key("a"), Vec::new(), HOUR).await.unwrap());
        clock.advance(HOUR);
        assert!(store.claim(key("a"), Vec::new(), HOUR).await.unwrap());
    }

    #[tokio::test]
    async fn memory_is_bounded_by_kind() {
        let store = Memory::new(Clock::default());
        let session = Key::new(Kind::Session, "kept");
        store.put(session.clone(), Vec::new(), HOUR).await.unwrap();
        for n in 0..3 * MAX_ENTRIES {
            let name = n.to_string();
            store.put(key(&name), Vec::new(), HOUR).await.unwrap();
        }
        assert!(store.len() <= MAX_ENTRIES + 1);
        assert!(store.get(session).await.unwrap().is_some());
        let newest = key(&(3 * MAX_ENTRIES - 1).to_string());
        assert!(store.get(newest).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_is_kept_is_sealed_to_its_entry() {
        let store: Arc<Memory> = Arc::default();
        let seal = Arc::new(SealKey::random().unwrap());
        let vault = Vault::new(store.clone(), seal);
        vault.put(key("a"), &"canary", HOUR).await.unwrap();
        let sealed = store.get(key("a")).await.unwrap().unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"canary"));
        store.put(key("b"), sealed, HOUR).await.unwrap();
        assert_eq!(vault.get::<String>(key("b")).await.unwrap(), None);
        assert_eq!(
            vault.get::<String>(key("a")).await.unwrap().unwrap(),
            "canary"
        );
    }
}
