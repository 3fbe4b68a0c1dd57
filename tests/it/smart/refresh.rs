//! Tokens that renew themselves.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use fhir_mcp_server::{
    auth::smart::{Authentication, TokenCredential, TokenSet, TokenStore},
    client::{Credential, CredentialError, HttpClient, HttpOptions, Interaction, Secret},
};
use futures::future::{BoxFuture, join_all};
use serde_json::{Value, json};

use crate::support::{
    authorization_server::{Ehr, token},
    cases::{Case, case},
    fhir_server::Reply,
};

const RECORD: &str = "/fhir/r4/Patient/p1";

fn read() -> Interaction {
    Interaction::Read {
        resource_type: "Patient".to_owned(),
        id: "p1".to_owned(),
        operation: None,
        parameters: Vec::new(),
    }
}

fn tokens(access: &str, refresh: Option<&str>, renew_at: Option<u64>) -> TokenSet {
    serde_json::from_value(json!({
        "access_token": access, "refresh_token": refresh, "renew_at": renew_at,
        "scope": "patient/*.rs", "patient": "p1", "user": "Practitioner/1",
    }))
    .unwrap()
}

/// Tokens that have to be renewed.
fn old() -> TokenSet {
    tokens("access-0", Some("refresh-0"), Some(1))
}

fn user(ehr: &Ehr, tokens: TokenSet) -> TokenCredential {
    TokenCredential::of_user(Arc::new(ehr.client()), tokens, None)
}

fn fhir(ehr: &Ehr, credential: &TokenCredential) -> HttpClient {
    HttpClient::new(HttpOptions {
        credential: Some(Arc::new(credential.clone())),
        ..HttpOptions::new(ehr.server.base())
    })
    .unwrap()
}

/// An EHR whose answers to token requests are these, by number.
async fn answering(reply: impl Fn(usize) -> (u16, Value) + Send + Sync + 'static) -> Ehr {
    Ehr::start(move |call| {
        (call.path == "/token").then(|| {
            let (status, body) = reply(call.tokens);
            Reply::json(status, body.to_string()).into_json()
        })
    })
    .await
}

/// An EHR whose tokens differ from good ones in these members.
async fn renewing(changes: &[(&'static str, Value)]) -> Ehr {
    let changes = changes.to_vec();
    answering(move |number| {
        let mut reply = token(number);
        for (name, value) in &changes {
            reply[*name] = value.clone();
        }
        (200, reply)
    })
    .await
}

/// The refresh tokens that are used for two tokens.
async fn used_up_by_two(ehr: &Ehr) -> Vec<String> {
    let credential = user(ehr, old());
    credential.tokens().await.unwrap();
    credential.tokens().await.unwrap();
    let forms = ehr.token_forms();
    forms
        .iter()
        .map(|form| form["refresh_token"].clone())
        .collect()
}

async fn refusing() -> Ehr {
    answering(|_| (400, json!({"error": "invalid_grant"}))).await
}

#[derive(Debug, Default)]
struct Memory {
    kept: Mutex<Option<TokenSet>>,
    saves: AtomicUsize,
}

impl TokenStore for Memory {
    fn lock(&self) -> BoxFuture<'_, Result<Box<dyn Send>, CredentialError>> {
        Box::pin(async { Ok(Box::new(()) as Box<dyn Send>) })
    }

    fn load(&self) -> BoxFuture<'_, Result<Option<TokenSet>, CredentialError>> {
        Box::pin(async { Ok(self.kept.lock().unwrap().clone()) })
    }

    fn save<'a>(
        &'a self,
        tokens: Option<&'a TokenSet>,
    ) -> BoxFuture<'a, Result<(), CredentialError>> {
        self.saves.fetch_add(1, Ordering::SeqCst);
        *self.kept.lock().unwrap() = tokens.cloned();
        Box::pin(async { Ok(()) })
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = renewal();
    cases.extend(after_a_401());
    cases.extend(stores());
    cases
}

