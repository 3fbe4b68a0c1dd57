//! Tokens and what comes with them, and requests to the token endpoint.

use std::fmt;

use futures::future::BoxFuture;
use oauth2::{
    AccessToken, AuthType, EndpointNotSet, EndpointSet, RefreshToken, RequestTokenError, Scope,
    TokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use serde::{Deserialize, Deserializer, Serialize};
use url::{Url, form_urlencoded};

use super::client::{Authentication, SmartClient};
use crate::{
    auth::{
        clock::Clock,
        error::{AuthError, shown},
        http::AuthHttp,
    },
    client::{Grant, Secret, service_base::host_and_port},
};

/// Seconds before its end at which a token is not used any more, at most.
const MARGIN: u64 = 30;

/// Tokens of one user or system, and what was granted with them. It can be
/// kept with serde; who keeps it keeps secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct TokenSet {
    /// For requests to the FHIR server.
    pub access_token: Secret,
    /// For further access tokens.
    pub refresh_token: Option<Secret>,
    /// When the access token ends, in seconds since 1970; `None` when the
    /// server does not say.
    pub expires_at: Option<u64>,
    /// When it is to be renewed, somewhat earlier.
    pub renew_at: Option<u64>,
    /// Scopes and launch context.
    pub grant: Grant,
    /// Issuer and subject of a verified id token, with a blank between: who
    /// signed in, and nobody else ever
    /// ([OpenID Connect Core §5.7](https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability)).
    pub subject: Option<String>,
}

impl TokenSet {
    /// Whether the access token has not yet to be renewed.
    pub fn is_fresh(&self) -> bool {
        self.renew_at.is_none_or(|at| now() < at)
    }

    /// What a reply means. What it leaves out holds on from `before`; scopes
    /// that it leaves out are those that were asked for.
    pub(super) fn from_reply(reply: &TokenReply, asked: &str, before: Option<&Self>) -> Self {
        let lifetime = reply.expires_in;
        let renew_in = lifetime.map(|seconds| seconds - MARGIN.min(seconds / 4));
        let at = |seconds: u64| now().saturating_add(seconds);
        let secret = |token: &RefreshToken| Secret::new(token.secret().as_str());
        let old = before.map(|tokens| &tokens.grant);
        Self {
            access_token: Secret::new(reply.access_token.secret().as_str()),
            refresh_token: reply
                .refresh_token
                .as_ref()
                .map(secret)
                .or_else(|| before.and_then(|tokens| tokens.refresh_token.clone())),
            expires_at: lifetime.map(at),
            renew_at: renew_in.map(at),
            grant: Grant {
                scope: reply
                    .scope
                    .clone()
                    .or_else(|| old.and_then(|grant| grant.scope.clone()))
                    .or_else(|| (!asked.is_empty()).then(|| asked.to_owned())),
                patient: reply
                    .patient
                    .as_deref()
                    .map(|id| id.strip_prefix("Patient/").unwrap_or(id).to_owned())
                    .or_else(|| old.and_then(|grant| grant.patient.clone())),
                user: old.and_then(|grant| grant.user.clone()),
            },
            subject: before.and_then(|tokens| tokens.subject.clone()),
        }
    }
}

/// A [`TokenSet`] as it is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renew_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patient: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
}

impl From<Stored> for TokenSet {
    fn from(stored: Stored) -> Self {
        Self {
            access_token: stored.access_token.into(),
            refresh_token: stored.refresh_token.map(Secret::from),
            expires_at: stored.expires_at,
            renew_at: stored.renew_at,
            grant: Grant {
                scope: stored.scope,
                patient: stored.patient,
                user: stored.user,
            },
            subject: stored.subject,
        }
    }
}

impl From<TokenSet> for Stored {
    fn from(tokens: TokenSet) -> Self {
        Self {
            access_token: tokens.access_token.expose().to_owned(),
            refresh_token: tokens.refresh_token.map(|token| token.expose().to_owned()),
            expires_at: tokens.expires_at,
            renew_at: tokens.renew_at,
            scope: tokens.grant.scope,
            patient: tokens.grant.patient,
            user: tokens.grant.user,
            subject: tokens.subject,
        }
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    Clock::default().now()
}

/// The answer of a token endpoint
/// ([SMART App Launch 2.2 §2.0.10](https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-5)).
#[derive(Serialize, Deserialize)]
pub(super) struct TokenReply {
    access_token: AccessToken,
    /// `Bearer` without regard to case; any other is refused.
    #[serde(deserialize_with = "bearer")]
    token_type: BasicTokenType,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    refresh_token: Option<RefreshToken>,
    scope: Option<String>,
    pub(super) id_token: Option<String>,
    patient: Option<String>,
}

impl fmt::Debug for TokenReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenReply(***)")
    }
}

