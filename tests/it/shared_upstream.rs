//! Users with tokens of another authorization server, and one credential at the
//! FHIR server for all of them.

use std::process::Command;

use fhir_mcp_server::config::env;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    authorization_server::{CLIENT, Ehr, RSA},
    oauth_server::OAuthServer,
    program,
    running::{Running, call},
};

/// Reads a patient with a token of this user; the text of the answer.
async fn read(origin: &str, issuer: &OAuthServer, user: &str) -> Value {
    let token = issuer.token(&format!("{origin}/mcp"), |claims| {
        claims["sub"] = user.into()
    });
    let arguments = json!({"type": "Patient", "id": "p1"});
    let request = reqwest::Client::new()
        .post(format!("{origin}/mcp"))
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .bearer_auth(token)
        .body(call(1, "read", &arguments).to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn both_users_read(proof: impl Fn(&mut Command)) {
    let ehr = Ehr::good().await;
    let issuer = OAuthServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pem"), RSA).unwrap();
    let mut command = program::program(folder.path());
    command
        .arg("--shared-upstream")
        .env(env::MCP_HOST, "127.0.0.1")
        .env(env::MCP_PORT, "0")
        .env(env::MCP_AUTHORIZATION_SERVER, &issuer.origin)
        .env(env::SERVER_BASE_URL, ehr.server.base().as_str());
    proof(&mut command);
    let server = Running::start(&mut command);
    let origin = server.origin();
    for user in ["one", "two"] {
        let answer = read(&origin, &issuer, user).await;
        assert_eq!(answer["result"]["isError"], false, "{answer}");
    }
    // One token of the program's own, and nothing of the users'.
    let expected = "Bearer access-1";
    let reads = ehr.requests("/fhir/r4/Patient/p1");
    let sent = reads.iter().map(|request| request.header("authorization"));
    assert_eq!(sent.collect::<Vec<_>>(), [Some(expected); 2]);
    let grants = ehr.token_forms();
    assert_eq!(grants.len(), 1);
    assert_eq!(grants[0]["grant_type"], "client_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_serve_all_users() {
    both_users_read(|command| {
        command
            .env(env::SERVER_CLIENT_ID, CLIENT)
            .env(env::SERVER_CLIENT_SECRET, "secret")
            .env(env::SERVER_SCOPES, "system/*.rs")
            .env(env::AUTH_GRANT, "client_credentials");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backend_services_serve_all_users() {
    both_users_read(|command| {
        command
            .env(env::SERVER_CLIENT_ID, CLIENT)
            .env(env::AUTH_PRIVATE_KEY_FILE, "key.pem")
            .env(env::AUTH_KEY_ID, "key-1")
            .env(env::SERVER_SCOPES, "system/*.rs");
    })
    .await;
}
