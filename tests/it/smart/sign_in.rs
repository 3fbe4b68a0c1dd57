//! Authorization requests, their answers, and the token endpoint.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fhir_mcp_server::{
    auth::{
        AuthError,
        smart::{Authentication, Callback, Pending, SigningKey, SmartClient, TokenSet},
    },
    client::Secret,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::support::{
    authorization_server::{CLIENT, Ehr, P256, P384, RSA, configuration, jwk, token},
    cases::{Case, case},
    fhir_server::{FhirServer, Reply},
};

const REDIRECT: &str = "http://127.0.0.1:9/callback";

async fn authorize(client: &SmartClient) -> (BTreeMap<String, String>, Pending) {
    let redirect: Url = REDIRECT.parse().unwrap();
    let (url, pending) = client.authorize(&redirect).await.unwrap();
    (url.query_pairs().into_owned().collect(), pending)
}

pub(super) async fn exchange(client: &SmartClient) -> Result<TokenSet, AuthError> {
    let (_, pending) = authorize(client).await;
    let callback = Callback {
        code: Some("code-1".to_owned()),
        state: Some(pending.state.clone()),
        ..Callback::default()
    };
    client.exchange(pending, callback).await
}

/// What comes of an answer to an authorization request; `STATE` stands for the
/// state, `ORIGIN` for the issuer. A refusal must have sent nothing.
async fn answered(names_issuer: bool, query: &str) -> Result<TokenSet, AuthError> {
    let ehr = Ehr::start(move |call| {
        let mut document = configuration(&call.origin);
        document["authorization_response_iss_parameter_supported"] = json!(names_issuer);
        call.path
            .ends_with("smart-configuration")
            .then(|| Reply::json(200, document.to_string()))
    })
    .await;
    let client = ehr.client();
    let (_, pending) = authorize(&client).await;
    let origin = format!("http://127.0.0.1:{}", ehr.server.port());
    let query = query
        .replace("STATE", &pending.state)
        .replace("ORIGIN", &origin);
    let result = client.exchange(pending, Callback::from_query(&query)).await;
    assert_eq!(ehr.requests("/token").is_empty(), result.is_err());
    result
}

/// With an answer of the token endpoint.
async fn replied(status: u16, body: Value) -> Result<TokenSet, AuthError> {
    let ehr = Ehr::start(move |call| {
        (call.path == "/token").then(|| Reply::json(status, body.to_string()).into_json())
    })
    .await;
    exchange(&ehr.client()).await
}

/// A good answer of the token endpoint with one member changed.
fn with(name: &str, value: Value) -> Value {
    let mut reply = token(1);
    reply[name] = value;
    reply
}

fn key(pem: &str) -> Authentication {
    Authentication::PrivateKeyJwt(Arc::new(
        SigningKey::from_pem(&Secret::new(pem), "key-1").unwrap(),
    ))
}

/// Verifies the assertion of a request as the server would.
fn verified(ehr: &Ehr, pem: &str, algorithm: Algorithm) -> (Value, Value) {
    let form = ehr.token_forms().pop().unwrap();
    assert_eq!(
        form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert!(!form.contains_key("client_id") && !form.contains_key("client_secret"));
    let assertion = &form["client_assertion"];
    let jwk = serde_json::from_value(jwk(pem, algorithm, "key-1")).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[format!("http://127.0.0.1:{}/token", ehr.server.port())]);
    validation.set_issuer(&[CLIENT]);
    validation.sub = Some(CLIENT.to_owned());
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let claims = decode::<Value>(assertion, &key, &validation)
        .unwrap()
        .claims;
    let header = serde_json::to_value(decode_header(assertion).unwrap()).unwrap();
    (header, claims)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = requests();
    cases.extend(callbacks());
    cases.extend(clients());
    cases.extend(replies());
    cases
}

