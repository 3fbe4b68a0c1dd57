//! MCP clients with tokens of this server, after a sign-in at the FHIR server.

use std::time::Duration;

use fhir_mcp_server::auth::facade::store::{Key, Kind, MAX_ENTRIES, Store};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    cases,
    deployment::{
        Browser, Deployment, REDIRECT, Setup, VERIFIER, form_body, location, plain, query, sealed,
        way_back,
    },
};

#[test]
fn count() {
    let sources = [
        include_str!("facade.rs"),
        include_str!("facade_limits.rs"),
        include_str!("facade_registration.rs"),
        include_str!("facade_tokens.rs"),
    ];
    cases::count("facade", &sources, 40);
}

#[tokio::test]
async fn metadata_says_what_the_server_does() {
    let server = Deployment::facade().await;
    for path in ["", "/mcp"] {
        let path = format!("/.well-known/oauth-authorization-server{path}");
        let document: Value = server.get(&path).await.json().await.unwrap();
        assert_eq!(document["issuer"], server.base);
        assert_eq!(document["authorization_endpoint"], server.url("/authorize"));
        assert_eq!(document["token_endpoint"], server.url("/token"));
        assert_eq!(document["registration_endpoint"], server.url("/register"));
        assert_eq!(
            document["code_challenge_methods_supported"],
            json!(["S256"])
        );
        assert_eq!(
            document["authorization_response_iss_parameter_supported"],
            true
        );
        assert_eq!(document["client_id_metadata_document_supported"], true);
    }
    let path = "/.well-known/oauth-protected-resource/mcp";
    let document: Value = server.get(path).await.json().await.unwrap();
    assert_eq!(document["authorization_servers"], json!([server.base]));
}

#[tokio::test]
async fn the_page_names_client_scopes_and_where_the_answer_goes() {
    let server = Deployment::facade().await;
    let metadata = json!({ "client_name": "My <b>Client</b>\u{202e}", "redirect_uris": ["https://app.example/cb"],
        "token_endpoint_auth_method": "none" });
    let answer: Value = server.register(&metadata).await.json().await.unwrap();
    let changes = [
        ("redirect_uri", "https://app.example/cb"),
        ("scope", "fhir.write"),
    ];
    let client = answer["client_id"].as_str().unwrap();
    let page = Browser::default().open(&server, client, &changes).await;
    assert!(page.contains("My &lt;b&gt;Client&lt;/b&gt;") && !page.contains("<b>"));
    assert!(!page.contains('\u{202e}') && !page.contains("<script"));
    assert!(page.contains("<strong>app.example</strong>"));
    assert!(page.contains("fhir.read fhir.write") && page.contains("delete"));
    assert!(page.contains("fhir.test &lt;b&gt;"));
}

#[tokio::test]
async fn the_page_cannot_be_framed_kept_or_scripted() {
    let (server, client) = Deployment::with_client().await;
    let answer = Browser::default()
        .get(&Browser::url(&server, &client, &[]))
        .await;
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"));
    assert!(!policy.contains("script-src"));
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    // With `no-referrer` browsers would send the form with the origin `null`.
    assert_eq!(header("referrer-policy"), "same-origin");
}

#[tokio::test]
async fn under_https_cookies_have_the_host_prefix() {
    let server = Deployment::start(Setup {
        public: Some("https://mcp.example.org".to_owned()),
        ..Setup::default()
    })
    .await;
    let client = server.client().await;
    let answer = Browser::default()
        .get(&Browser::url(&server, &client, &[]))
        .await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-fhir-mcp-consent="));
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
}

