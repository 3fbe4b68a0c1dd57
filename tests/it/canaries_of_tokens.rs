//! Canaries of sign-ins: what lets somebody in, or leads to what does, is in no
//! log, at either side and whatever goes wrong.

use std::sync::Arc;

use fhir_mcp_server::{
    auth::smart::{Authentication, SigningKey, TokenCredential},
    client::{Credential as _, Secret},
};
use serde_json::{Value, json};

use crate::support::{
    authorization_server::{Ehr, P384},
    deployment::{Browser, Deployment, Setup, VERIFIER, location, query, sealed},
    fhir_server::Reply,
    log::Log,
};

const SECRET: &str = "canary-client-secret";
const STATE: &str = "canary state of the client";
const STRANGE: &str = "canary-token-of-nobody";
const DESCRIPTION: &str = "canary-description-of-the-server";

/// What must not be logged, by what it is.
#[derive(Default)]
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    fn add(&mut self, kind: &'static str, value: impl Into<String>) {
        self.0.push((kind, value.into()));
    }

    /// Strings of a JSON object.
    fn members(&mut self, of: &Value, names: &[&'static str]) {
        for name in names {
            self.add(name, of[*name].as_str().expect(name));
        }
    }

    /// What the authorization server saw and gave.
    fn upstream(&mut self, server: &Deployment) {
        let behaviour = server.upstream.behaviour();
        let requests = [
            (
                &behaviour.authorizations,
                ["state", "nonce", "code_challenge"],
            ),
            (
                &behaviour.exchanges,
                ["code", "code_verifier", "refresh_token"],
            ),
        ];
        for (requests, names) in requests {
            for name in names {
                for request in requests.iter() {
                    if let Some(value) = request.get(name) {
                        self.add(name, value);
                    }
                }
            }
        }
        for token in &behaviour.id_tokens {
            self.add("id_token", token);
        }
        for token in &behaviour.fhir {
            self.add("access_token", token.trim_start_matches("Bearer "));
        }
    }

    #[expect(clippy::print_stdout, reason = "a test says what it counted")]
    fn assert_not_in(&self, log: &Log, kinds: &[&str], flows: usize) {
        for kind in kinds {
            let seen = self.0.iter().any(|(known, _)| known == kind);
            assert!(seen, "no {kind} was seen");
        }
        let values: Vec<&str> = self.0.iter().map(|(_, value)| value.as_str()).collect();
        assert!(values.iter().all(|value| !value.is_empty()));
        log.assert_without(&values);
        let (kinds, values) = (kinds.len(), values.len());
        println!("log canaries: {kinds} kinds, {values} values through {flows} flows, 0 hits");
    }
}

/// Goes back from the sign-in: the answer of this server.
async fn come_back(
    server: &Deployment,
    client: &str,
    canaries: &mut Canaries,
) -> (reqwest::Response, Browser) {
    let mut browser = Browser::default();
    let scope = [("state", STATE), ("scope", "fhir.read fhir.write")];
    let page = browser.open(server, client, &scope).await;
    canaries.add("form", sealed(&page));
    let back = browser.agree(server, &page).await;
    let answer = browser.get(&back).await;
    for value in browser.0.values() {
        canaries.add("cookie", value);
    }
    (answer, browser)
}