fn requests() -> Vec<Case> {
    vec![
        case!("the authorization request has everything", {
            let ehr = Ehr::good().await;
            let (query, _) = authorize(&ehr.client()).await;
            assert_eq!(query["response_type"], "code");
            assert_eq!(query["client_id"], CLIENT);
            assert_eq!(query["redirect_uri"], REDIRECT);
            assert_eq!(query["scope"], "openid fhirUser patient/*.rs");
            assert_eq!(query["aud"], ehr.server.base().as_str());
            assert_eq!(query["code_challenge_method"], "S256");
            assert!(query.contains_key("nonce") && !query.contains_key("launch"));
        }),
        case!("state has 256 bits and is new each time", {
            let ehr = Ehr::good().await;
            let client = ehr.client();
            let (first, _) = authorize(&client).await;
            let (second, _) = authorize(&client).await;
            assert_eq!(URL_SAFE_NO_PAD.decode(&first["state"]).unwrap().len(), 32);
            for name in ["state", "nonce", "code_challenge"] {
                assert_ne!(first[name], second[name]);
            }
        }),
        case!("the challenge is that of the verifier", {
            let ehr = Ehr::good().await;
            let client = ehr.client();
            let (query, pending) = authorize(&client).await;
            let state = pending.state.clone();
            let callback = Callback::from_query(&format!("code=c&state={state}"));
            client.exchange(pending, callback).await.unwrap();
            let verifier = &ehr.token_forms()[0]["code_verifier"];
            assert!(verifier.len() >= 43);
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
            assert_eq!(hash, query["code_challenge"]);
        }),
        case!("a server without S256 gets no request", {
            let ehr = Ehr::start(|call| {
                let mut document = configuration(&call.origin);
                document["code_challenge_methods_supported"] = json!(["plain"]);
                Some(Reply::json(200, document.to_string()))
            })
            .await;
            let client = ehr.client();
            let redirect = REDIRECT.parse().unwrap();
            let result = client.authorize(&redirect).await;
            assert!(matches!(result, Err(AuthError::NotOffered(_))));
        }),
        case!("what is awaited can be kept and shows nothing", {
            let ehr = Ehr::good().await;
            let (_, pending) = authorize(&ehr.client()).await;
            assert!(!format!("{pending:?}").contains(&pending.state));
            let kept = serde_json::to_string(&pending).unwrap();
            let back: Pending = serde_json::from_str(&kept).unwrap();
            assert_eq!(back.state, pending.state);
        }),
    ]
}

fn callbacks() -> Vec<Case> {
    vec![
        case!("the right answer is taken", {
            answered(false, "code=c&state=STATE").await.unwrap();
        }),
        case!("and one that names the right issuer", {
            answered(true, "code=c&state=STATE&iss=ORIGIN")
                .await
                .unwrap();
        }),
        case!("another state is refused", {
            answered(false, "code=c&state=STATEx").await.unwrap_err();
        }),
        case!("no state is refused", {
            answered(false, "code=c").await.unwrap_err();
        }),
        case!("two states are refused", {
            answered(false, "code=c&state=STATE&state=STATE")
                .await
                .unwrap_err();
        }),
        case!("two codes are refused", {
            answered(false, "code=c&code=d&state=STATE")
                .await
                .unwrap_err();
        }),
        case!("another issuer is refused", {
            answered(false, "code=c&state=STATE&iss=https://evil.example")
                .await
                .unwrap_err();
        }),
        case!("a missing issuer is refused where it was promised", {
            answered(true, "code=c&state=STATE").await.unwrap_err();
        }),
        case!("an error is told", {
            let error = answered(false, "error=access_denied&state=STATE")
                .await
                .unwrap_err();
            assert!(error.is_refusal("access_denied"));
        }),
        case!("an error counts more than a code", {
            answered(false, "error=access_denied&code=c&state=STATE")
                .await
                .unwrap_err();
        }),
        case!("no code is refused", {
            answered(false, "code=&state=STATE").await.unwrap_err();
        }),
    ]
}

fn clients() -> Vec<Case> {
    vec![
        case!("a public client names itself in the body", {
            let ehr = Ehr::good().await;
            exchange(&ehr.client()).await.unwrap();
            let form = &ehr.token_forms()[0];
            let names: Vec<&str> = form.keys().map(String::as_str).collect();
            let all = [
                "client_id",
                "code",
                "code_verifier",
                "grant_type",
                "redirect_uri",
            ];
            assert_eq!(names, all);
            assert_eq!(form["redirect_uri"], REDIRECT);
            assert!(ehr.requests("/token")[0].header("authorization").is_none());
        }),
        case!("a secret goes as Basic", {
            let ehr = Ehr::good().await;
            let client = ehr.client_with(Authentication::Secret(Secret::new("s%")), "x");
            exchange(&client).await.unwrap();
            let request = &ehr.requests("/token")[0];
            // client-1:s%25
            assert_eq!(
                request.header("authorization"),
                Some("Basic Y2xpZW50LTE6cyUyNQ==")
            );
            assert!(!ehr.token_forms()[0].contains_key("client_secret"));
        }),
        case!("it goes in the body where the server takes nothing else", {
            let ehr = Ehr::start(|call| {
                let mut document = configuration(&call.origin);
                document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
                call.path
                    .ends_with("smart-configuration")
                    .then(|| Reply::json(200, document.to_string()))
            })
            .await;
            let client = ehr.client_with(Authentication::Secret(Secret::new("s")), "x");
            exchange(&client).await.unwrap();
            assert_eq!(ehr.token_forms()[0]["client_secret"], "s");
        }),
        case!("a key signs RS384", {
            let ehr = Ehr::good().await;
            let client = ehr.client_with(key(RSA), "system/*.rs");
            client.client_credentials().await.unwrap();
            let (header, claims) = verified(&ehr, RSA, Algorithm::RS384);
            assert_eq!(
                header,
                json!({"typ": "JWT", "alg": "RS384", "kid": "key-1"})
            );
            let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
            assert!(lifetime <= 300);
            let form = &ehr.token_forms()[0];
            assert_eq!(form["grant_type"], "client_credentials");
            assert_eq!(form["scope"], "system/*.rs");
        }),
        case!("or ES384", {
            let ehr = Ehr::good().await;
            let client = ehr.client_with(key(P384), "system/*.rs");
            client.client_credentials().await.unwrap();
            let (header, _) = verified(&ehr, P384, Algorithm::ES384);
            assert_eq!(header["alg"], "ES384");
        }),
        case!("each assertion has an id of its own", {
            let ehr = Ehr::good().await;
            let client = ehr.client_with(key(RSA), "system/*.rs");
            client.client_credentials().await.unwrap();
            let (_, first) = verified(&ehr, RSA, Algorithm::RS384);
            client.client_credentials().await.unwrap();
            let (_, second) = verified(&ehr, RSA, Algorithm::RS384);
            assert_ne!(first["jti"], second["jti"]);
        }),
        case!("a key signs for the code, too", {
            let ehr = Ehr::good().await;
            exchange(&ehr.client_with(key(RSA), "openid"))
                .await
                .unwrap();
            verified(&ehr, RSA, Algorithm::RS384);
            assert_eq!(ehr.token_forms()[0]["code"], "code-1");
        }),
        case!("a key on another curve is refused", {
            assert!(SigningKey::from_pem(&Secret::new(P256), "k").is_err());
        }),
        case!("what is no key is refused without showing it", {
            let error = SigningKey::from_pem(&Secret::new("canary"), "k").unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }),
    ]
}

