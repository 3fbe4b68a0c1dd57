//! Tokens of the facade: codes, access and refresh tokens, sessions.

use std::{sync::Arc, time::Duration};

use fhir_mcp_server::auth::facade::store::{Key, Kind, Store};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::deployment::{Browser, Deployment, REDIRECT, VERIFIER, form_body, plain};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A code for a client.
async fn code(server: &Deployment, client: &str) -> String {
    let mut browser = Browser::default();
    let page = browser.open(server, client, &[]).await;
    browser.code(server, &page).await
}

/// Whether the token still lets in.
async fn works(server: &Deployment, token: &Value) -> bool {
    let status = server.list(Some(text(token))).await.status();
    assert!(matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED));
    status == StatusCode::OK
}

#[tokio::test]
async fn a_user_who_signed_in_reads_as_themselves() {
    let (server, _, tokens) = Deployment::signed_in("fhir.read").await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], "fhir.read");
    let answer = server.read(text(&tokens["access_token"])).await;
    assert_eq!(answer["isError"], false, "{answer}");
    let seen = server.upstream.behaviour().fhir.clone();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with("Bearer upstream-access-"));
}

/// A record may be shared, and a subject never is.
#[tokio::test]
async fn a_user_is_who_the_id_token_is_about() {
    let (server, client) = Deployment::with_client().await;
    let mut principals = Vec::new();
    for user in [
        ("1", "Practitioner/one"),
        ("1", "Practitioner/two"),
        ("2", "Practitioner/one"),
    ] {
        server.upstream.behaviour().user = user;
        let tokens = server.sign_in(&client, "fhir.read").await;
        let caller = server.check.caller(text(&tokens["access_token"])).await;
        principals.push(caller.unwrap().principal);
    }
    assert_eq!(principals[0], principals[1]);
    assert_ne!(principals[0], principals[2]);
}

/// Neither side sees a token of the other.
#[tokio::test]
async fn tokens_stay_on_their_side() {
    let (server, _, tokens) = Deployment::signed_in("fhir.write").await;
    assert!(!tokens.to_string().contains("upstream"));
    server.read(text(&tokens["access_token"])).await;
    let seen = {
        let behaviour = server.upstream.behaviour();
        format!("{:?} {:?}", behaviour.fhir, behaviour.exchanges)
    };
    for name in ["access_token", "refresh_token"] {
        assert!(!seen.contains(text(&tokens[name])));
    }
    for token in ["upstream-access-2", "upstream-refresh-2"] {
        assert!(!works(&server, &json!(token)).await);
    }
}

