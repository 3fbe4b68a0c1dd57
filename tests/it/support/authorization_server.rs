//! An EHR on loopback: a FHIR server with its SMART authorization server.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use fhir_mcp_server::{
    auth::smart::{Authentication, SmartClient, SmartOptions},
    client::Tls,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

use super::fhir_server::{BASE_PATH, FhirServer, Reply, Request};

pub(crate) const RSA: &str = include_str!("keys/rsa.pem");
pub(crate) const OTHER_RSA: &str = include_str!("keys/rsa-other.pem");
pub(crate) const P384: &str = include_str!("keys/p384.pem");
pub(crate) const P256: &str = include_str!("keys/p256.pem");
pub(crate) const CLIENT: &str = "client-1";

/// A request as the script sees it.
pub(crate) struct Call<'a> {
    /// Scheme, host and port of this server.
    pub(crate) origin: String,
    /// Path below the origin.
    pub(crate) path: &'a str,
    /// Body of a form.
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) request: &'a Request,
    /// Token requests so far, this one among them.
    pub(crate) tokens: usize,
}

pub(crate) struct Ehr {
    pub(crate) server: FhirServer,
}

impl Ehr {
    /// What the script leaves open is answered as a good server would.
    pub(crate) async fn start(
        script: impl Fn(&Call<'_>) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let tokens = Arc::new(AtomicUsize::new(0));
        let server = FhirServer::start(move |_, request| {
            let path = request.target.split('?').next().unwrap();
            let count = usize::from(path == "/token");
            let call = Call {
                origin: format!("http://{}", request.header("host").unwrap()),
                path,
                form: form(request),
                request,
                tokens: tokens.fetch_add(count, Ordering::SeqCst) + count,
            };
            script(&call).unwrap_or_else(|| standard(&call))
        });
        Self {
            server: server.await,
        }
    }

    pub(crate) async fn good() -> Self {
        Self::start(|_| None).await
    }

    pub(crate) fn client(&self) -> SmartClient {
        self.client_with(Authentication::Public, "openid fhirUser patient/*.rs")
    }

    pub(crate) fn client_with(&self, authentication: Authentication, scope: &str) -> SmartClient {
        SmartClient::new(SmartOptions {
            base: self.server.base(),
            client_id: CLIENT.to_owned(),
            authentication,
            scope: scope.to_owned(),
            tls: Tls::default(),
            headers: Vec::new(),
        })
        .unwrap()
    }

    /// Requests to this path.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        let mut requests = self.server.requests();
        requests.retain(|request| request.target.split('?').next() == Some(path));
        requests
    }

    pub(crate) fn token_forms(&self) -> Vec<BTreeMap<String, String>> {
        self.requests("/token").iter().map(form).collect()
    }
}

pub(crate) fn form(request: &Request) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect()
}

/// Answers as a good server would: tokens `access-1`, `access-2` and so on, of
/// which the FHIR server takes the newest.
pub(crate) fn standard(call: &Call<'_>) -> Reply {
    match call.path.strip_prefix(BASE_PATH).unwrap_or(call.path) {
        "/.well-known/smart-configuration" => {
            Reply::json(200, configuration(&call.origin).to_string())
        }
        "/token" => Reply::json(200, token(call.tokens).to_string()).into_json(),
        "/jwks" => Reply::json(
            200,
            json!({"keys": [jwk(RSA, Algorithm::RS256, "key-1")]}).to_string(),
        ),
        "/authorize" => {
            let query = call.request.target.split_once('?').unwrap().1;
            let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect();
            let location = format!(
                "{}?code=code-1&state={}",
                query["redirect_uri"], query["state"]
            );
            Reply::with_headers(302, &[("location", location.as_str())], "")
        }
        "/metadata" => Reply::json(404, "{}"),
        _ => {
            let newest = format!("Bearer access-{}", call.tokens);
            match call.request.header("authorization") {
                Some(given) if given == newest => {
                    Reply::json(200, r#"{"resourceType":"Patient","id":"p1"}"#)
                }
                _ => Reply::json(401, "{}"),
            }
        }
    }
}

pub(crate) fn configuration(origin: &str) -> Value {
    json!({
        "issuer": origin,
        "jwks_uri": format!("{origin}/jwks"),
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["launch-standalone", "permission-v2"],
    })
}

pub(crate) fn token(number: usize) -> Value {
    json!({
        "access_token": format!("access-{number}"),
        "refresh_token": format!("refresh-{number}"),
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "patient/*.rs",
    })
}

pub(crate) fn jwk(pem: &str, algorithm: Algorithm, kid: &str) -> Value {
    let key = private_key(pem, algorithm);
    let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    serde_json::to_value(jwk).unwrap()
}

pub(crate) fn private_key(pem: &str, algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
        _ => EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
    }
}

/// A token signed with RS256.
pub(crate) fn signed(pem: &str, kid: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(kid.to_owned());
    encode(&header, claims, &private_key(pem, Algorithm::RS256)).unwrap()
}
