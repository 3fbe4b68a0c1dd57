//! DNS rebinding: a web page that makes a browser speak to this server is
//! refused on every path, by host or by origin.

use fhir_mcp_server::transport::http::HttpOptions;
use reqwest::{Client, StatusCode};
use serde_json::json;

use crate::support::echo_server::EchoServer;

/// Host and origin as a browser would send them, and whether they may come in.
/// `{port}` is the port of the server.
const CASES: [(&str, Option<&str>, bool); 16] = [
    ("127.0.0.1:{port}", None, true),
    ("localhost:{port}", Some("http://localhost:{port}"), true),
    ("127.0.0.1:{port}", Some("http://127.0.0.1:{port}"), true),
    ("localhost:{port}", Some("https://app.example"), true),
    ("rebound.evil.example:{port}", None, false),
    (
        "rebound.evil.example:{port}",
        Some("http://rebound.evil.example:{port}"),
        false,
    ),
    (
        "127.0.0.1.evil.example:{port}",
        Some("http://127.0.0.1:{port}"),
        false,
    ),
    ("localhost.evil.example", None, false),
    ("0.0.0.0:{port}", Some("http://0.0.0.0:{port}"), false),
    ("127.0.0.2:{port}", None, false),
    ("localhost:{port}", Some("http://evil.example"), false),
    ("localhost:{port}", Some("null"), false),
    ("localhost:{port}", Some("http://localhost:1"), false),
    ("localhost:{port}", Some("https://localhost:{port}"), false),
    ("localhost:{port}", Some("http://app.example"), false),
    (
        "localhost:{port}",
        Some("https://app.example.evil.example"),
        false,
    ),
];

#[tokio::test]
async fn a_rebound_page_is_refused() {
    let options = HttpOptions {
        allowed_origins: vec!["https://app.example".parse().unwrap()],
        ..HttpOptions::default()
    };
    let server = EchoServer::start(options).await;
    let port = server.origin.rsplit(':').next().unwrap().to_owned();
    let mut refused = 0;
    for (host, origin, may) in CASES {
        for path in ["/mcp", "/messages/?session_id=0", "/sse"] {
            let mut request = match path {
                "/sse" => Client::new().get(server.url(path)),
                _ => Client::new().post(server.url(path)),
            };
            request = request
                .header("Host", host.replace("{port}", &port))
                .header("Accept", "application/json, text/event-stream")
                .header("Content-Type", "application/json");
            if let Some(origin) = origin {
                request = request.header("Origin", origin.replace("{port}", &port));
            }
            let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
            let request = request.body(list.to_string());
            let status = request.send().await.unwrap().status();
            assert_eq!(
                status != StatusCode::FORBIDDEN,
                may,
                "{path} {host} {origin:?}"
            );
        }
        refused += usize::from(!may);
    }
    println!("DNS rebinding: {refused} cases refused");
    assert!(refused >= 12);
    server.stop().await;
}
