//! Limits of the endpoints that lead to a token: whoever has none may not do
//! more there than at the MCP endpoint.

use std::num::NonZeroU32;

use fhir_mcp_server::transport::http::MAX_REQUEST_BODY;
use reqwest::{Method, RequestBuilder, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::deployment::{Deployment, Setup, plain};

const ROUTES: [(&str, &str); 12] = [
    ("GET", "/.well-known/oauth-protected-resource"),
    ("GET", "/.well-known/oauth-protected-resource/mcp"),
    ("GET", "/.well-known/oauth-protected-resource/sse"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/oauth-authorization-server/mcp"),
    ("POST", "/register"),
    ("GET", "/authorize"),
    ("POST", "/authorize/consent"),
    ("GET", "/oauth/callback"),
    ("POST", "/token"),
    ("POST", "/revoke"),
    ("POST", "/nowhere"),
];

/// Largest form, or metadata of a client.
const MAX_FORM: usize = 64 * 1024;

fn request(server: &Deployment, method: &str, path: &str) -> RequestBuilder {
    let method: Method = method.parse().unwrap();
    let form = "application/x-www-form-urlencoded";
    plain()
        .request(method, server.url(path))
        .header("Content-Type", form)
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn requests_are_counted_at_each_endpoint() {
    for (method, path) in ROUTES {
        let server = Deployment::start(Setup {
            rate_limit: Some(NonZeroU32::MIN),
            ..Setup::default()
        })
        .await;
        let first = status(request(&server, method, path)).await;
        assert_ne!(first, StatusCode::TOO_MANY_REQUESTS, "{path}");
        let answer = request(&server, method, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert!(answer.headers().contains_key("retry-after"), "{path}");
    }
}

#[tokio::test]
async fn heads_are_bounded_at_each_endpoint() {
    let server = Deployment::facade().await;
    let large = "a".repeat(40 * 1024);
    for (method, path) in ROUTES {
        let request = request(&server, method, path).header("X-Large", &large);
        let expected = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        assert_eq!(status(request).await, expected, "{path}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_at_each_endpoint() {
    let server = Deployment::facade().await;
    for (method, path) in ROUTES.into_iter().filter(|(method, _)| *method == "POST") {
        for size in [MAX_FORM + 1, MAX_REQUEST_BODY + 1] {
            let request = request(&server, method, path).body(vec![b'a'; size]);
            assert_eq!(
                status(request).await,
                StatusCode::PAYLOAD_TOO_LARGE,
                "{path}"
            );
        }
        let request = request(&server, method, path).body(vec![b'a'; MAX_FORM]);
        assert_ne!(status(request).await, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

/// Nobody waits for the rest of a body that is too large already.
#[tokio::test]
async fn no_more_of_a_body_is_taken_in_than_its_endpoint_reads() {
    let server = Deployment::facade().await;
    let address = server.base.strip_prefix("http://").unwrap();
    for path in ["/register", "/authorize/consent", "/token", "/revoke"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let size = MAX_REQUEST_BODY;
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[b'a'; MAX_FORM + 1]).await.unwrap();
        let mut status = [0; "HTTP/1.1 413".len()];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 413", "{path}");
    }
}

#[tokio::test]
async fn other_names_and_pages_are_refused_at_each_endpoint() {
    let server = Deployment::facade().await;
    for (method, path) in ROUTES {
        for (header, value) in [
            ("Host", "evil.example"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
        ] {
            let request = request(&server, method, path).header(header, value);
            assert_eq!(status(request).await, StatusCode::FORBIDDEN, "{path}");
        }
    }
}

#[tokio::test]
async fn requests_at_once_are_bounded_at_each_endpoint() {
    let server = Deployment::start(Setup {
        max_requests: Some(1),
        ..Setup::default()
    })
    .await;
    // One whose body does not come is still worked on.
    let address = server.base.strip_prefix("http://").unwrap();
    let mut waiting = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /token HTTP/1.1\r\nHost: {address}\r\nContent-Length: 9\r\n\r\n");
    waiting.write_all(head.as_bytes()).await.unwrap();
    let busy = StatusCode::SERVICE_UNAVAILABLE;
    while status(request(&server, "GET", ROUTES[0].1)).await != busy {
        tokio::task::yield_now().await;
    }
    for (method, path) in ROUTES {
        assert_eq!(status(request(&server, method, path)).await, busy, "{path}");
    }
    let health = status(request(&server, "GET", "/healthz")).await;
    assert_eq!(health, StatusCode::OK);
    drop(waiting);
    while status(request(&server, "GET", ROUTES[0].1)).await == busy {
        tokio::task::yield_now().await;
    }
}
