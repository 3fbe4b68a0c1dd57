//! A real MCP client with OAuth, from the first 401 to the refresh.

use std::time::Duration;

use reqwest::StatusCode;
use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, JsonObject},
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationRequest, OAuthState},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

use crate::support::deployment::{Browser, Deployment, REDIRECT, Setup, location};

#[tokio::test]
async fn a_client_finds_registers_signs_in_reads_and_refreshes() {
    let server = Deployment::start(Setup {
        access: Some(Duration::from_secs(20)),
        ..Setup::default()
    })
    .await;
    let url = server.url("/mcp");
    let challenged = server.list(None).await;
    assert_eq!(challenged.status(), StatusCode::UNAUTHORIZED);
    let challenge = challenged.headers()["www-authenticate"].to_str().unwrap();

    let mut state = OAuthState::new(url.as_str(), None).await.unwrap();
    let request = AuthorizationRequest::new(REDIRECT)
        .with_client_name("A real client")
        .with_challenge(challenge);
    state.start_authorization(request).await.unwrap();
    let authorize = state.get_authorization_url().await.unwrap();

    let mut browser = Browser::default();
    let page = browser.get(&authorize).await.text().await.unwrap();
    assert!(page.contains("A real client"), "{page}");
    let back = browser.agree(&server, &page).await;
    let answer = browser.get(&back).await;
    state.handle_callback_url(&location(&answer)).await.unwrap();

    let manager = state.into_authorization_manager().unwrap();
    let client = AuthClient::new(reqwest::Client::new(), manager);
    let first = client.get_access_token().await.unwrap();
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(client.clone(), config);
    let service = ().serve(transport).await.unwrap();
    let read = || async {
        let mut arguments = JsonObject::new();
        arguments.insert("type".into(), "Patient".into());
        arguments.insert("id".into(), "one".into());
        let call = CallToolRequestParams::new("read").with_arguments(arguments);
        let answer = service.call_tool(call).await.unwrap();
        assert_eq!(answer.is_error, Some(false), "{answer:?}");
    };
    read().await;
    server.clock.advance(Duration::from_secs(20));
    let old = server.list(Some(&first)).await.status();
    assert_eq!(old, StatusCode::UNAUTHORIZED);
    read().await;
    assert_ne!(client.get_access_token().await.unwrap(), first);
    service.cancel().await.unwrap();
}
