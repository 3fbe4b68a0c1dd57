//! Sessions: what a client may do on behalf of a user, from the code to the
//! last refresh.
//!
//! A session has one refresh token at a time. One that comes a second time was
//! stolen, from the client or by it: the session ends with all its tokens.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Client, Facade, OAuthError,
    store::{Key, Kind, StoreError},
};
use crate::{
    auth::{
        AuthError, Caller,
        protected_resource::{Refusal, TokenCheck},
        scope::Scopes,
        seal::{hash, random_text},
        smart::TokenSet,
    },
    client::{
        Credential, CredentialError, Grant, WithHeaders,
        credential::{self, Headers},
    },
};

/// What our tokens begin with; that of the Python server.
const PREFIX: &str = "fhir_mcp_";
/// How long one refresh may take before another may begin.
const LOCK: Duration = Duration::from_secs(60);
/// How often a call looks whether another has refreshed, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: usize = 400;

/// A session.
#[derive(Serialize, Deserialize)]
struct Session {
    /// Hash of the client id.
    client: String,
    scope: String,
    principal: String,
    /// What the user granted upstream at the sign-in: scopes, patient, user.
    granted: (Option<String>, Option<String>, Option<String>),
    /// When it is over, in seconds since 1970.
    ends: u64,
}

/// What an access token stands for.
#[derive(Serialize, Deserialize)]
struct Access {
    session: String,
    scope: String,
}

impl Facade {
    /// Begins a session; gives its id, and what the client is answered.
    pub(super) async fn begin_session(
        &self,
        client: &Client,
        scopes: Scopes,
        tokens: TokenSet,
    ) -> Result<(String, Value), OAuthError> {
        let id = random_text()?;
        let now = self.now();
        let mut ends = now + self.lifetimes().session.as_secs();
        if let (None, Some(expires)) = (&tokens.refresh_token, tokens.expires_at) {
            ends = ends.min(expires);
        }
        let session = Session {
            client: hash(&client.id),
            scope: scopes.to_string(),
            principal: self.principal(&tokens, &id),
            granted: {
                let Grant {
                    scope,
                    patient,
                    user,
                } = tokens.grant.clone();
                (scope, patient, user)
            },
            ends,
        };
        let rest = Duration::from_secs(ends.saturating_sub(now));
        self.vault
            .put(Key::new(Kind::Upstream, &id), &tokens, rest)
            .await?;
        self.vault
            .put(Key::new(Kind::Session, &id), &session, rest)
            .await?;
        let answer = self.issue(&id, &session, scopes).await?;
        Ok((id, answer))
    }

    /// Stands for the user at this FHIR server: whoever the id token is about.
    /// Without one it is another with each sign-in.
    fn principal(&self, tokens: &TokenSet, session: &str) -> String {
        let base = self.options.upstream.base();
        match &tokens.subject {
            Some(subject) => hash(&format!("{base} {subject}")),
            None => hash(session),
        }
    }

    /// Changes a refresh token for new tokens; `None` when it is worth nothing.
    pub(super) async fn refresh_session(
        &self,
        client: &Client,
        token: &str,
        narrower: Option<Scopes>,
    ) -> Result<Option<Value>, OAuthError> {
        let Some(id) = session_of(token) else {
            return Ok(None);
        };
        let Some(session) = self.session(id).await? else {
            return Ok(None);
        };
        let all = Scopes::parse(&session.scope);
        let scopes = narrower.map_or(all, |narrower| narrower.and(all));
        if scopes.is_empty() {
            return Err(OAuthError::new(
                "invalid_scope",
                format!("The scopes of the session are: {all}."),
            ));
        }
        let current: Option<String> = self.vault.take(Key::new(Kind::Refresh, token)).await?;
        if current.as_deref() != Some(id) || session.client != hash(&client.id) {
            tracing::warn!(
                "a refresh token came twice or from another client: its session is revoked"
            );
            self.end_session(id).await?;
            return Ok(None);
        }
        Ok(Some(self.issue(id, &session, scopes).await?))
    }

