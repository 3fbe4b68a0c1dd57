//! Sign-in on this machine, and the file that keeps it.

use std::{sync::Arc, time::Duration};

use fhir_mcp_server::{
    auth::smart::{
        LaunchOptions, StandaloneLaunch, TokenCredential, TokenFile, TokenSet, TokenStore,
    },
    client::{CredentialError, HttpClient, HttpOptions, Source},
    mcp::{self, Options},
};
use rmcp::{ServiceExt, model::CallToolRequestParams};
use serde_json::json;
use tokio::sync::Notify;
use url::Url;

use crate::support::{
    authorization_server::{CLIENT, Ehr, token},
    cases::{Case, case},
    fhir_server::Reply,
};

fn launch(ehr: &Ehr, store: Option<Arc<dyn TokenStore>>) -> TokenCredential {
    let options = LaunchOptions {
        redirect_uri: None,
        open_browser: false,
        store,
    };
    TokenCredential::new(StandaloneLaunch::new(Arc::new(ehr.client()), options), None)
}

async fn sign_in_url(credential: &TokenCredential) -> Url {
    match credential.tokens().await {
        Err(CredentialError::SignIn { url }) => url,
        other => panic!("{other:?}"),
    }
}

/// Gets a page without following redirects: status, location, body.
async fn page(url: &Url) -> (u16, Option<Url>, String) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let response = client.get(url.clone()).send().await.unwrap();
    let location = response.headers().get("location");
    let location = location.map(|text| text.to_str().unwrap().parse().unwrap());
    let status = response.status().as_u16();
    (status, location, response.text().await.unwrap())
}

/// What a browser does: the authorization server, then the redirect.
async fn browse(url: &Url) -> (u16, String) {
    let (_, location, _) = page(url).await;
    let (status, _, text) = page(&location.unwrap()).await;
    (status, text)
}

fn file(folder: &tempfile::TempDir, ehr: &Ehr) -> TokenFile {
    TokenFile::new(folder.path().join("tokens"), &ehr.server.base(), CLIENT)
}

fn tokens() -> TokenSet {
    serde_json::from_value(json!({"access_token": "a", "refresh_token": "r"})).unwrap()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = sign_ins();
    cases.extend(files());
    cases
}

fn sign_ins() -> Vec<Case> {
    vec![
        case!("a person signs in, and the next call has a token", {
            let ehr = Ehr::good().await;
            let credential = launch(&ehr, None);
            let (status, _) = browse(&sign_in_url(&credential).await).await;
            assert_eq!(status, 200);
            let tokens = credential.tokens().await.unwrap();
            assert_eq!(tokens.access_token.expose(), "access-1");
            let redirect = &ehr.token_forms()[0]["redirect_uri"];
            assert!(redirect.starts_with("http://127.0.0.1:") && redirect.ends_with("/callback"));
        }),
        case!("a made-up answer changes nothing", {
            let ehr = Ehr::good().await;
            let credential = launch(&ehr, None);
            let url = sign_in_url(&credential).await;
            let (_, callback, _) = page(&url).await;
            let mut forged = callback.unwrap();
            forged.set_query(Some("code=evil&state=evil"));
            assert_eq!(page(&forged).await.0, 400);
            assert!(ehr.requests("/token").is_empty());
            assert_eq!(browse(&url).await.0, 200);
            credential.tokens().await.unwrap();
        }),
        case!("an answer counts once", {
            let ehr = Ehr::good().await;
            let credential = launch(&ehr, None);
            let (_, callback, _) = page(&sign_in_url(&credential).await).await;
            let callback = callback.unwrap();
            assert_eq!(page(&callback).await.0, 200);
            assert_eq!(page(&callback).await.0, 400);
            assert_eq!(ehr.requests("/token").len(), 1);
        }),
        case!("the page of the redirect tells browsers to keep quiet", {
            let ehr = Ehr::good().await;
            let credential = launch(&ehr, None);
            let (_, callback, _) = page(&sign_in_url(&credential).await).await;
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let response = client.get(callback.unwrap()).send().await.unwrap();
            assert_eq!(response.headers()["referrer-policy"], "no-referrer");
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(!response.text().await.unwrap().contains("code-1"));
        }),
        case!(
            "who closes the page too early has signed in all the same",
            {
                let go_on = Arc::new(Notify::new());
                let held = Arc::clone(&go_on);
                let ehr = Ehr::start(move |call| {
                    (call.path == "/token").then(|| {
                        let reply = Reply::json(200, token(call.tokens).to_string()).into_json();
                        reply.held(Arc::clone(&held))
                    })
                })
                .await;
                let credential = launch(&ehr, None);
                let (_, callback, _) = page(&sign_in_url(&credential).await).await;
                let callback = callback.unwrap();
                let moment = Duration::from_millis(20);
                {
                    let mut tab = std::pin::pin!(page(&callback));
                    while ehr.requests("/token").is_empty() {
                        let waited = tokio::time::timeout(moment, &mut tab).await;
                        assert!(waited.is_err(), "the answer is held");
                    }
                }
                // The server has to see that the connection is gone.
                tokio::time::sleep(10 * moment).await;
                go_on.notify_one();
                let tokens = credential.tokens().await.unwrap();
                assert_eq!(tokens.access_token.expose(), "access-1");
            }
        ),
        case!("another host name finds nothing", {
            let ehr = Ehr::good().await;
            let credential = launch(&ehr, None);
            let (_, callback, _) = page(&sign_in_url(&credential).await).await;
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.get(callback.unwrap()).header("host", "evil.example");
            assert_eq!(request.send().await.unwrap().status(), 404);
            assert!(ehr.requests("/token").is_empty());
        }),
        case!("a person who refuses is told so, and may try again", {
            let ehr = Ehr::good().await;
            let credential = launch(&ehr, None);
            let url = sign_in_url(&credential).await;
            let (_, callback, _) = page(&url).await;
            let mut refused = callback.unwrap();
            let state = refused.query_pairs().find(|(name, _)| name == "state");
            let query = format!("error=access_denied&state={}", state.unwrap().1);
            refused.set_query(Some(&query));
            assert_eq!(page(&refused).await.0, 400);
            let error = credential.tokens().await.unwrap_err();
            assert!(error.to_string().contains("access_denied"), "{error}");
            assert_ne!(sign_in_url(&credential).await, url);
        }),
        case!(
            "the answer of a tool names the page, and the call works afterwards",
            {
                let ehr = Ehr::good().await;
                let credential = launch(&ehr, None);
                let client = HttpClient::new(HttpOptions {
                    credential: Some(Arc::new(credential)),
                    ..HttpOptions::new(ehr.server.base())
                });
                let server =
                    mcp::FhirServer::new(Source::Http(client.unwrap()), Options::default());
                let (near, far) = tokio::io::duplex(1 << 20);
                tokio::spawn(async move { server.serve(far).await.unwrap().waiting().await });
                let client = ().serve(near).await.unwrap();
                let arguments = json!({"type": "Patient", "id": "p1"});
                let call = CallToolRequestParams::new("read")
                    .with_arguments(arguments.as_object().unwrap().clone());
                let answer = client.call_tool(call.clone()).await.unwrap();
                assert_eq!(answer.is_error, Some(true));
                let text = &answer.content[0].as_text().unwrap().text;
                let start = text.find("http://").unwrap();
                let url = text[start..].split(' ').next().unwrap().parse().unwrap();
                assert_eq!(browse(&url).await.0, 200);
                let answer = client.call_tool(call).await.unwrap();
                assert_eq!(answer.is_error, Some(false), "{answer:?}");
            }
        ),
    ]
}