fn replies() -> Vec<Case> {
    vec![
        case!("granted scopes are read", {
            let tokens = replied(200, with("scope", json!("patient/Observation.rs")))
                .await
                .unwrap();
            assert_eq!(
                tokens.grant.scope.as_deref(),
                Some("patient/Observation.rs")
            );
        }),
        case!("scopes that are not said are those asked for", {
            let tokens = replied(200, with("scope", Value::Null)).await.unwrap();
            assert_eq!(
                tokens.grant.scope.as_deref(),
                Some("openid fhirUser patient/*.rs")
            );
        }),
        case!("a patient with its type is the same patient", {
            let tokens = replied(200, with("patient", json!("Patient/p1")))
                .await
                .unwrap();
            assert_eq!(tokens.grant.patient.as_deref(), Some("p1"));
        }),
        case!("bearer has no case", {
            replied(200, with("token_type", json!("BEARER")))
                .await
                .unwrap();
        }),
        case!("another type of token is refused", {
            replied(200, with("token_type", json!("mac")))
                .await
                .unwrap_err();
        }),
        case!("a lifetime may be written as text", {
            let tokens = replied(200, with("expires_in", json!("3600")))
                .await
                .unwrap();
            assert!(tokens.expires_at.is_some() && tokens.is_fresh());
        }),
        case!("an answer without a token is refused", {
            replied(200, json!({"token_type": "Bearer"}))
                .await
                .unwrap_err();
        }),
        case!("an error keeps its code and loses long words", {
            let text = "bad code SECRETSECRETSECRETSECRETSECRET given";
            let body = json!({"error": "invalid_grant", "error_description": text});
            let error = replied(400, body).await.unwrap_err();
            assert!(error.is_refusal("invalid_grant"));
            let shown = error.to_string();
            assert!(shown.contains("bad code … given"), "{shown}");
        }),
        case!("an error that is no JSON keeps its status", {
            let ehr =
                Ehr::start(|call| (call.path == "/token").then(|| Reply::json(502, "<html>")))
                    .await;
            let error = exchange(&ehr.client()).await.unwrap_err();
            assert!(
                matches!(error, AuthError::Status { status: 502, .. }),
                "{error:?}"
            );
        }),
        case!("a token endpoint that redirects gets nothing elsewhere", {
            let other = FhirServer::always(200, "{}").await;
            let location = format!("http://127.0.0.1:{}/x", other.port());
            let ehr = Ehr::start(move |call| {
                (call.path == "/token")
                    .then(|| Reply::with_headers(307, &[("location", location.as_str())], ""))
            })
            .await;
            exchange(&ehr.client()).await.unwrap_err();
            assert!(other.requests().is_empty());
        }),
        case!("tokens can be kept and show nothing", {
            let tokens = replied(200, token(1)).await.unwrap();
            let shown = format!("{tokens:?}");
            assert!(
                !shown.contains("access-1") && !shown.contains("refresh-1"),
                "{shown}"
            );
            let kept = serde_json::to_string(&tokens).unwrap();
            assert_eq!(serde_json::from_str::<TokenSet>(&kept).unwrap(), tokens);
        }),
    ]
}