#[tokio::test]
async fn behind_a_proxy_every_url_is_the_public_one() {
    let server = Deployment::start(Setup {
        public: Some("https://mcp.example.org/fhir".to_owned()),
        ..Setup::default()
    })
    .await;
    let path = "/.well-known/oauth-authorization-server/fhir";
    let document: Value = server.get(path).await.json().await.unwrap();
    assert_eq!(document["issuer"], "https://mcp.example.org/fhir");
    assert_eq!(
        document["token_endpoint"],
        "https://mcp.example.org/fhir/token"
    );
    let path = "/.well-known/oauth-protected-resource/fhir/mcp";
    let document: Value = server.get(path).await.json().await.unwrap();
    assert_eq!(document["resource"], "https://mcp.example.org/fhir/mcp");
    let client = server.client().await;
    let mut browser = Browser::default();
    let page = browser.open(&server, &client, &[]).await;
    assert!(page.contains("action=\"/fhir/authorize/consent\""));
    let body = form_body(&[("request", &sealed(&page)), ("decision", "allow")]);
    let cookie = browser
        .0
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .next()
        .unwrap();
    let request = plain().post(server.url("/authorize/consent")).body(body);
    let request = request
        .header("Cookie", cookie)
        .header("Origin", "https://mcp.example.org");
    let answer = request.send().await.unwrap();
    let callback = &query(&location(&answer))["redirect_uri"];
    assert_eq!(callback, "https://mcp.example.org/fhir/oauth/callback");
}

#[tokio::test]
async fn before_consent_nothing_is_kept_and_nobody_else_is_asked() {
    let (server, client) = Deployment::with_client().await;
    for _ in 0..20 {
        Browser::default().open(&server, &client, &[]).await;
    }
    assert!(server.memory.is_empty());
    assert!(server.upstream.behaviour().authorizations.is_empty());
}

#[tokio::test]
async fn who_does_not_allow_is_believed() {
    let (server, _, mut browser, page) = Deployment::asking().await;
    let answer = browser.decide(&server, &page, "deny").await;
    let url = location(&answer);
    assert!(url.starts_with(REDIRECT));
    let query = query(&url);
    assert_eq!(query["error"], "access_denied");
    assert_eq!(query["state"], "state of the client");
    assert_eq!(query["iss"], server.base);
    assert!(server.memory.is_empty());
}

/// A page of another site sends the form: it has no cookie, or another's.
#[tokio::test]
async fn a_form_from_elsewhere_decides_nothing() {
    let (server, client) = Deployment::with_client().await;
    let page = Browser::default().open(&server, &client, &[]).await;
    let mut victim = Browser::default();
    let answer = victim.decide(&server, &page, "allow").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    victim.open(&server, &client, &[]).await;
    let answer = victim.decide(&server, &page, "allow").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(server.memory.is_empty());
}