impl TokenResponse for TokenReply {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<std::time::Duration> {
        self.expires_in.map(std::time::Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

fn bearer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BasicTokenType, D::Error> {
    let name = String::deserialize(deserializer)?;
    match name.eq_ignore_ascii_case("bearer") {
        true => Ok(BasicTokenType::Bearer),
        false => Err(serde::de::Error::custom("token_type is not Bearer")),
    }
}

/// A number of seconds; some servers write it as a string.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| match value {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts of floats saturate"
        )]
        other => other
            .as_u64()
            .or_else(|| other.as_f64().map(|seconds| seconds as u64)),
    }))
}

/// The client of crate `oauth2` with our answers.
pub(super) type OAuthClient = oauth2::Client<
    BasicErrorResponse,
    TokenReply,
    BasicTokenIntrospectionResponse,
    oauth2::StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// One request to the token endpoint.
pub(super) struct TokenRequest {
    /// With the authentication that needs no signature.
    pub(super) client: OAuthClient,
    /// A signed assertion, where that is how the client proves itself.
    pub(super) assertion: Option<Secret>,
    /// Sends it.
    pub(super) sender: Sender,
}

/// Sends what crate `oauth2` puts together.
pub(super) struct Sender {
    http: AuthHttp,
    endpoint: Url,
    /// What is asked for, in messages.
    what: &'static str,
    /// A confidential client leaves `client_id` out of the body where it signs,
    /// which the crate cannot.
    anonymous: bool,
}

impl<'c> oauth2::AsyncHttpClient<'c> for Sender {
    type Error = AuthError;
    type Future = BoxFuture<'c, Result<oauth2::HttpResponse, AuthError>>;

    fn call(&'c self, mut request: oauth2::HttpRequest) -> Self::Future {
        if self.anonymous {
            let pairs = form_urlencoded::parse(request.body());
            let kept = pairs.filter(|(name, _)| name != "client_id");
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(kept)
                .finish();
            *request.body_mut() = body.into_bytes();
        }
        Box::pin(self.http.post(request, &self.endpoint, self.what))
    }
}

/// The parameters of RFC 7523, for any request type of crate `oauth2`.
macro_rules! asserted {
    ($request:expr, $token:expr) => {{
        let mut request = $request;
        if let Some(assertion) = &$token.assertion {
            request = request
                .add_extra_param(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                )
                .add_extra_param("client_assertion", assertion.expose());
        }
        request
    }};
}
pub(super) use asserted;

impl SmartClient {
    /// Sets up a request: endpoint and authentication.
    pub(super) async fn token_request(
        &self,
        what: &'static str,
    ) -> Result<TokenRequest, AuthError> {
        let configuration = self.configuration().await?;
        let endpoint = configuration
            .token_endpoint
            .clone()
            .ok_or(AuthError::NoEndpoint("token endpoint"))?;
        let mut client = oauth2::Client::new(oauth2::ClientId::new(self.client_id().to_owned()))
            .set_token_uri(TokenUrl::from_url(endpoint.clone()));
        let mut assertion = None;
        match self.authentication() {
            Authentication::Public => {}
            Authentication::Secret(secret) => {
                let methods = &configuration.token_endpoint_auth_methods;
                let has = |name: &str| methods.iter().any(|method| method == name);
                if has("client_secret_post") && !has("client_secret_basic") {
                    client = client.set_auth_type(AuthType::RequestBody);
                }
                client =
                    client.set_client_secret(oauth2::ClientSecret::new(secret.expose().to_owned()));
            }
            Authentication::PrivateKeyJwt(key) => {
                assertion = Some(key.assertion(self.client_id(), &endpoint)?);
            }
        }
        Ok(TokenRequest {
            client,
            sender: Sender {
                http: self.http().clone(),
                endpoint,
                what,
                anonymous: assertion.is_some(),
            },
            assertion,
        })
    }

    /// Sorts what came of a request. After some errors the configuration is
    /// fetched anew before the next one.
    pub(super) async fn judged(
        &self,
        request: &TokenRequest,
        result: Result<TokenReply, RequestTokenError<AuthError, BasicErrorResponse>>,
    ) -> Result<TokenReply, AuthError> {
        let Sender { what, endpoint, .. } = &request.sender;
        let what = *what;
        let unusable = |reason: &str| AuthError::Unusable {
            what,
            host: host_and_port(endpoint),
            reason: reason.to_owned(),
        };
        let error = match result {
            Ok(reply) => return Ok(reply),
            Err(RequestTokenError::ServerResponse(answer)) => AuthError::Refused {
                what,
                code: shown(answer.error().as_ref()),
                description: answer.error_description().map(|text| shown(text)),
            },
            Err(RequestTokenError::Request(error)) => error,
            Err(RequestTokenError::Parse(error, _)) => {
                let path = error.path().to_string();
                unusable(&format!(
                    "its JSON is not that of a token, at `{}`",
                    shown(&path)
                ))
            }
            Err(RequestTokenError::Other(_)) => unusable("it is empty or no JSON"),
        };
        let moved = matches!(
            error,
            AuthError::Status {
                status: 404 | 410,
                ..
            }
        );
        if moved || error.is_refusal("invalid_client") {
            self.discovery().distrust().await;
        }
        Err(error)
    }
}