fn files() -> Vec<Case> {
    vec![
        case!("tokens outlive the program", {
            let ehr = Ehr::good().await;
            let folder = tempfile::tempdir().unwrap();
            let first = launch(&ehr, Some(Arc::new(file(&folder, &ehr))));
            browse(&sign_in_url(&first).await).await;
            first.tokens().await.unwrap();
            let second = launch(&ehr, Some(Arc::new(file(&folder, &ehr))));
            assert_eq!(
                second.tokens().await.unwrap().access_token.expose(),
                "access-1"
            );
            assert_eq!(ehr.requests("/token").len(), 1);
        }),
        case!("only the owner can read the file", {
            let ehr = Ehr::good().await;
            let folder = tempfile::tempdir().unwrap();
            let file = file(&folder, &ehr);
            file.save(Some(&tokens())).await.unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let path = folder.path().join("tokens");
                let mode = std::fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
                let error = file.load().await.unwrap_err().to_string();
                assert!(error.contains("chmod 600"), "{error}");
            }
        }),
        case!("the file is replaced as a whole", {
            let ehr = Ehr::good().await;
            let folder = tempfile::tempdir().unwrap();
            let file = file(&folder, &ehr);
            file.save(Some(&tokens())).await.unwrap();
            file.save(Some(&tokens())).await.unwrap();
            let names = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(names, 1);
            file.save(None).await.unwrap();
            assert!(file.load().await.unwrap().is_none());
        }),
        case!("tokens of another server or client are not used", {
            let ehr = Ehr::good().await;
            let folder = tempfile::tempdir().unwrap();
            file(&folder, &ehr).save(Some(&tokens())).await.unwrap();
            let path = folder.path().join("tokens");
            let other = "https://other.example/fhir".parse().unwrap();
            let base = ehr.server.base();
            let others = [
                TokenFile::new(path.clone(), &other, CLIENT),
                TokenFile::new(path, &base, "client-2"),
            ];
            for other in others {
                assert!(other.load().await.unwrap().is_none());
            }
        }),
        case!("programs that share the file take turns", {
            let ehr = Ehr::start(|call| {
                (call.path == "/token").then(|| {
                    let reused = call
                        .form
                        .get("refresh_token")
                        .is_none_or(|given| *given != format!("refresh-{}", call.tokens - 1));
                    match reused {
                        true => Reply::json(400, r#"{"error":"invalid_grant"}"#).into_json(),
                        false => Reply::json(200, token(call.tokens).to_string()).into_json(),
                    }
                })
            })
            .await;
            let folder = tempfile::tempdir().unwrap();
            let old = json!({"access_token": "a", "refresh_token": "refresh-0", "renew_at": 1});
            let old: TokenSet = serde_json::from_value(old).unwrap();
            file(&folder, &ehr).save(Some(&old)).await.unwrap();
            let programs: Vec<_> = (0..8)
                .map(|_| launch(&ehr, Some(Arc::new(file(&folder, &ehr)))))
                .collect();
            let calls = programs.iter().map(TokenCredential::tokens);
            for result in futures::future::join_all(calls).await {
                assert_eq!(result.unwrap().access_token.expose(), "access-1");
            }
            assert_eq!(ehr.requests("/token").len(), 1);
        }),
    ]
}
