//! An authorization server on loopback, with a FHIR server behind its tokens:
//! SMART towards the facade, an issuer of JWTs towards the resource server. It
//! signs one user in without asking and records what it sees.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

/// The client that is registered there.
pub(crate) const CLIENT_ID: &str = "registered-client";

/// A key that signs.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) encoding: EncodingKey,
    jwk: Value,
}

impl Key {
    pub(crate) fn new(kid: &str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
        });
        Self {
            kid: kid.to_owned(),
            encoding: EncodingKey::from_ec_der(pkcs8.as_ref()),
            jwk,
        }
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        header.typ = Some(typ.to_owned());
        jsonwebtoken::encode(&header, claims, &self.encoding).unwrap()
    }
}

/// What the server does, and what it saw.
pub(crate) struct Behaviour {
    /// Lifetime of an access token, in seconds.
    pub(crate) lifetime: u64,
    pub(crate) refreshes: bool,
    /// Who signs in: `sub` and `fhirUser`.
    pub(crate) user: (&'static str, &'static str),
    /// Whether users are turned away.
    pub(crate) denies: bool,
    /// Whether nothing but 500 comes.
    pub(crate) broken: bool,
    /// `iss` of the redirect back, in place of the right one.
    pub(crate) redirect_issuer: Option<String>,
    pub(crate) keys: Vec<Arc<Key>>,
    /// Queries of authorization requests.
    pub(crate) authorizations: Vec<HashMap<String, String>>,
    /// Forms of token requests.
    pub(crate) exchanges: Vec<HashMap<String, String>>,
    /// Id tokens that were given out.
    pub(crate) id_tokens: Vec<String>,
    /// `Authorization` of FHIR requests.
    pub(crate) fhir: Vec<String>,
    /// Fetches of the keys.
    pub(crate) key_fetches: usize,
    /// Fetches of the metadata.
    pub(crate) metadata_fetches: usize,
    /// Whether the keys may be kept by nobody.
    pub(crate) no_store: bool,
    /// Where the answers to token requests wait, which are performed at once.
    pub(crate) hold: Option<Arc<Notify>>,
    codes: HashMap<String, HashMap<String, String>>,
    access: HashSet<String>,
    refresh: HashSet<String>,
    counter: usize,
}

impl Behaviour {
    /// Makes all access tokens worthless, as time would.
    pub(crate) fn forget_access_tokens(&mut self) {
        self.access.clear();
    }

    pub(crate) fn forget_refresh_tokens(&mut self) {
        self.refresh.clear();
    }
}

/// The server; it stops when dropped.
pub(crate) struct OAuthServer {
    /// Also the issuer.
    pub(crate) origin: String,
    shared: Shared,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    origin: String,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl OAuthServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let behaviour = Behaviour {
            lifetime: 3600,
            refreshes: true,
            user: ("1", "Practitioner/one"),
            denies: false,
            broken: false,
            redirect_issuer: None,
            keys: vec![Arc::new(Key::new("first"))],
            authorizations: Vec::new(),
            exchanges: Vec::new(),
            id_tokens: Vec::new(),
            fhir: Vec::new(),
            key_fetches: 0,
            metadata_fetches: 0,
            no_store: false,
            hold: None,
            codes: HashMap::new(),
            access: HashSet::new(),
            refresh: HashSet::new(),
            counter: 0,
        };
        let shared = Shared {
            origin: origin.clone(),
            behaviour: Arc::new(Mutex::new(behaviour)),
        };
        let router = Router::new()
            .route("/fhir/r4/.well-known/smart-configuration", get(smart))
            .route("/.well-known/oauth-authorization-server", get(smart))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/fhir/r4/{*rest}", get(fhir))
            .with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            origin,
            shared,
            task,
        }
    }

    pub(crate) fn fhir_base(&self) -> String {
        format!("{}/fhir/r4", self.origin)
    }

    pub(crate) fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.shared.behaviour.lock().unwrap()
    }

    /// An access token for this audience, valid for an hour; `change` spoils it.
    pub(crate) fn token(&self, audience: &str, change: impl FnOnce(&mut Value)) -> String {
        let key = Arc::clone(&self.behaviour().keys[0]);
        key.sign("at+jwt", &self.claims(audience, change))
    }

    pub(crate) fn claims(&self, audience: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut claims = json!({
            "iss": self.origin, "aud": audience, "sub": "user-1", "client_id": "mcp-client",
            "iat": now(), "exp": now() + 3600, "jti": "1", "scope": "openid fhir.read",
        });
        change(&mut claims);
        claims
    }
}

impl Drop for OAuthServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

