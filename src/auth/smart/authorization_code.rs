//! Authorization code with PKCE
//! ([SMART App Launch 2.2, app launch](https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html)).

use std::{borrow::Cow, fmt};

use oauth2::{AuthorizationCode, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    client::SmartClient,
    token::{TokenSet, asserted},
};
use crate::auth::{
    error::{AuthError, shown},
    seal::random_text,
};

/// An authorization request whose answer is awaited. It belongs to the one
/// browser that was sent to the authorization server; serde can keep it, and
/// who keeps it keeps secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    /// What the answer must carry: 256 bits of chance.
    pub state: String,
    verifier: String,
    nonce: String,
    redirect_uri: String,
    /// Issuer that the answer must name, if it names one.
    issuer: Option<String>,
    /// Whether it must name one.
    names_issuer: bool,
    scope: String,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending(***)")
    }
}

/// The query of the redirect that answers an authorization request
/// ([RFC 6749 §4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)).
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Callback {
    /// The code, if the request was granted.
    pub code: Option<String>,
    /// The state of the request.
    pub state: Option<String>,
    /// Who answers ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    pub iss: Option<String>,
    /// Why it was not granted.
    pub error: Option<String>,
    /// More of that.
    pub error_description: Option<String>,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback(***)")
    }
}

impl Callback {
    /// Reads a query; a parameter that comes twice makes it unusable.
    pub fn from_query(query: &str) -> Self {
        let mut callback = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "code" => &mut callback.code,
                "state" => &mut callback.state,
                "iss" => &mut callback.iss,
                "error" => &mut callback.error,
                "error_description" => &mut callback.error_description,
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Self::default();
            }
        }
        callback
    }
}

impl SmartClient {
    /// Makes an authorization request: the URL to open in a browser, and what
    /// its answer is compared with.
    ///
    /// # Errors
    /// [`AuthError::NoEndpoint`], [`AuthError::NotOffered`] when the server says
    /// that it knows no S256, and those of
    /// [`configuration`](Self::configuration).
    pub async fn authorize(&self, redirect_uri: &Url) -> Result<(Url, Pending), AuthError> {
        let configuration = self.configuration().await?;
        let mut url = configuration
            .authorization_endpoint
            .clone()
            .ok_or(AuthError::NoEndpoint("authorization endpoint"))?;
        if let Some(methods) = &configuration.code_challenge_methods
            && !methods.iter().any(|method| method == "S256")
        {
            return Err(AuthError::NotOffered("PKCE with S256"));
        }
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let pending = Pending {
            state: random_text()?,
            verifier: verifier.secret().clone(),
            nonce: random_text()?,
            redirect_uri: redirect_uri.as_str().to_owned(),
            issuer: configuration.issuer.clone(),
            names_issuer: configuration.names_issuer,
            scope: self.scope().to_owned(),
        };
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id())
            .append_pair("redirect_uri", &pending.redirect_uri)
            .append_pair("scope", &pending.scope)
            .append_pair("state", &pending.state)
            .append_pair("aud", self.base().as_str())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", "S256");
        if pending
            .scope
            .split_whitespace()
            .any(|scope| scope == "openid")
        {
            query.append_pair("nonce", &pending.nonce);
        }
        drop(query);
        Ok((url, pending))
    }

    /// Takes the answer to an authorization request and gets the tokens. The
    /// request is used up, whatever comes of it.
    ///
    /// # Errors
    /// [`AuthError::Callback`] when the answer is not that of the request,
    /// [`AuthError::Refused`] when access was not granted,
    /// [`AuthError::IdToken`], and those of the token endpoint.
    pub async fn exchange(
        &self,
        pending: Pending,
        callback: Callback,
    ) -> Result<TokenSet, AuthError> {
        let code = pending.judge(callback)?;
        let request = self.token_request("the exchange of a code").await?;
        let redirect_uri = RedirectUrl::new(pending.redirect_uri.clone())
            .map_err(|_error| AuthError::Callback("its redirect URI is none"))?;
        let exchange = request
            .client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()))
            .set_redirect_uri(Cow::Owned(redirect_uri));
        let result = asserted!(exchange, request)
            .request_async(&request.sender)
            .await;
        let reply = self.judged(&request, result).await?;
        let mut tokens = TokenSet::from_reply(&reply, &pending.scope, None);
        if let Some(id_token) = &reply.id_token
            && let Some(user) = self.user(id_token, &pending.nonce).await?
        {
            tokens.grant.user = user.reference;
            tokens.subject = Some(user.subject);
        }
        Ok(tokens)
    }
}

impl Pending {
    /// Whether a callback carries the state of this request. Compared by hash,
    /// so that the time it takes tells nothing.
    pub fn is_answered_by(&self, callback: &Callback) -> bool {
        use sha2::{Digest, Sha256};
        let given = callback.state.as_deref().unwrap_or_default();
        Sha256::digest(given) == Sha256::digest(&self.state)
    }

    /// The code of an answer that is the right one.
    fn judge(&self, callback: Callback) -> Result<String, AuthError> {
        if !self.is_answered_by(&callback) {
            return Err(AuthError::Callback("its state is another"));
        }
        match (&callback.iss, &self.issuer) {
            (Some(given), Some(known)) if given != known => {
                return Err(AuthError::Callback("another issuer gave it"));
            }
            (None, _) if self.names_issuer => {
                return Err(AuthError::Callback("it does not name its issuer"));
            }
            _ => {}
        }
        if let Some(error) = &callback.error {
            return Err(AuthError::Refused {
                what: "access",
                code: shown(error),
                description: callback.error_description.as_deref().map(shown),
            });
        }
        callback
            .code
            .filter(|code| !code.is_empty())
            .ok_or(AuthError::Callback("it holds no code"))
    }
}