#[tokio::test]
async fn the_facade_logs_nothing_that_lets_in() {
    let log = Log::start();
    let mut canaries = Canaries::default();
    let server = Deployment::start(Setup {
        secret: Some(SECRET),
        ..Setup::default()
    })
    .await;
    canaries.add("client_secret", SECRET);
    canaries.add("state of the client", STATE);
    canaries.add("verifier of the client", VERIFIER);
    canaries.add("token of nobody", STRANGE);
    let client = server.client().await;
    let mut flows = 0;

    // A sign-in, expiry at both sides, reuse, the end.
    let (answer, mut browser) = come_back(&server, &client, &mut canaries).await;
    let back = query(&location(&answer));
    let code = &back["code"];
    canaries.add("code of the client", code);
    let forged = format!("/oauth/callback?code={code}&state={STRANGE}");
    browser.get(&server.url(&forged)).await;
    let (status, tokens) = server.redeem(&client, code).await;
    assert_eq!(status, 200, "{tokens}");
    canaries.members(&tokens, &["access_token", "refresh_token"]);
    let access = tokens["access_token"].as_str().unwrap();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(server.read(access).await["isError"], false);
    server.upstream.behaviour().forget_access_tokens();
    assert_eq!(server.read(access).await["isError"], false);
    let (status, fresh) = server.refresh(&client, refresh).await;
    assert_eq!(status, 200);
    canaries.members(&fresh, &["access_token", "refresh_token"]);
    server.refresh(&client, refresh).await;
    server.redeem(&client, code).await;
    server.list(fresh["access_token"].as_str()).await;
    for token in [None, Some(STRANGE), Some("")] {
        server.list(token).await;
    }
    flows += 12;

    // The FHIR server's authorization server no longer plays along.
    let (answer, _) = come_back(&server, &client, &mut canaries).await;
    let code = query(&location(&answer))["code"].clone();
    canaries.add("code of the client", &code);
    let (_, tokens) = server.redeem(&client, &code).await;
    server.upstream.behaviour().forget_access_tokens();
    server.upstream.behaviour().forget_refresh_tokens();
    let access = tokens["access_token"].as_str();
    let arguments = json!({ "type": "Patient", "id": "one" });
    server.call(access, "read", arguments).await;
    server.upstream.behaviour().denies = true;
    come_back(&server, &client, &mut canaries).await;
    server.upstream.behaviour().denies = false;
    server.upstream.behaviour().redirect_issuer = Some("https://evil.example".to_owned());
    come_back(&server, &client, &mut canaries).await;
    server.upstream.behaviour().redirect_issuer = None;
    server.upstream.behaviour().broken = true;
    come_back(&server, &client, &mut canaries).await;
    flows += 5;

    canaries.upstream(&server);
    let kinds = [
        "client_secret",
        "state",
        "nonce",
        "code_challenge",
        "code",
        "code_verifier",
        "refresh_token",
        "access_token",
        "id_token",
        "code of the client",
        "state of the client",
        "verifier of the client",
        "token of nobody",
        "form",
        "cookie",
    ];
    canaries.assert_not_in(&log, &kinds, flows);
}

#[tokio::test]
async fn a_resource_server_logs_no_token() {
    let log = Log::start();
    let mut canaries = Canaries::default();
    let server = Deployment::resource_server().await;
    let ours = server.url("/mcp");
    let changes: [(&str, Value); 5] = [
        ("scope", json!("fhir.read")),
        ("aud", json!("https://other.example")),
        ("exp", json!(1)),
        ("iss", json!("https://evil.example")),
        ("scope", json!("openid")),
    ];
    let flows = changes.len() + 2;
    for (claim, value) in changes {
        let token = server.upstream.token(&ours, |claims| claims[claim] = value);
        let arguments = json!({ "type": "Patient", "id": "one" });
        server.call(Some(&token), "read", arguments).await;
        let signature = token.rsplit('.').next().unwrap().to_owned();
        canaries.add("signature", signature);
        canaries.add("access_token", token);
    }
    server.list(Some(STRANGE)).await;
    canaries.add("access_token", STRANGE);
    // The issuer is gone, so that another key cannot be looked for.
    server.upstream.behaviour().broken = true;
    server.list(Some(STRANGE)).await;
    canaries.assert_not_in(&log, &["access_token", "signature"], flows);
}

#[tokio::test]
async fn a_client_of_the_fhir_server_logs_no_proof() {
    let log = Log::start();
    let mut canaries = Canaries::default();
    let key = SigningKey::from_pem(&Secret::new(P384), "key-1").unwrap();
    let proofs = [
        Authentication::Secret(Secret::new(SECRET)),
        Authentication::PrivateKeyJwt(Arc::new(key)),
    ];
    let mut flows = 0;
    for proof in proofs {
        for status in [200, 400, 401, 500] {
            let ehr = Ehr::start(move |call| {
                let refusal = json!({"error": "invalid_client", "error_description": DESCRIPTION});
                let reply = Reply::json(status, refusal.to_string());
                (call.path == "/token" && status != 200).then(|| reply.into_json())
            })
            .await;
            let client = Arc::new(ehr.client_with(proof.clone(), "system/*.rs"));
            let credential = TokenCredential::of_system(client);
            let headers = credential.headers().await;
            assert_eq!(headers.is_ok(), status == 200, "{status}");
            if let Ok(headers) = headers {
                credential.refused(&headers).await.unwrap();
            }
            for form in ehr.token_forms() {
                if let Some(assertion) = form.get("client_assertion") {
                    canaries.add("client_assertion", assertion);
                }
            }
            flows += 1;
        }
    }
    canaries.add("client_secret", SECRET);
    canaries.add("access_token", "access-1");
    canaries.add("refresh_token", "refresh-1");
    // Nothing else is logged here, and an empty log could be one that is broken.
    tracing::warn!("the log is there");
    let kinds = [
        "client_secret",
        "client_assertion",
        "access_token",
        "refresh_token",
    ];
    canaries.assert_not_in(&log, &kinds, flows);
}