fn pairs(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

async fn smart(State(shared): State<Shared>) -> Response {
    let origin = &shared.origin;
    let broken = {
        let mut behaviour = shared.behaviour.lock().unwrap();
        behaviour.metadata_fetches += 1;
        behaviour.broken
    };
    if broken {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    Json(json!({
        "issuer": origin,
        "jwks_uri": format!("{origin}/jwks"),
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "capabilities": ["launch-standalone", "client-public", "sso-openid-connect", "permission-v2"],
    }))
    .into_response()
}

async fn jwks(State(shared): State<Shared>) -> Response {
    let mut behaviour = shared.behaviour.lock().unwrap();
    behaviour.key_fetches += 1;
    if behaviour.broken {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let caching = match behaviour.no_store {
        true => "no-store",
        false => "max-age=600",
    };
    let keys: Vec<&Value> = behaviour.keys.iter().map(|key| &key.jwk).collect();
    let keys = Json(json!({ "keys": keys }));
    ([(header::CACHE_CONTROL, caching)], keys).into_response()
}

async fn authorize(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Redirect {
    let query = pairs(&query.unwrap_or_default());
    let mut behaviour = shared.behaviour.lock().unwrap();
    behaviour.authorizations.push(query.clone());
    let mut url: url::Url = query["redirect_uri"].parse().unwrap();
    if behaviour.denies {
        url.query_pairs_mut().append_pair("error", "access_denied");
    } else {
        behaviour.counter += 1;
        let code = format!("upstream-code-{}", behaviour.counter);
        url.query_pairs_mut().append_pair("code", &code);
        behaviour.codes.insert(code, query.clone());
    }
    let issuer = behaviour.redirect_issuer.as_ref().unwrap_or(&shared.origin);
    url.query_pairs_mut()
        .append_pair("state", &query["state"])
        .append_pair("iss", issuer);
    Redirect::to(url.as_str())
}

async fn token(State(shared): State<Shared>, body: Bytes) -> Response {
    let answer = tokens(&shared, &body);
    let hold = shared.behaviour.lock().unwrap().hold.clone();
    if let Some(hold) = hold {
        hold.notified().await;
    }
    answer
}

fn tokens(shared: &Shared, body: &[u8]) -> Response {
    let form = pairs(std::str::from_utf8(body).unwrap());
    let mut behaviour = shared.behaviour.lock().unwrap();
    behaviour.exchanges.push(form.clone());
    if behaviour.broken {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let request = match form["grant_type"].as_str() {
        "authorization_code" => redeem(&mut behaviour, &form).map(Some),
        "refresh_token" if behaviour.refresh.remove(&form["refresh_token"]) => Some(None),
        _ => None,
    };
    let Some(request) = request else {
        let error = Json(json!({ "error": "invalid_grant" }));
        return (StatusCode::BAD_REQUEST, error).into_response();
    };
    let number = behaviour.counter + 1;
    behaviour.counter = number;
    let access = format!("upstream-access-{number}");
    let mut answer = json!({
        "access_token": access, "token_type": "Bearer", "expires_in": behaviour.lifetime,
        "scope": "openid fhirUser user/*.rs",
    });
    behaviour.access.insert(access);
    if behaviour.refreshes {
        let refresh = format!("upstream-refresh-{number}");
        behaviour.refresh.insert(refresh.clone());
        answer["refresh_token"] = refresh.into();
    }
    if let Some(request) = request {
        let (subject, user) = behaviour.user;
        let claims = json!({
            "iss": shared.origin, "aud": CLIENT_ID, "sub": subject, "exp": now() + 60,
            "iat": now(), "nonce": request.get("nonce"), "fhirUser": user,
        });
        let id_token = behaviour.keys[0].sign("JWT", &claims);
        behaviour.id_tokens.push(id_token.clone());
        answer["id_token"] = id_token.into();
    }
    Json(answer).into_response()
}

/// The authorization request of a code, if everything fits.
fn redeem(
    behaviour: &mut Behaviour,
    form: &HashMap<String, String>,
) -> Option<HashMap<String, String>> {
    let request = behaviour.codes.remove(&form["code"])?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    let fits = request["code_challenge"] == challenge
        && request["redirect_uri"] == form["redirect_uri"]
        // One with a secret names itself in a header.
        && form.get("client_id").is_none_or(|id| id == CLIENT_ID);
    fits.then_some(request)
}

async fn fhir(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let value = headers.get(header::AUTHORIZATION);
    let value = value.map_or("", |value| value.to_str().unwrap()).to_owned();
    let mut behaviour = shared.behaviour.lock().unwrap();
    let known = value.strip_prefix("Bearer ");
    let known = known.is_some_and(|token| behaviour.access.contains(token));
    behaviour.fhir.push(value);
    if !known {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let json_type = [(header::CONTENT_TYPE, "application/fhir+json")];
    let patient = r#"{"resourceType":"Patient","id":"one","active":true}"#;
    (json_type, patient).into_response()
}
