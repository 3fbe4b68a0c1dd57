//! Streamable HTTP.

use fhir_mcp_server::transport::http::{HttpOptions, MAX_REQUEST_BODY, MAX_SESSIONS};
use reqwest::{Client, RequestBuilder, StatusCode};
use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, JsonObject},
    transport::StreamableHttpClientTransport,
};
use serde_json::{Value, json};

use crate::support::echo_server::EchoServer;

fn post(server: &EchoServer, path: &str) -> RequestBuilder {
    Client::new()
        .post(server.url(path))
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
}

fn list() -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string()
}

fn with_sessions() -> HttpOptions {
    HttpOptions {
        legacy_sessions: true,
        ..HttpOptions::default()
    }
}

#[tokio::test]
async fn both_spellings_of_the_path_answer_directly() {
    let server = EchoServer::start(HttpOptions::default()).await;
    for path in ["/mcp", "/mcp/"] {
        let answer = post(&server, path).body(list()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert!(!answer.headers().contains_key("mcp-session-id"));
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["result"]["tools"][0]["name"], "echo");
    }
    server.stop().await;
}

#[tokio::test]
async fn clients_call_tools_with_sessions_and_without() {
    for options in [HttpOptions::default(), with_sessions()] {
        let server = EchoServer::start(options).await;
        let transport = StreamableHttpClientTransport::from_uri(server.url("/mcp"));
        let client = ().serve(transport).await.unwrap();
        let mut arguments = JsonObject::new();
        arguments.insert("a".into(), 1.into());
        let call = CallToolRequestParams::new("echo").with_arguments(arguments);
        let answer = client.call_tool(call).await.unwrap();
        assert_eq!(answer.structured_content, Some(json!({ "a": 1 })));
        client.cancel().await.unwrap();
        server.stop().await;
    }
}

fn initialize() -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    } })
    .to_string()
}

#[tokio::test]
async fn sessions_are_there_only_when_asked_for() {
    for (options, has_session) in [(HttpOptions::default(), false), (with_sessions(), true)] {
        let server = EchoServer::start(options).await;
        let answer = post(&server, "/mcp").body(initialize()).send().await;
        let headers = answer.unwrap().headers().clone();
        assert_eq!(headers.contains_key("mcp-session-id"), has_session);
        let get = Client::new().get(server.url("/mcp")).send().await.unwrap();
        let stateless = get.status() == StatusCode::METHOD_NOT_ALLOWED;
        assert_eq!(stateless, !has_session);
        server.stop().await;
    }
}

#[tokio::test]
async fn the_number_of_sessions_is_bounded() {
    let server = EchoServer::start(with_sessions()).await;
    for _ in 0..MAX_SESSIONS {
        let answer = post(&server, "/mcp").body(initialize()).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    let answer = post(&server, "/mcp").body(initialize()).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    // Clients that need no session are served.
    let discover = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    } });
    let request = post(&server, "/mcp")
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "server/discover")
        .body(discover.to_string());
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn other_hosts_and_origins_are_refused_on_every_path() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let headers = [
        ("Host", "evil.example"),
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
    ];
    for (name, value) in headers {
        for path in ["/mcp", "/mcp/", "/messages/?session_id=0"] {
            let request = post(&server, path).header(name, value).body(list());
            let status = request.send().await.unwrap().status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
        let get = Client::new().get(server.url("/sse")).header(name, value);
        assert_eq!(get.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_configured_url_may_come_in() {
    let options = HttpOptions {
        public_url: Some("https://mcp.example.org".parse().unwrap()),
        ..HttpOptions::default()
    };
    let server = EchoServer::start(options).await;
    let own = server.origin.clone();
    for (host, origin) in [
        ("mcp.example.org", "https://mcp.example.org"),
        ("localhost", own.as_str()),
    ] {
        let request = post(&server, "/mcp")
            .header("Host", host)
            .header("Origin", origin)
            .body(list());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    server.stop().await;
}

#[tokio::test]
async fn bad_requests_get_their_status_and_harm_nothing() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let cases = [
        ("{".to_owned(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (format!("[{}]", list()), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            " ".repeat(MAX_REQUEST_BODY + 1),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ];
    for (body, status) in cases {
        let answer = post(&server, "/mcp").body(body).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let unknown = json!({ "jsonrpc": "2.0", "id": 1, "method": "a/b" }).to_string();
    let answer = post(&server, "/mcp").body(unknown).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"]["code"], -32601);
    let answer = post(&server, "/mcp").body(list()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn health_is_told_to_whoever_asks() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let request = Client::new()
        .get(server.url("/healthz"))
        .header("Host", "10.0.0.7");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.unwrap(), "ok\n");
    server.stop().await;
}
