//! A credential made of tokens that renews itself.
//!
//! Renewal is done by one caller at a time: the others wait and take what it
//! got. It runs in a task of its own, so that a cancelled call cannot lose a
//! refresh token that is good only once.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::future::BoxFuture;
use reqwest::header::AUTHORIZATION;
use tokio::sync::Mutex;

use super::{client::SmartClient, token::TokenSet};
use crate::{
    auth::error::AuthError,
    client::{
        Credential, CredentialError, Grant,
        credential::{self, Headers},
    },
};

/// Gets tokens: for the first time, or in place of old ones.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// New tokens; `old` are those it had, whether they are still good or not.
    fn renew<'a>(
        &'a self,
        old: Option<&'a TokenSet>,
    ) -> BoxFuture<'a, Result<TokenSet, CredentialError>>;

    /// Whether it can do so without a person.
    fn renews_alone(&self, old: &TokenSet) -> bool;
}

/// Where the tokens of one user are kept beyond this credential, so that they
/// outlive the process or serve several. The order is `lock`, `load`, `save`.
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// Keeps others from renewing until the guard is dropped.
    fn lock(&self) -> BoxFuture<'_, Result<Box<dyn Send>, CredentialError>>;

    /// The newest tokens, if any are kept.
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, CredentialError>>;

    /// Keeps tokens; `None` forgets those that are kept.
    fn save<'a>(
        &'a self,
        tokens: Option<&'a TokenSet>,
    ) -> BoxFuture<'a, Result<(), CredentialError>>;
}

/// A credential made of tokens. Clones are the same credential.
#[derive(Clone, Debug)]
pub struct TokenCredential(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: Box<dyn TokenSource>,
    current: RwLock<Option<Held>>,
    turn: Mutex<Option<CredentialError>>,
    /// Turns that have ended.
    turns: AtomicU64,
}

#[derive(Clone, Debug)]
struct Held {
    tokens: Arc<TokenSet>,
    grant: Arc<Grant>,
    /// Whether the FHIR server took it last.
    good: bool,
}

impl TokenCredential {
    /// With the tokens that there are already, if there are any.
    pub fn new(source: impl TokenSource + 'static, tokens: Option<TokenSet>) -> Self {
        Self(Arc::new(Shared {
            source: Box::new(source),
            current: RwLock::new(tokens.map(Held::new)),
            turn: Mutex::default(),
            turns: AtomicU64::new(0),
        }))
    }

    /// The credential of one user who signed in. With a store, tokens that
    /// another process renewed are taken from there.
    pub fn of_user(
        client: Arc<SmartClient>,
        tokens: TokenSet,
        store: Option<Arc<dyn TokenStore>>,
    ) -> Self {
        Self::new(UserTokens { client, store }, Some(tokens))
    }

    /// The credential of this program itself.
    pub fn of_system(client: Arc<SmartClient>) -> Self {
        Self::new(SystemTokens(client), None)
    }

    /// Tokens that can be used, renewed if they have to be.
    ///
    /// # Errors
    /// [`CredentialError`] when there are none.
    pub async fn tokens(&self) -> Result<Arc<TokenSet>, CredentialError> {
        Ok(self.held().await?.tokens)
    }

    async fn held(&self) -> Result<Held, CredentialError> {
        match self.0.current().filter(Held::is_usable) {
            Some(held) => Ok(held),
            None => self.renewed().await,
        }
    }

    async fn renewed(&self) -> Result<Held, CredentialError> {
        let shared = Arc::clone(&self.0);
        let seen = shared.turns.load(Ordering::SeqCst);
        let task = tokio::spawn(async move { shared.take_turn(seen).await });
        task.await.unwrap_or_else(|_error| {
            Err(CredentialError::Failed(
                "the renewal of the token was interrupted; call again".to_owned(),
            ))
        })
    }
}

impl Shared {
    fn current(&self) -> Option<Held> {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, held: Option<Held>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// Marks the token of these headers as refused; says what is held now.
    fn refuse(&self, headers: &Headers) -> Option<Held> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let held = current.as_mut()?;
        let bearer = format!("Bearer {}", held.tokens.access_token.expose());
        if headers
            .iter()
            .any(|(_, value)| value.as_bytes() == bearer.as_bytes())
        {
            held.good = false;
        }
        Some(held.clone())
    }