    /// Gives out tokens for a session.
    async fn issue(
        &self,
        id: &str,
        session: &Session,
        scopes: Scopes,
    ) -> Result<Value, OAuthError> {
        let rest = Duration::from_secs(session.ends.saturating_sub(self.now()));
        let lifetime = rest.min(self.lifetimes().access);
        let access = format!("{PREFIX}{}", random_text()?);
        let value = Access {
            session: id.to_owned(),
            scope: scopes.to_string(),
        };
        self.vault
            .put(Key::new(Kind::Access, &access), &value, lifetime)
            .await?;
        let mut answer = json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": lifetime.as_secs(),
            "scope": scopes.to_string(),
        });
        if rest > lifetime {
            let refresh = format!("{PREFIX}{id}.{}", random_text()?);
            self.vault
                .put(Key::new(Kind::Refresh, &refresh), &id, rest)
                .await?;
            answer["refresh_token"] = refresh.into();
        }
        Ok(answer)
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, StoreError> {
        self.vault.get(Key::new(Kind::Session, id)).await
    }

    /// Ends a session: none of its tokens works any more.
    pub(super) async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        self.vault.remove(Key::new(Kind::Session, id)).await?;
        self.vault.remove(Key::new(Kind::Upstream, id)).await
    }

    /// Ends the session of an access or refresh token of this client.
    pub(super) async fn end_session_of(
        &self,
        client: &Client,
        token: &str,
    ) -> Result<(), StoreError> {
        let access: Option<Access> = self.vault.get(Key::new(Kind::Access, token)).await?;
        let refresh: Option<String> = self.vault.get(Key::new(Kind::Refresh, token)).await?;
        let Some(id) = access.map(|access| access.session).or(refresh) else {
            return Ok(());
        };
        match self.session(&id).await? {
            Some(session) if session.client == hash(&client.id) => self.end_session(&id).await,
            _ => Ok(()),
        }
    }

    async fn caller_of(&self, token: &str) -> Result<Option<Caller>, StoreError> {
        let access: Option<Access> = self.vault.get(Key::new(Kind::Access, token)).await?;
        let Some(access) = access else {
            return Ok(None);
        };
        let Some(session) = self.session(&access.session).await? else {
            return Ok(None);
        };
        let (scope, patient, user) = session.granted;
        let credential = SessionCredential {
            facade: self.clone(),
            session: access.session,
            granted: Arc::new(Grant {
                scope,
                patient,
                user,
            }),
        };
        let headers = self.options.headers.clone();
        Ok(Some(Caller {
            principal: session.principal,
            scope: Some(access.scope),
            credential: Some(Arc::new(WithHeaders::new(
                headers,
                Some(Arc::new(credential)),
            ))),
        }))
    }
}

/// The id of the session that a refresh token belongs to.
fn session_of(token: &str) -> Option<&str> {
    let (id, _) = token.strip_prefix(PREFIX)?.split_once('.')?;
    Some(id)
}

impl TokenCheck for Facade {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, Refusal>> {
        Box::pin(async move {
            match self.caller_of(token).await {
                Ok(Some(caller)) => Ok(caller),
                Ok(None) => Err(Refusal::Invalid("the token is unknown, expired or revoked")),
                Err(error) => Err(Refusal::Unavailable(error.to_string())),
            }
        })
    }
}

/// A user at the FHIR server. Their tokens are in the store, where every
/// replica finds the newest, and one call refreshes them for all.
#[derive(Clone)]
struct SessionCredential {
    facade: Facade,
    session: String,
    granted: Arc<Grant>,
}

impl fmt::Debug for SessionCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCredential(***)")
    }
}

/// Which tokens will do.
#[derive(Clone)]
enum Wanted {
    /// Those that have not yet to be renewed.
    Fresh,
    /// Others than in these headers, which the FHIR server refused.
    OtherThan(Headers),
}

impl SessionCredential {
    async fn tokens(&self) -> Result<TokenSet, CredentialError> {
        let key = Key::new(Kind::Upstream, &self.session);
        let tokens = self.facade.vault.get(key).await.map_err(broken)?;
        tokens.ok_or_else(sign_in)
    }

