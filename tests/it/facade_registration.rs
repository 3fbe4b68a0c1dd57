//! How the facade knows its clients: registration, and documents that describe
//! them.

use std::sync::Arc;

use fhir_mcp_server::auth::seal::SealKey;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    deployment::{Browser, Deployment, REDIRECT, Setup, plain},
    fhir_server::{FhirServer, Reply},
};

/// What an authorization request of a client is answered with.
async fn authorize(server: &Deployment, client: &str) -> Response {
    let request = plain().get(Browser::url(server, client, &[]));
    request.send().await.unwrap()
}

#[tokio::test]
async fn registration_keeps_nothing() {
    let server = Deployment::facade().await;
    let first = server.client().await;
    for _ in 0..50 {
        assert_ne!(server.client().await, first);
    }
    assert!(server.memory.is_empty());
    // And still everyone is known.
    Browser::default().open(&server, &first, &[]).await;
}

#[tokio::test]
async fn registration_refuses_bad_redirects() {
    let server = Deployment::facade().await;
    for uris in [
        json!([]),
        json!(["http://evil.example/cb"]),
        json!(["javascript:alert(1)"]),
        json!(["https://a.example/#fragment"]),
        json!(["https://a.example/cb", "custom://cb"]),
        json!(["https://user@a.example/cb"]),
        json!([format!("https://a.example/{}", "x".repeat(600))]),
        json!(vec!["https://a.example/cb"; 11]),
    ] {
        let answer = server.register(&json!({ "redirect_uris": uris })).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"], "invalid_redirect_uri");
    }
}

#[tokio::test]
async fn registration_refuses_what_it_cannot_do() {
    let server = Deployment::facade().await;
    let uris = json!([REDIRECT]);
    for metadata in [
        json!([]),
        json!({ "redirect_uris": REDIRECT }),
        json!({ "redirect_uris": uris, "token_endpoint_auth_method": "private_key_jwt" }),
        json!({ "redirect_uris": uris, "grant_types": ["client_credentials"] }),
        json!({ "redirect_uris": uris, "response_types": ["token"] }),
    ] {
        let answer = server.register(&metadata).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"], "invalid_client_metadata", "{metadata}");
    }
}

#[tokio::test]
async fn a_client_id_that_nobody_gave_out_is_unknown() {
    let server = Deployment::facade().await;
    let other = Deployment::facade().await;
    let mut changed = server.client().await;
    changed.pop();
    for id in ["fhir_mcp_", "made-up", &changed, &other.client().await] {
        let answer = authorize(&server, id).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(!answer.headers().contains_key("location"));
    }
}

/// A server with the metadata document of a client, and the id of the client.
async fn document(change: impl Fn(&mut Value) + Send + Sync + 'static) -> (FhirServer, String) {
    let server = FhirServer::start(move |_, request| {
        let host = request.header("host").unwrap();
        let mut document = json!({
            "client_id": format!("http://{host}/fhir/r4/client.json"),
            "client_name": "Documented client",
            "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": "none",
        });
        change(&mut document);
        Reply::json(200, document.to_string())
    })
    .await;
    let id = format!("{}/client.json", server.base());
    (server, id)
}

#[tokio::test]
async fn a_client_may_be_described_by_a_document() {
    let server = Deployment::facade().await;
    let (documents, id) = document(|_| {}).await;
    let tokens = server.sign_in(&id, "fhir.read").await;
    assert!(tokens["access_token"].is_string());
    let page = Browser::default().open(&server, &id, &[]).await;
    assert!(page.contains("Documented client") && page.contains("127.0.0.1"));
    // Fetched once, without anything of ours.
    assert_eq!(documents.requests().len(), 1);
    assert!(documents.requests()[0].header("authorization").is_none());
    assert!(documents.requests()[0].header("cookie").is_none());
}

#[tokio::test]
async fn a_document_that_does_not_fit_is_refused() {
    for spoil in [
        |document: &mut Value| document["client_id"] = "https://other.example/c".into(),
        |document: &mut Value| document["redirect_uris"] = json!(["http://evil.example/"]),
        |document: &mut Value| document["redirect_uris"] = json!([]),
        |document: &mut Value| document["token_endpoint_auth_method"] = "client_secret_post".into(),
        |document: &mut Value| document["padding"] = "x".repeat(20_000).into(),
    ] {
        let server = Deployment::facade().await;
        let (_documents, id) = document(spoil).await;
        let answer = authorize(&server, &id).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_document_is_not_looked_for_elsewhere() {
    let server = Deployment::facade().await;
    let (target, id) = document(|_| {}).await;
    let redirect =
        FhirServer::start(move |_, _| Reply::with_headers(302, &[("location", id.as_str())], ""))
            .await;
    let id = format!("{}/client.json", redirect.base());
    let answer = authorize(&server, &id).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(target.requests().is_empty());
}

/// Neighbours of the server, which anyone could make it call.
#[tokio::test]
async fn documents_of_private_addresses_are_not_fetched() {
    let server = Deployment::facade().await;
    for id in [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/c.json",
        "https://192.168.0.1/c.json",
        "https://[fd00::1]/c.json",
        "https://0x7f000001.evil/../c.json",
        "http://a.example/c.json",
        "https://a.example",
    ] {
        let answer = authorize(&server, id).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{id}");
    }
}

#[tokio::test]
async fn replicas_with_one_key_know_the_same_clients() {
    let key = Arc::new(SealKey::derive(b"the secret of both replicas").unwrap());
    let setup = || Setup {
        key: Some(Arc::clone(&key)),
        ..Setup::default()
    };
    let first = Deployment::start(setup()).await;
    let second = Deployment::start(setup()).await;
    let client = first.client().await;
    second.sign_in(&client, "fhir.read").await;
}
