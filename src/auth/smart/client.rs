//! This program as a client of a SMART authorization server.

use std::sync::Arc;

use oauth2::Scope;
use tokio::sync::Mutex;
use url::Url;

use super::{
    backend::SigningKey,
    discovery::{Discovery, SmartConfiguration},
    token::{TokenSet, asserted},
};
use crate::{
    auth::{clock::Clock, error::AuthError, http::AuthHttp, jwks::Jwks},
    client::{Secret, Tls, credential::Headers},
};

/// How the client proves at the token endpoint who it is.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Not at all: PKCE alone.
    Public,
    /// By a secret
    /// ([client-confidential-symmetric](https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-symmetric.html)).
    Secret(Secret),
    /// By a signature
    /// ([client-confidential-asymmetric](https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html)).
    PrivateKeyJwt(Arc<SigningKey>),
}

/// What a [`SmartClient`] needs to know.
#[derive(Clone, Debug)]
pub struct SmartOptions {
    /// Base of the FHIR server, without a trailing slash.
    pub base: Url,
    /// As registered at the authorization server.
    pub client_id: String,
    /// How the client proves itself.
    pub authentication: Authentication,
    /// Scopes to ask for, separated by blanks.
    pub scope: String,
    /// Roots and client certificate beyond the defaults.
    pub tls: Tls,
    /// Headers of requests below the base, for a gateway in front of the FHIR
    /// server. Its authorization server does not get them.
    pub headers: Headers,
}

/// A client of the authorization server of one FHIR server. It serves any
/// number of users and keeps none of their tokens.
#[derive(Debug)]
pub struct SmartClient {
    options: SmartOptions,
    http: AuthHttp,
    discovery: Discovery,
    keys: Mutex<Option<Arc<Jwks>>>,
}

impl SmartClient {
    /// Sets up a client; sends nothing.
    ///
    /// # Errors
    /// [`AuthError::Setup`].
    pub fn new(options: SmartOptions) -> Result<Self, AuthError> {
        let http = AuthHttp::new(&options.tls, &options.base)?;
        let discovery = Discovery::new(http.clone(), options.base.clone(), options.headers.clone());
        Ok(Self {
            options,
            http,
            discovery,
            keys: Mutex::default(),
        })
    }

    /// What the FHIR server says of its authorization.
    ///
    /// # Errors
    /// [`AuthError`] when it says nothing that can be used.
    pub async fn configuration(&self) -> Result<Arc<SmartConfiguration>, AuthError> {
        self.discovery.get().await
    }

    /// Base of the FHIR server, which is the `aud` of every token.
    pub fn base(&self) -> &Url {
        &self.options.base
    }

    /// As registered at the authorization server.
    pub fn client_id(&self) -> &str {
        &self.options.client_id
    }

    /// Scopes that are asked for where nobody says otherwise.
    pub fn scope(&self) -> &str {
        &self.options.scope
    }

    pub(super) fn authentication(&self) -> &Authentication {
        &self.options.authentication
    }

    pub(super) fn http(&self) -> &AuthHttp {
        &self.http
    }

    pub(super) fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// The keys at this URL; kept while it stays the same.
    pub(super) async fn keys(&self, uri: &Url) -> Arc<Jwks> {
        let mut slot = self.keys.lock().await;
        if let Some(keys) = slot.as_ref().filter(|keys| keys.uri() == uri) {
            return Arc::clone(keys);
        }
        let keys = Arc::new(Jwks::new(self.http.clone(), uri.clone(), Clock::default()));
        *slot = Some(Arc::clone(&keys));
        keys
    }

    /// Tokens for the client itself
    /// ([RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4); with
    /// a key it is [SMART Backend Services](https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html)).
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn client_credentials(&self) -> Result<TokenSet, AuthError> {
        let request = self.token_request("client credentials").await?;
        let scopes = self.scope().split_whitespace();
        let exchange = request
            .client
            .exchange_client_credentials()
            .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())));
        let result = asserted!(exchange, request)
            .request_async(&request.sender)
            .await;
        let reply = self.judged(&request, result).await?;
        Ok(TokenSet::from_reply(&reply, self.scope(), None))
    }

    /// Renews tokens
    /// ([RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6)). The
    /// result replaces them: their refresh token may be used up.
    ///
    /// # Errors
    /// [`AuthError::SignedOut`] when there is no refresh token or the server
    /// does not take it any more, else [`AuthError`].
    pub async fn refresh(&self, tokens: &TokenSet) -> Result<TokenSet, AuthError> {
        let token = tokens.refresh_token.as_ref().ok_or(AuthError::SignedOut)?;
        let token = oauth2::RefreshToken::new(token.expose().to_owned());
        let request = self.token_request("the refresh of a token").await?;
        let exchange = request.client.exchange_refresh_token(&token);
        let result = asserted!(exchange, request)
            .request_async(&request.sender)
            .await;
        match self.judged(&request, result).await {
            Ok(reply) => Ok(TokenSet::from_reply(&reply, "", Some(tokens))),
            Err(error) if error.is_refusal("invalid_grant") => Err(AuthError::SignedOut),
            Err(error) => Err(error),
        }
    }
}
