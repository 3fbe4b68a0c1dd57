//! MCP clients with tokens of another authorization server.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    cases,
    deployment::{Deployment, Setup, plain},
    oauth_server::{Key, now},
};

#[test]
fn count() {
    cases::count("resource server", &[include_str!("resource_server.rs")], 24);
}

fn challenge(answer: &Response) -> String {
    let value = &answer.headers()["www-authenticate"];
    value.to_str().unwrap().to_owned()
}

/// Lists the tools with a token that must not do.
async fn refused(server: &Deployment, token: &str) -> String {
    let answer = server.list(Some(token)).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let challenge = challenge(&answer);
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(challenge.contains("resource_metadata=\""));
    assert!(!challenge.contains(token));
    challenge
}

async fn refused_claims(change: impl FnOnce(&mut Value)) -> String {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), change);
    refused(&server, &token).await
}

async fn accepted(audience: &str) {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url(audience), |_| {});
    assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_token_for_this_server_lets_in() {
    accepted("/mcp").await;
}

#[tokio::test]
async fn each_spelling_of_our_uri_is_ours() {
    for audience in ["/mcp/", "", "/"] {
        accepted(audience).await;
    }
}

#[tokio::test]
async fn without_a_token_a_challenge_says_where_to_get_one() {
    let server = Deployment::resource_server().await;
    let answer = server.list(None).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let metadata = server.url("/.well-known/oauth-protected-resource/mcp");
    let scope = "fhir.read fhir.write";
    let expected = format!("Bearer scope=\"{scope}\", resource_metadata=\"{metadata}\"");
    assert_eq!(challenge(&answer), expected);
}

#[tokio::test]
async fn metadata_is_at_the_root_and_at_each_path() {
    let server = Deployment::resource_server().await;
    for (path, resource) in [("", "/mcp"), ("/mcp", "/mcp"), ("/sse", "/sse")] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let answer = server.get(&path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let document: Value = answer.json().await.unwrap();
        assert_eq!(document["resource"], server.url(resource));
        assert_eq!(
            document["authorization_servers"],
            json!([server.upstream.origin])
        );
        assert_eq!(
            document["scopes_supported"],
            json!(["fhir.read", "fhir.write"])
        );
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
    }
}

#[tokio::test]
async fn there_is_no_authorization_server_of_our_own() {
    let server = Deployment::resource_server().await;
    for path in [
        "/authorize",
        "/oauth/callback",
        "/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(server.get(path).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn another_audience_is_refused() {
    let other = refused_claims(|claims| claims["aud"] = "https://other.example/mcp".into()).await;
    assert!(other.contains("another audience"));
}

#[tokio::test]
async fn an_audience_that_only_begins_like_ours_is_refused() {
    let server = Deployment::resource_server().await;
    for suffix in ["/mcp/x", "/mcpx", "/mcp?x", "x"] {
        let token = server.upstream.token(&server.url(suffix), |_| {});
        refused(&server, &token).await;
    }
}

#[tokio::test]
async fn one_of_several_audiences_will_do() {
    let server = Deployment::resource_server().await;
    let ours = server.url("/mcp");
    let token = server.upstream.token("", |claims| {
        claims["aud"] = json!(["https://other.example", ours]);
    });
    assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_token_without_audience_is_refused() {
    refused_claims(|claims| drop(claims.as_object_mut().unwrap().remove("aud"))).await;
}

#[tokio::test]
async fn another_issuer_is_refused() {
    let other = refused_claims(|claims| claims["iss"] = "https://evil.example".into()).await;
    assert!(other.contains("another issuer"));
}

#[tokio::test]
async fn a_token_without_issuer_is_refused() {
    refused_claims(|claims| drop(claims.as_object_mut().unwrap().remove("iss"))).await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let expired = refused_claims(|claims| claims["exp"] = (now() - 60).into()).await;
    assert!(expired.contains("expired"));
}

#[tokio::test]
async fn a_token_that_never_expires_is_refused() {
    refused_claims(|claims| drop(claims.as_object_mut().unwrap().remove("exp"))).await;
}

#[tokio::test]
async fn a_token_of_tomorrow_is_refused() {
    let early = refused_claims(|claims| claims["nbf"] = (now() + 3600).into()).await;
    assert!(early.contains("not valid yet"));
}

#[tokio::test]
async fn a_token_of_nobody_is_refused() {
    refused_claims(|claims| drop(claims.as_object_mut().unwrap().remove("sub"))).await;
}

#[tokio::test]
async fn no_signature_is_refused() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    let server = Deployment::resource_server().await;
    let claims = server.upstream.claims(&server.url("/mcp"), |_| {});
    for algorithm in ["none", "None", "NONE", ""] {
        let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": "first" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.", part(&header), part(&claims));
        refused(&server, &token).await;
    }
}

