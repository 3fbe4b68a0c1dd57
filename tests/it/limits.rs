//! Limits of requests over HTTP, and what pages of other sites are told.

use std::num::NonZeroU32;

use fhir_mcp_server::transport::http::{HttpOptions, MAX_REQUEST_BODY};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::support::echo_server::EchoServer;

const APP: &str = "https://app.example";

fn list(server: &EchoServer) -> RequestBuilder {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    Client::new()
        .post(server.url("/mcp"))
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

#[tokio::test]
async fn a_caller_who_sends_too_much_is_told_to_wait() {
    let options = HttpOptions {
        rate_limit: NonZeroU32::new(3),
        ..HttpOptions::default()
    };
    let server = EchoServer::start(options).await;
    for _ in 0..3 {
        let answer = list(&server).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    for path in ["/mcp", "/sse", "/messages/?session_id=0"] {
        let method = if path == "/sse" {
            Method::GET
        } else {
            Method::POST
        };
        let request = Client::new().request(method, server.url(path));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
        let wait: u64 = answer.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    // Whoever watches whether it lives is not counted.
    let health = Client::new().get(server.url("/healthz")).send().await;
    assert_eq!(health.unwrap().status(), StatusCode::OK);
    server.stop().await;
}

/// The tests call from 127.0.0.1.
#[tokio::test]
async fn who_stands_behind_a_trusted_proxy_is_counted_alone() {
    for (proxies, told_apart) in [
        (&["127.0.0.0/8"][..], true),
        (&["10.0.0.0/8"], false),
        (&[], false),
    ] {
        let options = HttpOptions {
            rate_limit: Some(NonZeroU32::MIN),
            trusted_proxies: proxies.iter().map(|it| it.parse().unwrap()).collect(),
            ..HttpOptions::default()
        };
        let server = EchoServer::start(options).await;
        let call = async |header: &'static str, value: &'static str| {
            let answer = list(&server).header(header, value).send().await;
            answer.unwrap().status() == StatusCode::OK
        };
        assert!(call("X-Forwarded-For", "198.51.100.1").await);
        assert!(!call("X-Forwarded-For", "198.51.100.1").await);
        // Whatever the client puts before it is no other address.
        assert!(!call("X-Forwarded-For", "203.0.113.9, 198.51.100.1").await);
        assert!(!call("Forwarded", "for=203.0.113.9, for=\"198.51.100.1:80\"").await);
        let other = call("X-Forwarded-For", "198.51.100.2").await;
        assert_eq!(other, told_apart, "{proxies:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn listed_pages_may_call_and_read_the_answer() {
    let options = HttpOptions {
        allowed_origins: vec![APP.parse().unwrap()],
        ..HttpOptions::default()
    };
    let server = EchoServer::start(options).await;
    let answer = preflight(&server, APP).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_lowercase();
    assert_eq!(header("access-control-allow-origin"), APP);
    assert!(header("access-control-allow-methods").contains("post"));
    for name in [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
    ] {
        assert!(
            header("access-control-allow-headers").contains(name),
            "{name}"
        );
    }
    assert!(
        !answer
            .headers()
            .contains_key("access-control-allow-credentials")
    );

    let answer = list(&server).header("Origin", APP).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], APP);
    let exposed = answer.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap();
    assert!(exposed.contains("www-authenticate"), "{exposed}");
    server.stop().await;
}

#[tokio::test]
async fn other_pages_may_not() {
    let listed = HttpOptions {
        allowed_origins: vec![APP.parse().unwrap()],
        ..HttpOptions::default()
    };
    for options in [HttpOptions::default(), listed] {
        let server = EchoServer::start(options).await;
        for origin in [
            "https://evil.example",
            "https://app.example.evil.example",
            "null",
        ] {
            let answer = preflight(&server, origin).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}");
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
        }
        // Without a page there is nothing to allow.
        let answer = list(&server).send().await.unwrap();
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        server.stop().await;
    }
}

async fn preflight(server: &EchoServer, origin: &str) -> reqwest::Response {
    Client::new()
        .request(Method::OPTIONS, server.url("/mcp"))
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type,mcp-method")
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn heads_and_bodies_are_bounded() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let large = "a".repeat(40 * 1024);
    let answer = list(&server).header("X-Large", large).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let mut request = list(&server);
    for number in 0..120 {
        request = request.header(format!("x-{number}"), "a");
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    for path in ["/mcp", "/messages/?session_id=0"] {
        let request = Client::new().post(server.url(path));
        let answer = request.body(vec![b' '; MAX_REQUEST_BODY + 1]).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    let answer = list(&server)
        .header("X-Fine", "a".repeat(8 * 1024))
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    server.stop().await;
}