#[tokio::test]
async fn a_form_with_another_origin_is_refused() {
    let (server, _, browser, page) = Deployment::asking().await;
    let body = form_body(&[("request", &sealed(&page)), ("decision", "allow")]);
    let cookie = browser
        .0
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .next()
        .unwrap();
    for origin in ["https://evil.example", "null"] {
        let request = plain().post(server.url("/authorize/consent"));
        let request = request.body(body.clone()).header("Cookie", &cookie);
        let answer = request.header("Origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_changed_or_old_form_decides_nothing() {
    let (server, _, mut browser, page) = Deployment::asking().await;
    let changed = page.replace(&sealed(&page), &format!("{}A", sealed(&page)));
    let answer = browser.decide(&server, &changed, "allow").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    server.clock.advance(Duration::from_secs(600));
    let answer = browser.decide(&server, &page, "allow").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

/// A client id is sealed with the same key, and must not pass for a request.
#[tokio::test]
async fn what_was_sealed_for_another_purpose_decides_nothing() {
    let (server, client, mut browser, page) = Deployment::asking().await;
    let other = page.replace(&sealed(&page), client.strip_prefix("fhir_mcp_").unwrap());
    let answer = browser.decide(&server, &other, "allow").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn redirects_must_match_to_the_letter() {
    let (server, client) = Deployment::with_client().await;
    for uri in [
        "",
        "https://evil.example/cb",
        "http://127.0.0.1:7/callback/../evil",
        "http://127.0.0.1:7/callback?x=1",
        "http://127.0.0.1:7@evil.example/callback",
        "http://localhost:7/callback",
        "http://127.0.0.1:7/callback#x",
    ] {
        let url = Browser::url(&server, &client, &[("redirect_uri", uri)]);
        let answer = plain().get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{uri}");
        assert!(!answer.headers().contains_key("location"));
    }
    // The port of a program on this machine changes with each start.
    let changes = [("redirect_uri", "http://127.0.0.1:9/callback")];
    Browser::default().open(&server, &client, &changes).await;
}

/// Asks for authorization in a way that must not do: what the client is told.
async fn refused(changes: &[(&str, &str)]) -> String {
    let (server, client) = Deployment::with_client().await;
    let answer = plain().get(Browser::url(&server, &client, changes));
    let answer = answer.send().await.unwrap();
    // Anyone can register a client: nobody is sent to one before they have
    // seen where that is.
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(!answer.headers().contains_key("location"));
    let url = way_back(&answer.text().await.unwrap());
    assert!(url.starts_with(REDIRECT), "{url}");
    let query = query(&url);
    assert_eq!(query["iss"], server.base);
    assert_eq!(query["state"], "state of the client");
    assert!(!query.contains_key("code"));
    query["error"].clone()
}

#[tokio::test]
async fn pkce_is_required() {
    for changes in [
        &[("code_challenge", "")][..],
        &[("code_challenge_method", "")],
        &[("code_challenge_method", "plain")],
        &[("code_challenge", "short")],
    ] {
        assert_eq!(refused(changes).await, "invalid_request");
    }
}

#[tokio::test]
async fn only_codes_are_given_out() {
    let error = refused(&[("response_type", "token")]).await;
    assert_eq!(error, "unsupported_response_type");
}

#[tokio::test]
async fn a_token_for_another_resource_is_not_to_be_had() {
    let error = refused(&[("resource", "https://other.example/mcp")]).await;
    assert_eq!(error, "invalid_target");
}

#[tokio::test]
async fn scopes_of_others_are_not_to_be_had() {
    let error = refused(&[("scope", "user/*.rs openid")]).await;
    assert_eq!(error, "invalid_scope");
}

#[tokio::test]
async fn a_parameter_may_not_stand_twice() {
    let (server, client) = Deployment::with_client().await;
    let url = Browser::url(&server, &client, &[]);
    let url = format!("{url}&redirect_uri=https://evil.example");
    let answer = plain().get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn upstream_gets_a_request_of_our_own() {
    let (server, client) = Deployment::with_client().await;
    server.sign_in(&client, "fhir.read").await;
    let request = server.upstream.behaviour().authorizations[0].clone();
    assert_eq!(request["aud"], server.upstream.fhir_base());
    assert_eq!(request["client_id"], "registered-client");
    assert_eq!(request["redirect_uri"], server.url("/oauth/callback"));
    assert_eq!(request["code_challenge_method"], "S256");
    assert_ne!(
        request["code_challenge"],
        crate::support::deployment::challenge()
    );
    assert_ne!(request["state"], "state of the client");
    assert!(request["state"].len() >= 43);
    let exchange = server.upstream.behaviour().exchanges[0].clone();
    assert_ne!(exchange["code_verifier"], VERIFIER);
}

#[tokio::test]
async fn two_clients_with_one_state_do_not_meet() {
    let (server, client) = Deployment::with_client().await;
    let (mut first, mut second) = (Browser::default(), Browser::default());
    let page = first.open(&server, &client, &[]).await;
    let back_first = first.agree(&server, &page).await;
    let page = second.open(&server, &client, &[]).await;
    let back_second = second.agree(&server, &page).await;
    assert_ne!(query(&back_first)["state"], query(&back_second)["state"]);
    for (browser, back) in [(&mut first, back_first), (&mut second, back_second)] {
        let answer = browser.get(&back).await;
        assert!(query(&location(&answer)).contains_key("code"));
    }
}

/// An attacker signs in as themselves and lets the victim finish.
#[tokio::test]
async fn a_sign_in_ends_in_the_browser_where_it_began() {
    let (server, client) = Deployment::with_client().await;
    let mut attacker = Browser::default();
    let page = attacker.open(&server, &client, &[]).await;
    let back = attacker.agree(&server, &page).await;
    let mut victim = Browser::default();
    victim.open(&server, &client, &[]).await;
    let answer = victim.get(&back).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    // Nor can the attacker use it any more.
    assert_eq!(attacker.get(&back).await.status(), StatusCode::BAD_REQUEST);
    assert!(server.upstream.behaviour().exchanges.is_empty());
}

#[tokio::test]
async fn the_way_back_is_gone_once() {
    let (server, _, mut browser, page) = Deployment::asking().await;
    let back = browser.agree(&server, &page).await;
    let cookies = browser.clone();
    assert_eq!(browser.get(&back).await.status(), StatusCode::SEE_OTHER);
    let answer = cookies.clone().get(&back).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.upstream.behaviour().exchanges.len(), 1);
}

#[tokio::test]
async fn the_way_back_takes_ten_minutes_at_most() {
    let (server, _, mut browser, page) = Deployment::asking().await;
    let back = browser.agree(&server, &page).await;
    server.clock.advance(Duration::from_secs(600));
    assert_eq!(browser.get(&back).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_state_that_nobody_gave_out_is_refused() {
    let server = Deployment::facade().await;
    for query in [
        "",
        "?code=a",
        "?state=a",
        "?code=a&state=state+of+the+client",
    ] {
        let answer = server.get(&format!("/oauth/callback{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(!answer.headers().contains_key("location"));
    }
}

#[tokio::test]
async fn a_refusal_upstream_is_told_to_the_client() {
    let server = Deployment::facade().await;
    server.upstream.behaviour().denies = true;
    let client = server.client().await;
    let mut browser = Browser::default();
    let page = browser.open(&server, &client, &[]).await;
    let back = browser.agree(&server, &page).await;
    let url = location(&browser.get(&back).await);
    assert!(url.starts_with(REDIRECT));
    assert_eq!(query(&url)["error"], "access_denied");
    assert_eq!(query(&url)["state"], "state of the client");
}

/// Mix-up: the answer names another issuer than was asked.
#[tokio::test]
async fn an_answer_of_another_issuer_is_refused() {
    let server = Deployment::facade().await;
    server.upstream.behaviour().redirect_issuer = Some("https://evil.example".into());
    let client = server.client().await;
    let mut browser = Browser::default();
    let page = browser.open(&server, &client, &[]).await;
    let back = browser.agree(&server, &page).await;
    let url = location(&browser.get(&back).await);
    assert_eq!(query(&url)["error"], "server_error");
    assert!(server.upstream.behaviour().exchanges.is_empty());
}

#[tokio::test]
async fn upstream_that_is_down_is_told_to_the_client() {
    let server = Deployment::facade().await;
    server.upstream.behaviour().broken = true;
    let client = server.client().await;
    let mut browser = Browser::default();
    let page = browser.open(&server, &client, &[]).await;
    let answer = browser.decide(&server, &page, "allow").await;
    let url = location(&answer);
    assert!(url.starts_with(REDIRECT));
    assert!(query(&url).contains_key("error"));
}

/// Consent for one client is none for another, whatever cookies there are.
#[tokio::test]
async fn each_client_needs_consent_of_its_own() {
    let server = Deployment::facade().await;
    let mut browser = Browser::default();
    let first = server.client().await;
    let page = browser.open(&server, &first, &[]).await;
    browser.code(&server, &page).await;
    let metadata = json!({ "client_name": "Evil", "redirect_uris": ["https://evil.example/cb"],
        "token_endpoint_auth_method": "none" });
    let answer: Value = server.register(&metadata).await.json().await.unwrap();
    let changes = [("redirect_uri", "https://evil.example/cb")];
    let evil = answer["client_id"].as_str().unwrap();
    let page = browser.open(&server, evil, &changes).await;
    assert!(page.contains("<strong>evil.example</strong>"));
    assert_eq!(server.upstream.behaviour().authorizations.len(), 1);
}

#[tokio::test]
async fn what_waits_for_the_way_back_is_bounded() {
    let (server, _, mut browser, page) = Deployment::asking().await;
    for number in 0..MAX_ENTRIES {
        let key = Key::new(Kind::Login, &number.to_string());
        let lifetime = Duration::from_secs(60);
        server.memory.put(key, Vec::new(), lifetime).await.unwrap();
    }
    let code = browser.code(&server, &page).await;
    assert!(!code.is_empty());
    assert!(server.memory.len() <= MAX_ENTRIES + 1);
}
