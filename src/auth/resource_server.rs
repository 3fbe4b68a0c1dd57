//! Tokens that another authorization server gives out for this server: JWTs
//! ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)), checked with the keys
//! of their issuer.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use jsonwebtoken::{Algorithm, Validation, decode_header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{
    AuthError, Caller,
    clock::Clock,
    endpoint,
    http::AuthHttp,
    jwks::{Jwks, JwtError},
    kept::Kept,
    protected_resource::{ProtectedResource, Refusal, TokenCheck},
    seal::hash,
};
use crate::client::service_base::host_and_port;

/// What is asked for, in messages.
const WHAT: &str = "the request for its metadata";
/// Seconds that clocks may differ.
const LEEWAY: u64 = 30;
/// Longest token.
const MAX_TOKEN: usize = 16 * 1024;

/// Checks access tokens of one issuer. Nothing is asked of it before the first
/// token comes.
pub struct ResourceServer {
    issuer: String,
    resource: ProtectedResource,
    http: AuthHttp,
    clock: Clock,
    keys: Kept<Jwks>,
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// What an access token says.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// RFC 8693, section 4.2: names separated by blanks.
    scope: Option<Value>,
    /// The same in tokens of some servers, as a list or with blanks.
    scp: Option<Value>,
}

/// Metadata of an authorization server, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl ResourceServer {
    /// Accepts tokens of `issuer` for `resource`.
    pub fn new(
        issuer: impl Into<String>,
        resource: ProtectedResource,
        http: AuthHttp,
        clock: Clock,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            resource,
            http,
            keys: Kept::new(clock.clone()),
            clock,
        }
    }

    async fn check(&self, token: &str) -> Result<Caller, Refusal> {
        if token.len() > MAX_TOKEN || !is_access_token(token) {
            return Err(Refusal::Invalid(
                "it is no access token of the authorization server",
            ));
        }
        let keys = self.keys().await.map_err(unavailable)?;
        let claims = match keys.verify::<Claims>(token, &self.validation()).await {
            Ok(data) => data.claims,
            Err(JwtError::Keys(error)) => return Err(unavailable(error)),
            Err(error) => return Err(Refusal::Invalid(reason(&error))),
        };
        Ok(Caller {
            principal: hash(&format!("{} {}", self.issuer, claims.sub)),
            scope: Some(scopes(&claims)),
            // The token is for this server alone. The FHIR server gets what
            // this server was given for it.
            credential: None,
        })
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[self.issuer.as_str()]);
        validation.aud = Some(self.resource.uris().collect::<HashSet<String>>());
        validation
    }

    /// The keys of the issuer; where they are is asked once.
    async fn keys(&self) -> Result<Arc<Jwks>, AuthError> {
        let discovered = async {
            let uri = self.discover().await?;
            let keys = Jwks::new(self.http.clone(), uri, self.clock.clone());
            Ok((keys, Duration::MAX))
        };
        self.keys.current(discovered).await.result()
    }

    /// `jwks_uri` of the metadata, in each place where it may be; RFC 8414,
    /// section 3.1, and OpenID Connect Discovery, section 4.
    async fn discover(&self) -> Result<Url, AuthError> {
        let issuer = Url::parse(&self.issuer).map_err(|_error| AuthError::Endpoint {
            name: "issuer",
            reason: "it is no URL".to_owned(),
        })?;
        let mut failure = AuthError::NoEndpoint("metadata");
        for url in places(&issuer) {
            match self.metadata(&issuer, &url).await {
                Ok(keys) => return Ok(keys),
                // It does not answer: each further place would take as long.
                Err(error @ AuthError::Connection { .. }) => return Err(error),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn metadata(&self, issuer: &Url, url: &Url) -> Result<Url, AuthError> {
        let document = self.http.get(url, WHAT).await?;
        let unusable = |reason: &str| AuthError::Unusable {
            what: WHAT,
            host: host_and_port(url),
            reason: reason.to_owned(),
        };
        let metadata: Metadata = serde_json::from_slice(&document.body)
            .map_err(|_error| unusable("it names no issuer and jwks_uri"))?;
        if metadata.issuer != self.issuer {
            return Err(unusable(
                "it is about another issuer than FHIR_MCP_AUTHORIZATION_SERVER, which must be the same to the letter",
            ));
        }
        let keys =
            Url::parse(&metadata.jwks_uri).map_err(|_error| unusable("its jwks_uri is no URL"))?;
        endpoint::check("jwks_uri", &keys, issuer)?;
        Ok(keys)
    }
}

impl TokenCheck for ResourceServer {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, Refusal>> {
        Box::pin(self.check(token))
    }
}

fn places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/').to_owned();
    [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ]
    .into_iter()
    .map(|path| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    })
    .collect()
}

/// Whether a token claims to be an access token: `at+jwt` by RFC 9068, `JWT` or
/// nothing with servers that do not know it. Logout tokens, proofs and the like
/// say what they are.
fn is_access_token(token: &str) -> bool {
    let Ok(header) = decode_header(token) else {
        return false;
    };
    header.typ.is_none_or(|name| {
        let name = name.to_ascii_lowercase();
        matches!(name.as_str(), "at+jwt" | "application/at+jwt" | "jwt")
    })
}

fn scopes(claims: &Claims) -> String {
    let mut names = Vec::new();
    for value in [&claims.scope, &claims.scp].into_iter().flatten() {
        match value {
            Value::String(text) => names.push(text.as_str()),
            Value::Array(list) => names.extend(list.iter().filter_map(Value::as_str)),
            _ => {}
        }
    }
    names.join(" ")
}

fn unavailable(error: AuthError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

/// What a client may know of the reason.
fn reason(error: &JwtError) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;

    match error {
        JwtError::Invalid(error) => match error.kind() {
            ErrorKind::ExpiredSignature => "it has expired",
            ErrorKind::ImmatureSignature => "it is not valid yet",
            ErrorKind::InvalidIssuer => "it is of another issuer",
            ErrorKind::InvalidAudience => "it is for another audience",
            ErrorKind::InvalidSignature => "its signature is wrong",
            ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss, aud or sub",
            _ => "it cannot be read",
        },
        JwtError::Algorithm => "its algorithm is not accepted",
        JwtError::UnknownKey => "its key is unknown",
        JwtError::Keys(_) => "it cannot be checked",
    }
}
