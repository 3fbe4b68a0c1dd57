//! Id tokens, and the user that they name.

use std::time::{SystemTime, UNIX_EPOCH};

use fhir_mcp_server::auth::{AuthError, smart::Callback};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::{
    authorization_server::{CLIENT, Ehr, OTHER_RSA, RSA, configuration, jwk, signed, token},
    cases::{Case, case},
    fhir_server::Reply,
};

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Good claims with some of them changed; null takes one away.
fn claims(origin: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": origin, "sub": "s", "aud": CLIENT, "iat": now(), "exp": now() + 300,
        "fhirUser": "Practitioner/1",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            Value::String(text) => claims[name] = json!(text.replace("ORIGIN", origin)),
            other => claims[name] = other.clone(),
        }
    }
    claims
}

fn with_id_token(number: usize, id_token: String) -> Reply {
    let mut reply = token(number);
    reply["id_token"] = json!(id_token);
    Reply::json(200, reply.to_string()).into_json()
}

/// The user of an id token with these claims.
async fn user(changes: Value) -> Result<Option<String>, AuthError> {
    by(move |origin| signed(RSA, "key-1", &claims(origin, &changes))).await
}

async fn by(
    id_token: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Result<Option<String>, AuthError> {
    let ehr = Ehr::start(move |call| {
        (call.path == "/token").then(|| with_id_token(call.tokens, id_token(&call.origin)))
    })
    .await;
    signed_in(&ehr).await
}

async fn signed_in(ehr: &Ehr) -> Result<Option<String>, AuthError> {
    let client = ehr.client();
    let redirect = "http://127.0.0.1:9/c".parse().unwrap();
    let (_, pending) = client.authorize(&redirect).await?;
    let query = format!("code=c&state={}", pending.state);
    let tokens = client
        .exchange(pending, Callback::from_query(&query))
        .await?;
    Ok(tokens.grant.user)
}

async fn is_refused(changes: Value) {
    let error = user(changes).await.unwrap_err();
    assert!(matches!(error, AuthError::IdToken(_)), "{error:?}");
}

/// With another SMART configuration.
async fn configured(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Ehr {
    Ehr::start(move |call| match call.path {
        "/token" => {
            let text = signed(RSA, "key-1", &claims(&call.origin, &json!({})));
            Some(with_id_token(call.tokens, text))
        }
        "/.well-known/openid-configuration" => {
            let document =
                json!({"issuer": call.origin, "jwks_uri": format!("{}/jwks", call.origin)});
            Some(Reply::json(200, document.to_string()))
        }
        path if path.ends_with("smart-configuration") => {
            let mut document = configuration(&call.origin);
            change(&mut document);
            Some(Reply::json(200, document.to_string()))
        }
        _ => None,
    })
    .await
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = users();
    cases.extend(refusals());
    cases.extend(keys());
    cases
}

fn users() -> Vec<Case> {
    vec![
        case!("a relative user is taken", {
            assert_eq!(
                user(json!({})).await.unwrap().as_deref(),
                Some("Practitioner/1")
            );
        }),
        case!("one below the base becomes relative", {
            let found = user(json!({"fhirUser": "ORIGIN/fhir/r4/Patient/p"}))
                .await
                .unwrap();
            assert_eq!(found.as_deref(), Some("Patient/p"));
        }),
        case!("one elsewhere stays absolute", {
            let found = user(json!({"fhirUser": "https://evil.example/fhir/r4/Patient/p"})).await;
            assert_eq!(
                found.unwrap().as_deref(),
                Some("https://evil.example/fhir/r4/Patient/p")
            );
        }),
        case!("one beside the base stays absolute", {
            let found = user(json!({"fhirUser": "ORIGIN/fhir/r4x/Patient/p"}))
                .await
                .unwrap();
            assert!(found.unwrap().starts_with("http://"));
        }),
        case!("what is no person is none", {
            for other in ["Observation/1", "Patient/../x", "Patient/", "x"] {
                assert_eq!(user(json!({"fhirUser": other})).await.unwrap(), None);
            }
        }),
        case!("profile, which users edit themselves, names nobody", {
            let found = user(json!({"fhirUser": null, "profile": "Person/2"})).await;
            assert_eq!(found.unwrap(), None);
        }),
        case!("a few seconds between the clocks do no harm", {
            user(json!({"exp": now() - 20, "nbf": now() + 20}))
                .await
                .unwrap();
        }),
        case!("several audiences are taken when the party is named", {
            user(json!({"aud": [CLIENT, "x"], "azp": CLIENT}))
                .await
                .unwrap();
        }),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        case!("another issuer", {
            is_refused(json!({"iss": "https://evil.example"})).await
        }),
        case!("no issuer", { is_refused(json!({"iss": null})).await }),
        case!("another audience", {
            is_refused(json!({"aud": "x"})).await
        }),
        case!("no audience", { is_refused(json!({"aud": null})).await }),
        case!("several audiences and no party", {
            is_refused(json!({"aud": [CLIENT, "x"]})).await;
        }),
        case!("another party", { is_refused(json!({"azp": "x"})).await }),
        case!("expired", {
            is_refused(json!({"exp": now() - 3600})).await
        }),
        case!("no expiry", { is_refused(json!({"exp": null})).await }),
        case!("not valid yet", {
            is_refused(json!({"nbf": now() + 3600})).await
        }),
        case!("no subject", { is_refused(json!({"sub": null})).await }),
        case!("another nonce", { is_refused(json!({"nonce": "x"})).await }),
        case!("another key under the same id", {
            by(|origin| signed(OTHER_RSA, "key-1", &claims(origin, &json!({}))))
                .await
                .unwrap_err();
        }),
        case!("no signature", {
            by(|origin| {
                let token = signed(RSA, "key-1", &claims(origin, &json!({})));
                let payload = token.split('.').nth(1).unwrap().to_owned();
                // {"alg":"none"}
                format!("eyJhbGciOiJub25lIn0.{payload}.")
            })
            .await
            .unwrap_err();
        }),
        case!("a shared secret", {
            by(|origin| {
                let mut header = Header::new(Algorithm::HS256);
                header.kid = Some("key-1".to_owned());
                let secret = jwk(RSA, Algorithm::RS256, "key-1")["n"].to_string();
                let key = EncodingKey::from_secret(secret.as_bytes());
                encode(&header, &claims(origin, &json!({})), &key).unwrap()
            })
            .await
            .unwrap_err();
        }),
        case!("a changed payload", {
            by(|origin| {
                let good = signed(RSA, "key-1", &claims(origin, &json!({})));
                let other = signed(
                    RSA,
                    "key-1",
                    &claims(origin, &json!({"fhirUser": "Person/9"})),
                );
                let payload = other.split('.').nth(1).unwrap();
                let mut parts: Vec<&str> = good.split('.').collect();
                parts[1] = payload;
                parts.join(".")
            })
            .await
            .unwrap_err();
        }),
        case!("garbage", {
            by(|_| "garbage".to_owned()).await.unwrap_err();
        }),
    ]
}

fn keys() -> Vec<Case> {
    vec![
        case!(
            "without an issuer nobody is believed, and the sign-in works",
            {
                let ehr = configured(|document| {
                    document.as_object_mut().unwrap().remove("issuer");
                });
                assert_eq!(signed_in(&ehr.await).await.unwrap(), None);
            }
        ),
        case!(
            "keys in a closer network are no matter until they are needed",
            {
                for gives_id_token in [false, true] {
                    let ehr = Ehr::start(move |call| match call.path {
                        "/token" if gives_id_token => {
                            let text = signed(RSA, "key-1", &claims(&call.origin, &json!({})));
                            Some(with_id_token(call.tokens, text))
                        }
                        path if path.ends_with("smart-configuration") => {
                            let mut document = configuration(&call.origin);
                            document["jwks_uri"] = json!("http://as.example/jwks");
                            Some(Reply::json(200, document.to_string()))
                        }
                        _ => None,
                    });
                    let result = signed_in(&ehr.await).await;
                    match gives_id_token {
                        false => assert_eq!(result.unwrap(), None),
                        true => assert!(matches!(result, Err(AuthError::Endpoint { .. }))),
                    }
                }
            }
        ),
        case!("the issuer says where its keys are", {
            let ehr = configured(|document| {
                document.as_object_mut().unwrap().remove("jwks_uri");
            });
            assert!(signed_in(&ehr.await).await.unwrap().is_some());
        }),
        case!("new keys are fetched", {
            let ehr = Ehr::start(|call| match call.path {
                "/token" => {
                    let (pem, kid) = match call.tokens {
                        1 => (RSA, "key-1"),
                        _ => (OTHER_RSA, "key-2"),
                    };
                    let text = signed(pem, kid, &claims(&call.origin, &json!({})));
                    Some(with_id_token(call.tokens, text))
                }
                "/jwks" => {
                    let key = match call.tokens {
                        1 => jwk(RSA, Algorithm::RS256, "key-1"),
                        _ => jwk(OTHER_RSA, Algorithm::RS256, "key-2"),
                    };
                    Some(Reply::json(
                        200,
                        json!({"keys": [{"kty": "new"}, key]}).to_string(),
                    ))
                }
                _ => None,
            })
            .await;
            let client = ehr.client();
            for fetches in 1..=2 {
                let redirect = "http://127.0.0.1:9/c".parse().unwrap();
                let (_, pending) = client.authorize(&redirect).await.unwrap();
                let query = format!("code=c&state={}", pending.state);
                client
                    .exchange(pending, Callback::from_query(&query))
                    .await
                    .unwrap();
                assert_eq!(ehr.requests("/jwks").len(), fetches);
            }
        }),
        case!("made-up keys cause few fetches", {
            let ehr = Ehr::start(|call| {
                (call.path == "/token").then(|| {
                    let kid = format!("made-up-{}", call.tokens);
                    let text = signed(OTHER_RSA, &kid, &claims(&call.origin, &json!({})));
                    with_id_token(call.tokens, text)
                })
            })
            .await;
            let client = ehr.client();
            for _ in 0..20 {
                let redirect = "http://127.0.0.1:9/c".parse().unwrap();
                let (_, pending) = client.authorize(&redirect).await.unwrap();
                let query = format!("code=c&state={}", pending.state);
                client
                    .exchange(pending, Callback::from_query(&query))
                    .await
                    .unwrap_err();
            }
            assert!(ehr.requests("/jwks").len() <= 6);
        }),
    ]
}
