//! Several instances with one `FHIR_MCP_SEAL_KEY`, as processes: who was asked by
//! one may answer to another, however clients are authorized.

use std::path::Path;

use fhir_mcp_server::config::env;
use serde_json::json;

use super::{
    Answer, Client, call,
    confirmation::{confirmed, outcome, sealed},
};
use crate::support::{oauth_server::OAuthServer, program, running::Running};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "another-key-of-32-characters-at-least";
/// Under which clients know all instances.
const PUBLIC: &str = "https://mcp.example.org";

/// An instance that serves one patient, and may write.
fn instance(folder: &Path, key: &str, authorization: (&str, &str)) -> Running {
    let mut command = program::program(folder);
    command
        .args(["--fixtures", "patient.json", "--allow-writes"])
        .env(env::MCP_HOST, "127.0.0.1")
        .env(env::MCP_PORT, "0")
        .env(env::MCP_SERVER_URL, PUBLIC)
        .env(env::MCP_SEAL_KEY, key)
        .env(authorization.0, authorization.1);
    Running::start(&mut command)
}

/// Asks the first of two instances, and says whether the second takes the
/// answer.
async fn is_taken(
    keys: [&str; 2],
    authorization: (&str, &str),
    tokens: [Option<String>; 2],
) -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("patient.json"), program::PATIENT).unwrap();
    let [first, second] = keys.map(|key| instance(folder.path(), key, authorization));
    let [token, other_token] = tokens;
    let asking = Client::of(&first.origin(), token, Answer::Silence).await;
    let answering = Client::of(&second.origin(), other_token, Answer::Silence).await;
    let payload = json!({"resourceType": "Patient", "id": "one", "active": false});
    let arguments = json!({"type": "Patient", "id": "one", "payload": payload});
    let request = call("update", &arguments);
    let state = sealed(&asking, &request).await;
    let confirmed = confirmed(request, &state);
    let (succeeded, text) = outcome(&answering, confirmed).await;
    assert!(succeeded || text.contains("does not hold"), "{text}");
    succeeded
}

const OPEN: (&str, &str) = (env::SERVER_DISABLE_AUTHORIZATION, "True");

#[tokio::test(flavor = "multi_thread")]
async fn without_authorization() {
    assert!(is_taken([KEY, KEY], OPEN, [None, None]).await);
    assert!(!is_taken([KEY, OTHER_KEY], OPEN, [None, None]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tokens_of_another_server() {
    let issuer = OAuthServer::start().await;
    let authorization = (env::MCP_AUTHORIZATION_SERVER, issuer.origin.as_str());
    let token = |user: &str| {
        let audience = format!("{PUBLIC}/mcp");
        Some(issuer.token(&audience, |claims| {
            claims["sub"] = user.into();
            claims["scope"] = "fhir.write".into();
        }))
    };
    let one_user = || [token("one"), token("one")];
    assert!(is_taken([KEY, KEY], authorization, one_user()).await);
    assert!(!is_taken([KEY, OTHER_KEY], authorization, one_user()).await);
    let two_users = [token("one"), token("two")];
    assert!(!is_taken([KEY, KEY], authorization, two_users).await);
}