#[tokio::test]
async fn a_code_is_redeemed_once_and_a_second_time_ends_all() {
    let (server, client) = Deployment::with_client().await;
    let code = code(&server, &client).await;
    let (_, tokens) = server.redeem(&client, &code).await;
    assert!(works(&server, &tokens["access_token"]).await);
    let (status, answer) = server.redeem(&client, &code).await;
    assert_eq!(
        (status, &answer["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_grant"))
    );
    assert!(!works(&server, &tokens["access_token"]).await);
    let (status, _) = server
        .refresh(&client, text(&tokens["refresh_token"]))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_code_expires() {
    let (server, client) = Deployment::with_client().await;
    let code = code(&server, &client).await;
    server.clock.advance(Duration::from_secs(61));
    assert_eq!(
        server.redeem(&client, &code).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_code_is_of_its_client() {
    let (server, client) = Deployment::with_client().await;
    let code = code(&server, &client).await;
    let other = server.client().await;
    let (_, answer) = server.redeem(&other, &code).await;
    assert_eq!(answer["error"], "invalid_grant");
    // And is spent.
    assert_eq!(
        server.redeem(&client, &code).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_redirect() {
    let (server, client) = Deployment::with_client().await;
    let longer = format!("{VERIFIER}x");
    for (verifier, redirect) in [
        (longer.as_str(), REDIRECT),
        ("", REDIRECT),
        (VERIFIER, "http://127.0.0.1:8/callback"),
        (VERIFIER, ""),
    ] {
        let code = code(&server, &client).await;
        let (status, answer) = server
            .token(&[
                ("grant_type", "authorization_code"),
                ("client_id", &client),
                ("code", &code),
                ("redirect_uri", redirect),
                ("code_verifier", verifier),
            ])
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        assert!(answer.get("access_token").is_none());
    }
}

#[tokio::test]
async fn a_client_with_a_secret_has_to_show_it() {
    let server = Deployment::facade().await;
    let metadata =
        json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_post" });
    let registered: Value = server.register(&metadata).await.json().await.unwrap();
    let other: Value = server.register(&metadata).await.json().await.unwrap();
    let client = text(&registered["client_id"]);
    let code = code(&server, client).await;
    let form = |secret| {
        [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("client_secret", secret),
            ("code", &*code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ]
    };
    for secret in ["", "guessed", text(&other["client_secret"])] {
        let (status, answer) = server.token(&form(secret)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer["error"], "invalid_client");
    }
    let (status, _) = server
        .token(&form(text(&registered["client_secret"])))
        .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_secret_may_come_as_basic() {
    let server = Deployment::facade().await;
    let metadata = json!({ "redirect_uris": [REDIRECT] });
    let registered: Value = server.register(&metadata).await.json().await.unwrap();
    assert_eq!(
        registered["token_endpoint_auth_method"],
        "client_secret_basic"
    );
    let client = text(&registered["client_id"]);
    let code = code(&server, client).await;
    let body = form_body(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]);
    let request = |secret| {
        plain()
            .post(server.url("/token"))
            .basic_auth(client, Some(secret))
            .body(body.clone())
    };
    let answer = request("guessed").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers().contains_key("www-authenticate"));
    let answer = request(text(&registered["client_secret"]))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn other_grants_are_not_known() {
    let (server, client) = Deployment::with_client().await;
    for grant in ["password", "client_credentials", "implicit"] {
        let form = [("grant_type", grant), ("client_id", &*client)];
        let (_, answer) = server.token(&form).await;
        assert_eq!(answer["error"], "unsupported_grant_type");
    }
}

#[tokio::test]
async fn a_token_for_another_resource_is_not_given_out() {
    let (server, client) = Deployment::with_client().await;
    let code = code(&server, &client).await;
    let (_, answer) = server
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", &client),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("resource", "https://other.example/mcp"),
        ])
        .await;
    assert_eq!(answer["error"], "invalid_target");
}

#[tokio::test]
async fn an_access_token_expires_and_is_refreshed() {
    let (server, client, tokens) = Deployment::signed_in("fhir.read").await;
    let lifetime = tokens["expires_in"].as_u64().unwrap();
    server.clock.advance(Duration::from_secs(lifetime));
    assert!(!works(&server, &tokens["access_token"]).await);
    let (status, fresh) = server
        .refresh(&client, text(&tokens["refresh_token"]))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert!(works(&server, &fresh["access_token"]).await);
    assert_ne!(fresh["refresh_token"], tokens["refresh_token"]);
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_the_session() {
    let (server, client) = Deployment::with_client().await;
    let first = server.sign_in(&client, "fhir.read").await;
    let (_, second) = server.refresh(&client, text(&first["refresh_token"])).await;
    assert!(works(&server, &second["access_token"]).await);
    let (status, answer) = server.refresh(&client, text(&first["refresh_token"])).await;
    assert_eq!(
        (status, &answer["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_grant"))
    );
    for tokens in [&first, &second] {
        assert!(!works(&server, &tokens["access_token"]).await);
        let (status, _) = server
            .refresh(&client, text(&tokens["refresh_token"]))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_wins_at_most() {
    let (server, client, tokens) = Deployment::signed_in("fhir.read").await;
    let token = text(&tokens["refresh_token"]);
    let all = (0..20).map(|_| server.refresh(&client, token));
    let answers = futures::future::join_all(all).await;
    let won = answers
        .iter()
        .filter(|(status, _)| *status == StatusCode::OK);
    assert_eq!(won.count(), 1);
}

#[tokio::test]
async fn a_refresh_token_is_of_its_client() {
    let (server, _, tokens) = Deployment::signed_in("fhir.read").await;
    let thief = server.client().await;
    let (status, _) = server.refresh(&thief, text(&tokens["refresh_token"])).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(!works(&server, &tokens["access_token"]).await);
}

#[tokio::test]
async fn a_made_up_refresh_token_ends_nothing() {
    let (server, client, tokens) = Deployment::signed_in("fhir.read").await;
    for token in [
        "x",
        "fhir_mcp_x.y",
        "fhir_mcp_.",
        text(&tokens["access_token"]),
    ] {
        let (status, _) = server.refresh(&client, token).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    assert!(works(&server, &tokens["access_token"]).await);
}

#[tokio::test]
async fn a_refresh_narrows_and_never_widens() {
    let (server, client, tokens) = Deployment::signed_in("fhir.read").await;
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &*client),
        ("refresh_token", text(&tokens["refresh_token"])),
        ("scope", "fhir.write"),
    ];
    let (_, answer) = server.token(&form).await;
    assert_eq!(answer["scope"], "fhir.read");
    let arguments = json!({ "type": "Patient", "id": "one" });
    let token = text(&answer["access_token"]);
    let answer = server.call(Some(token), "delete", arguments).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_session_ends_after_thirty_days() {
    let (server, client, mut tokens) = Deployment::signed_in("fhir.read").await;
    for _ in 0..29 {
        server.clock.advance(Duration::from_secs(24 * 60 * 60));
        tokens = server
            .refresh(&client, text(&tokens["refresh_token"]))
            .await
            .1;
    }
    assert!(tokens["refresh_token"].is_string());
    server.clock.advance(Duration::from_secs(24 * 60 * 60));
    let (status, _) = server
        .refresh(&client, text(&tokens["refresh_token"]))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_revoked_session_is_over() {
    let (server, client, tokens) = Deployment::signed_in("fhir.read").await;
    let revoke = |client: String| {
        let body = form_body(&[
            ("client_id", &client),
            ("token", text(&tokens["refresh_token"])),
        ]);
        plain().post(server.url("/revoke")).body(body).send()
    };
    let other = server.client().await;
    assert_eq!(revoke(other).await.unwrap().status(), StatusCode::OK);
    assert!(works(&server, &tokens["access_token"]).await);
    assert_eq!(revoke(client).await.unwrap().status(), StatusCode::OK);
    assert!(!works(&server, &tokens["access_token"]).await);
}

#[tokio::test]
async fn the_store_holds_no_token() {
    let (server, _, tokens) = Deployment::signed_in("fhir.read").await;
    let access = text(&tokens["access_token"]);
    let key = Key::new(Kind::Access, access);
    let value = server.memory.get(key.clone()).await.unwrap().unwrap();
    assert!(!key.to_string().contains(access));
    let all = format!("{:?} {value:?}", server.memory);
    for secret in [access, text(&tokens["refresh_token"]), "upstream-"] {
        assert!(!all.contains(secret));
    }
}

#[tokio::test]
async fn upstream_tokens_are_refreshed_for_many_calls_once() {
    let server = Deployment::facade().await;
    server.upstream.behaviour().lifetime = 0;
    let client = server.client().await;
    let tokens = server.sign_in(&client, "fhir.read").await;
    server.upstream.behaviour().lifetime = 3600;
    let token = text(&tokens["access_token"]);
    let answers = futures::future::join_all((0..20).map(|_| server.read(token))).await;
    assert!(
        answers.iter().all(|answer| answer["isError"] == false),
        "{answers:?}"
    );
    assert_eq!(server.upstream.behaviour().exchanges.len(), 2);
}

/// The refresh token is used up by then: what the authorization server answers
/// must be kept all the same.
#[tokio::test]
async fn a_call_that_is_cancelled_loses_no_upstream_tokens() {
    let server = Deployment::facade().await;
    server.upstream.behaviour().lifetime = 0;
    let client = server.client().await;
    let tokens = server.sign_in(&client, "fhir.read").await;
    let hold = Arc::new(Notify::new());
    {
        let mut behaviour = server.upstream.behaviour();
        behaviour.lifetime = 3600;
        behaviour.hold = Some(Arc::clone(&hold));
    }
    let token = text(&tokens["access_token"]);
    let caller = server.check.caller(token).await.unwrap();
    let credential = caller.credential.unwrap();
    {
        let mut call = credential.headers();
        while server.upstream.behaviour().exchanges.len() < 2 {
            let moment = tokio::time::sleep(Duration::from_millis(5));
            tokio::select! {
                _ = &mut call => panic!("the answer is held"),
                () = moment => {}
            }
        }
    }
    server.upstream.behaviour().hold = None;
    hold.notify_one();
    let answer = server.read(token).await;
    assert_eq!(answer["isError"], false, "{answer}");
    assert_eq!(server.upstream.behaviour().exchanges.len(), 2);
}

/// The FHIR server forgets a token before its time.
#[tokio::test]
async fn a_refused_upstream_token_is_refreshed() {
    let (server, _, tokens) = Deployment::signed_in("fhir.read").await;
    server.upstream.behaviour().forget_access_tokens();
    let answer = server.read(text(&tokens["access_token"])).await;
    assert_eq!(answer["isError"], false, "{answer}");
}

#[tokio::test]
async fn a_user_whom_upstream_forgets_signs_in_again() {
    let (server, _, tokens) = Deployment::signed_in("fhir.read").await;
    server.upstream.behaviour().forget_access_tokens();
    server.upstream.behaviour().forget_refresh_tokens();
    let answer = server.read(text(&tokens["access_token"])).await;
    assert_eq!(answer["isError"], true);
    assert!(answer.to_string().contains("sign in again"));
    // From now on the client is told by a 401.
    assert!(!works(&server, &tokens["access_token"]).await);
}

#[tokio::test]
async fn without_an_upstream_refresh_token_a_session_lasts_as_long_as_the_token() {
    let server = Deployment::facade().await;
    server.upstream.behaviour().refreshes = false;
    server.upstream.behaviour().lifetime = 600;
    let client = server.client().await;
    let tokens = server.sign_in(&client, "fhir.read").await;
    assert!(tokens.get("refresh_token").is_none());
    assert!(tokens["expires_in"].as_u64().unwrap() <= 600);
    server.clock.advance(Duration::from_secs(600));
    assert!(!works(&server, &tokens["access_token"]).await);
}

/// A 401 may be about this one request; and what the FHIR server says is what
/// the user has to know.
#[tokio::test]
async fn without_an_upstream_refresh_token_a_refusal_ends_no_session() {
    let server = Deployment::facade().await;
    server.upstream.behaviour().refreshes = false;
    let client = server.client().await;
    let tokens = server.sign_in(&client, "fhir.read").await;
    server.upstream.behaviour().forget_access_tokens();
    let answer = server.read(text(&tokens["access_token"])).await;
    assert_eq!(answer["isError"], true);
    assert!(answer.to_string().contains("401"), "{answer}");
    assert!(works(&server, &tokens["access_token"]).await);
}

#[tokio::test]
async fn after_a_restart_clients_are_known_and_users_sign_in_again() {
    let (server, client, tokens) = Deployment::signed_in("fhir.read").await;
    let server = server.again(false).await;
    assert!(!works(&server, &tokens["access_token"]).await);
    let (_, answer) = server
        .refresh(&client, text(&tokens["refresh_token"]))
        .await;
    assert_eq!(answer["error"], "invalid_grant");
    let tokens = server.sign_in(&client, "fhir.read").await;
    assert!(works(&server, &tokens["access_token"]).await);
}

#[tokio::test]
async fn with_a_store_that_lasts_a_session_does() {
    let (server, client, tokens) = Deployment::signed_in("fhir.read").await;
    let server = server.again(true).await;
    let answer = server.read(text(&tokens["access_token"])).await;
    assert_eq!(answer["isError"], false);
    let (status, _) = server
        .refresh(&client, text(&tokens["refresh_token"]))
        .await;
    assert_eq!(status, StatusCode::OK);
}