/// Whoever holds the public keys could sign like that.
#[tokio::test]
async fn a_shared_secret_is_refused() {
    let server = Deployment::resource_server().await;
    let jwks = plain().get(format!("{}/jwks", server.upstream.origin));
    let public = jwks.send().await.unwrap().text().await.unwrap();
    let claims = server.upstream.claims(&server.url("/mcp"), |_| {});
    for algorithm in [Algorithm::HS256, Algorithm::HS512] {
        let mut header = Header::new(algorithm);
        header.kid = Some("first".into());
        let key = EncodingKey::from_secret(public.as_bytes());
        let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        refused(&server, &token).await;
    }
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    let more = server.upstream.token(&server.url("/mcp"), |claims| {
        claims["scope"] = "fhir.write".into();
    });
    let parts: Vec<&str> = token.split('.').collect();
    let payload = more.split('.').nth(1).unwrap();
    refused(&server, &format!("{}.{payload}.{}", parts[0], parts[2])).await;
    refused(&server, &token[..token.len() - 4]).await;
}

#[tokio::test]
async fn another_key_with_a_known_name_is_refused() {
    let server = Deployment::resource_server().await;
    let claims = server.upstream.claims(&server.url("/mcp"), |_| {});
    refused(&server, &Key::new("first").sign("at+jwt", &claims)).await;
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_asked_for_a_few_times_only() {
    let server = Deployment::resource_server().await;
    let claims = server.upstream.claims(&server.url("/mcp"), |_| {});
    for number in 0..30 {
        let key = Key::new(&format!("made up {number}"));
        refused(&server, &key.sign("at+jwt", &claims)).await;
    }
    assert!(server.upstream.behaviour().key_fetches < 10);
}

#[tokio::test]
async fn keys_are_rotated() {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
    let key = Arc::new(Key::new("second"));
    server.upstream.behaviour().keys.insert(0, key);
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
    assert_eq!(server.upstream.behaviour().key_fetches, 2);
}

#[tokio::test]
async fn what_says_that_it_is_no_access_token_is_refused() {
    let server = Deployment::resource_server().await;
    let claims = server.upstream.claims(&server.url("/mcp"), |_| {});
    let key = Arc::clone(&server.upstream.behaviour().keys[0]);
    for typ in ["logout+jwt", "dpop+jwt", "client-authentication+jwt"] {
        refused(&server, &key.sign(typ, &claims)).await;
    }
    for typ in ["JWT", "at+JWT", "application/at+jwt"] {
        let token = key.sign(typ, &claims);
        assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
    }
}

/// An id token is for the client that the user signed in with.
#[tokio::test]
async fn an_id_token_is_refused() {
    let server = Deployment::resource_server().await;
    let claims = server.upstream.claims("mcp-client", |claims| {
        claims["nonce"] = "1".into();
    });
    let key = Arc::clone(&server.upstream.behaviour().keys[0]);
    refused(&server, &key.sign("JWT", &claims)).await;
}

#[tokio::test]
async fn garbage_is_refused() {
    let server = Deployment::resource_server().await;
    let long = "a".repeat(8 * 1024);
    for token in ["x", "a.b.c", "e30.e30.e30", "....", long.as_str()] {
        refused(&server, token).await;
    }
}

#[tokio::test]
async fn only_the_header_may_carry_a_token() {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    let answer = plain()
        .post(server.url(&format!("/mcp?access_token={token}")))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    for value in [
        format!("Basic {token}"),
        format!("DPoP {token}"),
        token.clone(),
    ] {
        let request = plain().post(server.url("/mcp"));
        let answer = request.header("Authorization", value).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn two_tokens_are_refused() {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    let answer = plain()
        .post(server.url("/mcp"))
        .header("Authorization", format!("Bearer {token}"))
        .header("Authorization", format!("Bearer {token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_our_scope_nothing_is_allowed() {
    let server = Deployment::resource_server().await;
    for scope in [
        json!("openid"),
        json!(""),
        Value::Null,
        json!("fhir.reader"),
    ] {
        let token = server.upstream.token(&server.url("/mcp"), |claims| {
            claims["scope"] = scope;
        });
        let answer = server.list(Some(&token)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let challenge = challenge(&answer);
        assert!(challenge.contains("error=\"insufficient_scope\""));
        assert!(challenge.contains("scope=\"fhir.read\""));
    }
}

async fn names(server: &Deployment, token: &str) -> Vec<String> {
    let answer: Value = server.list(Some(token)).await.json().await.unwrap();
    assert_eq!(answer["result"]["cacheScope"], "private");
    let tools = answer["result"]["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_token_to_read_neither_shows_nor_calls_what_writes() {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    let names = names(&server, &token).await;
    assert!(names.contains(&"read".to_owned()));
    for name in ["create", "update", "delete"] {
        assert!(!names.contains(&name.to_owned()));
        let arguments = json!({ "type": "Patient", "id": "one" });
        let answer = server.call(Some(&token), name, arguments).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{name}");
        let challenge = challenge(&answer);
        assert!(challenge.contains("error=\"insufficient_scope\""));
        assert!(challenge.contains("scope=\"fhir.read fhir.write\""));
        assert!(challenge.contains("resource_metadata=\""));
    }
    assert!(server.upstream.behaviour().fhir.is_empty());
}

/// A client that is told of a scope asks for it, and would be told of it again
/// and again.
#[tokio::test]
async fn where_nobody_writes_no_scope_to_write_is_asked_for() {
    let server = Deployment::start(Setup {
        resource_server: true,
        read_only: true,
        ..Setup::default()
    })
    .await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    for name in ["create", "update", "delete"] {
        let arguments = json!({ "type": "Patient", "id": "one" });
        let answer = server.call(Some(&token), name, arguments).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["error"].is_object(), "{answer}");
    }
    assert!(server.upstream.behaviour().fhir.is_empty());
}

#[tokio::test]
async fn requests_that_are_refused_count_for_their_address() {
    let server = Deployment::start(Setup {
        resource_server: true,
        rate_limit: NonZeroU32::new(4),
        ..Setup::default()
    })
    .await;
    let good = server.upstream.token(&server.url("/mcp"), |_| {});
    for token in [None, Some("garbage"), None, Some("a.b.c")] {
        let answer = server.list(token).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    for token in [None, Some("garbage")] {
        let answer = server.list(token).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.headers().contains_key("retry-after"));
    }
    // Of the same bucket as the open endpoints.
    let metadata = server
        .get("/.well-known/oauth-protected-resource/mcp")
        .await;
    assert_eq!(metadata.status(), StatusCode::TOO_MANY_REQUESTS);
    // Whoever has a token is not shut out by a neighbour without.
    assert_eq!(server.list(Some(&good)).await.status(), StatusCode::OK);
}

/// Two methods in one message: the check and the dispatch must not differ.
#[tokio::test]
async fn an_ambiguous_message_writes_nothing() {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"delete","arguments":{"type":"Patient","id":"one"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","name":"delete","arguments":{"type":"Patient","id":"one"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"params":{"name":"delete","arguments":{"type":"Patient","id":"one"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"d\u0065lete","arguments":{"type":"Patient","id":"one"}}}"#,
    ] {
        let request = plain()
            .post(server.url("/mcp"))
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .header("Authorization", format!("Bearer {token}"));
        request.body(body).send().await.unwrap();
    }
    assert!(server.upstream.behaviour().fhir.is_empty());
}

#[tokio::test]
async fn a_token_to_write_reads_too() {
    let server = Deployment::resource_server().await;
    for (claim, value) in [
        ("scope", json!("fhir.write")),
        ("scp", json!(["fhir.write"])),
        ("scp", json!("openid fhir.write")),
    ] {
        let token = server.upstream.token(&server.url("/mcp"), |claims| {
            claims["scope"] = Value::Null;
            claims[claim] = value;
        });
        let names = names(&server, &token).await;
        assert!(names.contains(&"read".to_owned()) && names.contains(&"delete".to_owned()));
    }
}

/// Theirs is never passed on.
#[tokio::test]
async fn the_fhir_server_never_sees_the_token() {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    let answer = server.read(&token).await;
    assert_eq!(answer["isError"], true);
    let seen = server.upstream.behaviour().fhir.clone();
    assert!(
        !seen.is_empty() && seen.iter().all(String::is_empty),
        "{seen:?}"
    );
}

#[tokio::test]
async fn an_issuer_that_is_down_is_no_fault_of_the_token() {
    let server = Deployment::resource_server().await;
    server.upstream.behaviour().broken = true;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    let answer = server.list(Some(&token)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    server.upstream.behaviour().broken = false;
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
}

/// Whoever can send a request can send a token that nobody signed.
#[tokio::test]
async fn an_issuer_that_is_down_is_left_alone() {
    let server = Deployment::resource_server().await;
    server.upstream.behaviour().broken = true;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    for _ in 0..20 {
        let answer = server.list(Some(&token)).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    // One look, which found it in neither of two places that it has.
    assert!(server.upstream.behaviour().metadata_fetches <= 2);
}

#[tokio::test]
async fn keys_that_nobody_may_keep_are_not_fetched_for_each_token() {
    let server = Deployment::resource_server().await;
    server.upstream.behaviour().no_store = true;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    for _ in 0..20 {
        assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
    }
    assert_eq!(server.upstream.behaviour().key_fetches, 1);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
    assert_eq!(server.upstream.behaviour().key_fetches, 2);
}

#[tokio::test]
async fn old_keys_go_on_where_new_ones_cannot_be_had() {
    let server = Deployment::resource_server().await;
    let token = server.upstream.token(&server.url("/mcp"), |_| {});
    assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
    server.upstream.behaviour().broken = true;
    server.clock.advance(Duration::from_secs(601));
    for _ in 0..5 {
        assert_eq!(server.list(Some(&token)).await.status(), StatusCode::OK);
    }
    assert_eq!(server.upstream.behaviour().key_fetches, 2);
    // A token with another key cannot be checked: nobody knows that it is bad.
    let claims = server.upstream.claims(&server.url("/mcp"), |_| {});
    let other = Key::new("second").sign("at+jwt", &claims);
    let answer = server.list(Some(&other)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_old_transport_is_guarded_too() {
    let server = Deployment::resource_server().await;
    let answer = server.get("/sse").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&answer).contains("/.well-known/oauth-protected-resource/sse"));
    let request = plain().post(server.url("/messages/?session_id=0"));
    let answer = request.body("{}").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_of_the_old_transport_is_of_who_began_it() {
    let server = Deployment::resource_server().await;
    let audience = server.url("/sse");
    let mine = server.upstream.token(&audience, |_| {});
    let other = server
        .upstream
        .token(&audience, |claims| claims["sub"] = "user-2".into());
    let request = plain().get(server.url("/sse"));
    let request = request.header("Authorization", format!("Bearer {mine}"));
    let mut stream = request.send().await.unwrap();
    let event = stream.chunk().await.unwrap().unwrap();
    let event = String::from_utf8(event.to_vec()).unwrap();
    let path = event.lines().find_map(|line| line.strip_prefix("data: "));
    let url = server.url(path.unwrap());
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    for (token, status) in [
        (&other, StatusCode::NOT_FOUND),
        (&mine, StatusCode::ACCEPTED),
    ] {
        let request = plain().post(&url).body(message.clone());
        let request = request.header("Authorization", format!("Bearer {token}"));
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_session_is_of_who_began_it() {
    let server = Deployment::start(Setup {
        resource_server: true,
        legacy_sessions: true,
        ..Setup::default()
    })
    .await;
    let audience = server.url("/mcp");
    let mine = server.upstream.token(&audience, |_| {});
    let other = server
        .upstream
        .token(&audience, |claims| claims["sub"] = "user-2".into());
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } } });
    let begun = server.post(Some(&mine), &initialize).await;
    let session = begun.headers()["mcp-session-id"].clone();
    for (token, found) in [(&other, false), (&mine, true)] {
        let request = plain()
            .post(server.url("/mcp"))
            .header("Authorization", format!("Bearer {token}"))
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .header("Mcp-Session-Id", &session)
            .body(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        let status = request.send().await.unwrap().status();
        assert_eq!(status != StatusCode::NOT_FOUND, found, "{status}");
    }
}

#[tokio::test]
async fn health_needs_no_token() {
    let server = Deployment::resource_server().await;
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
}