fn renewal() -> Vec<Case> {
    vec![
        case!("a fresh token is used without asking", {
            let ehr = Ehr::good().await;
            let credential = user(&ehr, tokens("a", None, None));
            assert_eq!(
                credential.tokens().await.unwrap().access_token.expose(),
                "a"
            );
            assert!(ehr.requests("/token").is_empty());
        }),
        case!("50 calls at once make one refresh", {
            let ehr = Ehr::good().await;
            let credential = user(&ehr, old());
            let client = fhir(&ehr, &credential);
            let calls = (0..50).map(|_| async { client.send(&read()).await.unwrap().status });
            assert!(join_all(calls).await.iter().all(|status| *status == 200));
            assert_eq!(ehr.requests("/token").len(), 1);
            assert_eq!(ehr.requests(RECORD).len(), 50);
        }),
        case!("50 calls at once share a failure", {
            // Slow, so that all of them have begun when it fails.
            let ehr = answering(|_| {
                thread::sleep(Duration::from_secs(1));
                (400, json!({"error": "invalid_grant"}))
            })
            .await;
            let credential = user(&ehr, old());
            let calls = (0..50).map(|_| credential.tokens());
            assert!(join_all(calls).await.iter().all(Result::is_err));
            assert_eq!(ehr.requests("/token").len(), 1);
        }),
        case!("a rotated refresh token replaces the old one", {
            let ehr = renewing(&[("expires_in", json!(0))]).await;
            assert_eq!(used_up_by_two(&ehr).await, ["refresh-0", "refresh-1"]);
        }),
        case!("one that is not rotated stays", {
            let ehr = renewing(&[("expires_in", json!(0)), ("refresh_token", Value::Null)]).await;
            assert_eq!(used_up_by_two(&ehr).await, ["refresh-0", "refresh-0"]);
        }),
        case!("the request is that of the specification", {
            let ehr = Ehr::good().await;
            user(&ehr, old()).tokens().await.unwrap();
            let form = &ehr.token_forms()[0];
            assert_eq!(form["grant_type"], "refresh_token");
            assert_eq!(form.len(), 3, "{form:?}");
        }),
        case!("patient and user outlive a refresh", {
            let ehr = Ehr::good().await;
            let grant = user(&ehr, old()).grant().await.unwrap();
            assert_eq!(grant.patient.as_deref(), Some("p1"));
            assert_eq!(grant.user.as_deref(), Some("Practitioner/1"));
        }),
        case!("fewer scopes than before are taken over", {
            let ehr = renewing(&[("scope", json!("patient/Patient.r"))]).await;
            let grant = user(&ehr, old()).grant().await.unwrap();
            assert_eq!(grant.scope.as_deref(), Some("patient/Patient.r"));
        }),
        case!("a refresh token that is used up ends the session", {
            let ehr = refusing().await;
            let error = user(&ehr, old()).tokens().await.unwrap_err();
            assert!(error.to_string().contains("sign in again"), "{error}");
        }),
        case!("a call that is cancelled loses no refresh token", {
            let ehr = Ehr::good().await;
            let credential = user(&ehr, old());
            let soon = std::time::Duration::from_micros(1);
            drop(tokio::time::timeout(soon, credential.tokens()).await);
            credential.tokens().await.unwrap();
            assert_eq!(ehr.requests("/token").len(), 1);
        }),
        case!("client credentials are asked for anew", {
            let ehr = renewing(&[("expires_in", json!(0))]).await;
            let secret = Authentication::Secret(Secret::new("s"));
            let client = ehr.client_with(secret, "system/*.rs");
            let credential = TokenCredential::of_system(Arc::new(client));
            credential.tokens().await.unwrap();
            credential.tokens().await.unwrap();
            let grants: Vec<_> = ehr
                .token_forms()
                .iter()
                .map(|form| form["grant_type"].clone())
                .collect();
            assert_eq!(grants, ["client_credentials", "client_credentials"]);
        }),
    ]
}