    /// Tokens that will do, refreshed where those at hand do not.
    async fn usable(&self, wanted: &Wanted) -> Result<TokenSet, CredentialError> {
        for _ in 0..LOOKS {
            let tokens = self.tokens().await?;
            if self.will_do(&tokens, wanted) {
                return Ok(tokens);
            }
            if let Some(refreshed) = self.in_turn(wanted.clone()).await {
                return refreshed;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(CredentialError::Failed(
            "The FHIR server's authorization server does not answer. Try again.".to_owned(),
        ))
    }

    /// Refreshes; `None` while somebody else does. It runs in a task of its
    /// own: a call that is cancelled must lose neither a refresh token that is
    /// good only once nor the lock.
    async fn in_turn(&self, wanted: Wanted) -> Option<Result<TokenSet, CredentialError>> {
        let credential = self.clone();
        let task = tokio::spawn(async move {
            let vault = &credential.facade.vault;
            match vault.lock(&credential.session, LOCK).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(broken(error))),
            }
            let refreshed = credential.refreshed(&wanted).await;
            vault.unlock(&credential.session).await;
            Some(refreshed)
        });
        task.await.unwrap_or_else(|_error| {
            Some(Err(CredentialError::Failed(
                "The refresh of the sign-in was interrupted. Try again.".to_owned(),
            )))
        })
    }

    /// Refreshes, unless somebody did just before the lock was had.
    async fn refreshed(&self, wanted: &Wanted) -> Result<TokenSet, CredentialError> {
        let tokens = self.tokens().await?;
        if self.will_do(&tokens, wanted) {
            return Ok(tokens);
        }
        match self.facade.options.upstream.refresh(&tokens).await {
            Ok(tokens) => {
                self.keep(&tokens).await?;
                Ok(tokens)
            }
            Err(AuthError::SignedOut) => {
                tracing::info!("the session of a user is over");
                let ended = self.facade.end_session(&self.session).await;
                ended.map_err(broken)?;
                Err(sign_in())
            }
            Err(error) => {
                tracing::warn!(%error, "the tokens of a user could not be refreshed");
                Err(error.into())
            }
        }
    }

    async fn keep(&self, tokens: &TokenSet) -> Result<(), CredentialError> {
        let session = self.facade.session(&self.session).await.map_err(broken)?;
        let session = session.ok_or_else(sign_in)?;
        let rest = Duration::from_secs(session.ends.saturating_sub(self.facade.now()));
        let key = Key::new(Kind::Upstream, &self.session);
        self.facade
            .vault
            .put(key, tokens, rest)
            .await
            .map_err(broken)
    }

    fn will_do(&self, tokens: &TokenSet, wanted: &Wanted) -> bool {
        match wanted {
            // Those that cannot be renewed serve until the session ends, which
            // is when they do.
            Wanted::Fresh if tokens.refresh_token.is_none() => true,
            Wanted::Fresh => {
                let now = self.facade.now();
                tokens.renew_at.is_none_or(|at| now < at)
            }
            Wanted::OtherThan(headers) => {
                let value = bearer(tokens).ok();
                !headers
                    .iter()
                    .any(|(_, there)| Some(there) == value.as_ref())
            }
        }
    }
}

impl Credential for SessionCredential {
    fn headers(&self) -> BoxFuture<'_, Result<Headers, CredentialError>> {
        Box::pin(async {
            let tokens = self.usable(&Wanted::Fresh).await?;
            Ok(vec![(AUTHORIZATION, bearer(&tokens)?)])
        })
    }

    fn refused<'a>(&'a self, headers: &'a Headers) -> BoxFuture<'a, Result<bool, CredentialError>> {
        Box::pin(async move {
            let wanted = Wanted::OtherThan(headers.clone());
            let tokens = self.tokens().await?;
            if self.will_do(&tokens, &wanted) {
                return Ok(true);
            }
            // Nothing better is to be had: this call gives the server's answer.
            if tokens.refresh_token.is_none() {
                return Ok(false);
            }
            self.usable(&wanted).await.map(|_| true)
        })
    }

    fn known_grant(&self) -> Option<Arc<Grant>> {
        Some(Arc::clone(&self.granted))
    }

    fn grant(&self) -> BoxFuture<'_, Result<Arc<Grant>, CredentialError>> {
        // Asked for before each request: the store is not asked for it, too.
        Box::pin(async { Ok(Arc::clone(&self.granted)) })
    }
}

fn bearer(tokens: &TokenSet) -> Result<HeaderValue, CredentialError> {
    credential::bearer(&tokens.access_token).map_err(|_error| AuthError::UnusableToken.into())
}

fn sign_in() -> CredentialError {
    CredentialError::Failed(
        "The sign-in at the FHIR server is over. Connect this server anew in the client, and sign in again."
            .to_owned(),
    )
}

fn broken(error: StoreError) -> CredentialError {
    tracing::error!(%error, "the tokens of a user cannot be had");
    CredentialError::Failed("The server cannot reach its token store. Try again.".to_owned())
}