    async fn take_turn(&self, seen: u64) -> Result<Held, CredentialError> {
        let mut failed = self.turn.lock().await;
        let current = self.current();
        if let Some(held) = current.clone().filter(Held::is_usable) {
            return Ok(held);
        }
        // Somebody tried while this caller waited: that holds for both.
        if self.turns.load(Ordering::SeqCst) != seen
            && let Some(error) = failed.as_ref()
        {
            return Err(error.clone());
        }
        let old = current.map(|held| held.tokens);
        let result = self.source.renew(old.as_deref()).await;
        self.turns.fetch_add(1, Ordering::SeqCst);
        match result {
            Ok(tokens) => {
                let held = Held::new(tokens);
                self.set(Some(held.clone()));
                *failed = None;
                Ok(held)
            }
            Err(error) => {
                *failed = Some(error.clone());
                Err(error)
            }
        }
    }
}

impl Held {
    fn new(tokens: TokenSet) -> Self {
        Self {
            grant: Arc::new(tokens.grant.clone()),
            tokens: Arc::new(tokens),
            good: true,
        }
    }

    fn is_usable(&self) -> bool {
        self.good && self.tokens.is_fresh()
    }
}

impl Credential for TokenCredential {
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>> {
        Box::pin(async {
            let tokens = self.tokens().await?;
            let value = credential::bearer(&tokens.access_token);
            let value = value.map_err(|_error| AuthError::UnusableToken)?;
            Ok(vec![(AUTHORIZATION, value)])
        })
    }

    fn refused<'a>(&'a self, headers: &'a Headers) -> BoxFuture<'a, Result<bool, CredentialError>> {
        Box::pin(async move {
            match self.0.refuse(headers) {
                Some(held) if held.is_usable() => Ok(true),
                // The next call signs in; this one gives the server's answer.
                Some(held) if !self.0.source.renews_alone(&held.tokens) => Ok(false),
                _ => self.renewed().await.map(|_| true),
            }
        })
    }

    fn grant(&self) -> BoxFuture<'_, Result<Arc<Grant>, CredentialError>> {
        Box::pin(async { Ok(self.held().await?.grant) })
    }

    fn known_grant(&self) -> Option<Arc<Grant>> {
        self.0.current().map(|held| held.grant)
    }
}

/// Tokens of the program itself: a new one needs nobody.
#[derive(Debug)]
struct SystemTokens(Arc<SmartClient>);

impl TokenSource for SystemTokens {
    fn renew<'a>(
        &'a self,
        _: Option<&'a TokenSet>,
    ) -> BoxFuture<'a, Result<TokenSet, CredentialError>> {
        Box::pin(async { Ok(self.0.client_credentials().await?) })
    }

    fn renews_alone(&self, _: &TokenSet) -> bool {
        true
    }
}

/// Tokens of a user who signed in elsewhere.
#[derive(Debug)]
struct UserTokens {
    client: Arc<SmartClient>,
    store: Option<Arc<dyn TokenStore>>,
}

impl TokenSource for UserTokens {
    fn renew<'a>(
        &'a self,
        old: Option<&'a TokenSet>,
    ) -> BoxFuture<'a, Result<TokenSet, CredentialError>> {
        Box::pin(async move { Ok(refreshed(&self.client, self.store.as_deref(), old).await??) })
    }

    fn renews_alone(&self, old: &TokenSet) -> bool {
        old.refresh_token.is_some()
    }
}

/// Tokens in place of old ones: those of the store if they are newer, else by
/// the refresh token. Inside is what the authorization server says; when it
/// takes the refresh token no more, the store forgets it.
pub(super) async fn refreshed(
    client: &SmartClient,
    store: Option<&dyn TokenStore>,
    old: Option<&TokenSet>,
) -> Result<Result<TokenSet, AuthError>, CredentialError> {
    let Some(store) = store else {
        return Ok(match old {
            Some(old) => client.refresh(old).await,
            None => Err(AuthError::SignedOut),
        });
    };
    let guard = store.lock().await?;
    let kept = store.load().await?;
    if let Some(kept) = &kept
        && kept.is_fresh()
        && old.is_none_or(|old| old.access_token != kept.access_token)
    {
        return Ok(Ok(kept.clone()));
    }
    let result = match kept.as_ref().or(old) {
        Some(newest) => client.refresh(newest).await,
        None => Err(AuthError::SignedOut),
    };
    match &result {
        Ok(tokens) => store.save(Some(tokens)).await?,
        Err(AuthError::SignedOut) if kept.is_some() => store.save(None).await?,
        Err(_) => {}
    }
    drop(guard);
    Ok(result)
}