fn after_a_401() -> Vec<Case> {
    vec![
        case!("a 401 makes one refresh and one more try", {
            let ehr = Ehr::good().await;
            let credential = user(&ehr, tokens("stale", Some("refresh-0"), None));
            assert_eq!(
                fhir(&ehr, &credential).send(&read()).await.unwrap().status,
                200
            );
            assert_eq!(ehr.requests("/token").len(), 1);
            assert_eq!(ehr.requests(RECORD).len(), 2);
        }),
        case!("50 of them at once make one refresh", {
            let ehr = Ehr::good().await;
            let credential = user(&ehr, tokens("stale", Some("refresh-0"), None));
            let client = fhir(&ehr, &credential);
            let calls = (0..50).map(|_| async { client.send(&read()).await.unwrap().status });
            assert!(join_all(calls).await.iter().all(|status| *status == 200));
            assert_eq!(ehr.requests("/token").len(), 1);
        }),
        case!("a 401 to the new token is the answer", {
            let ehr =
                Ehr::start(|call| (call.path == RECORD).then(|| Reply::json(401, "{}"))).await;
            let credential = user(&ehr, tokens("stale", Some("refresh-0"), None));
            assert_eq!(
                fhir(&ehr, &credential).send(&read()).await.unwrap().status,
                401
            );
            assert_eq!(ehr.requests("/token").len(), 1);
            assert_eq!(ehr.requests(RECORD).len(), 2);
        }),
        case!("without a refresh token it is the answer at once", {
            let ehr = Ehr::good().await;
            let credential = user(&ehr, tokens("stale", None, None));
            assert_eq!(
                fhir(&ehr, &credential).send(&read()).await.unwrap().status,
                401
            );
            assert!(ehr.requests("/token").is_empty());
            assert_eq!(ehr.requests(RECORD).len(), 1);
        }),
        case!("a 403 renews nothing", {
            let ehr =
                Ehr::start(|call| (call.path == RECORD).then(|| Reply::json(403, "{}"))).await;
            let credential = user(&ehr, tokens("a", Some("refresh-0"), None));
            assert_eq!(
                fhir(&ehr, &credential).send(&read()).await.unwrap().status,
                403
            );
            assert!(ehr.requests("/token").is_empty());
        }),
    ]
}

fn stores() -> Vec<Case> {
    vec![
        case!("tokens that another process renewed are taken", {
            let ehr = Ehr::good().await;
            let store = Arc::new(Memory::default());
            *store.kept.lock().unwrap() = Some(tokens("newer", Some("r"), None));
            let credential =
                TokenCredential::of_user(Arc::new(ehr.client()), old(), Some(store.clone()));
            assert_eq!(
                credential.tokens().await.unwrap().access_token.expose(),
                "newer"
            );
            assert!(ehr.requests("/token").is_empty());
        }),
        case!("the refresh token of the store is the one that counts", {
            let ehr = Ehr::good().await;
            let store = Arc::new(Memory::default());
            *store.kept.lock().unwrap() = Some(tokens("x", Some("refresh-7"), Some(1)));
            let credential =
                TokenCredential::of_user(Arc::new(ehr.client()), old(), Some(store.clone()));
            credential.tokens().await.unwrap();
            assert_eq!(ehr.token_forms()[0]["refresh_token"], "refresh-7");
            let kept = store.kept.lock().unwrap().clone().unwrap();
            assert_eq!(kept.access_token.expose(), "access-1");
        }),
        case!("a session that is over is forgotten", {
            let ehr = refusing().await;
            let store = Arc::new(Memory::default());
            *store.kept.lock().unwrap() = Some(old());
            let credential =
                TokenCredential::of_user(Arc::new(ehr.client()), old(), Some(store.clone()));
            credential.tokens().await.unwrap_err();
            assert!(store.kept.lock().unwrap().is_none());
        }),
        case!(
            "a server that fails for a while is no end of the session",
            {
                let ehr = answering(|number| match number {
                    1 => (503, json!({"error": "temporarily_unavailable"})),
                    _ => (200, token(number)),
                })
                .await;
                let store = Arc::new(Memory::default());
                *store.kept.lock().unwrap() = Some(old());
                let credential =
                    TokenCredential::of_user(Arc::new(ehr.client()), old(), Some(store.clone()));
                credential.tokens().await.unwrap_err();
                credential.tokens().await.unwrap();
                assert_eq!(store.saves.load(Ordering::SeqCst), 1);
            }
        ),
    ]
}
