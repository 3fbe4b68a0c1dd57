//! HTTP with server-sent events.

use fhir_mcp_server::transport::http::{HttpOptions, MAX_REQUEST_BODY, MAX_SESSIONS};
use futures::{StreamExt, stream::BoxStream};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::echo_server::EchoServer;

/// A client of the transport, as far as a test needs one.
struct SseClient {
    messages: String,
    text: String,
    stream: BoxStream<'static, reqwest::Result<Vec<u8>>>,
}

impl SseClient {
    async fn open(server: &EchoServer) -> Self {
        let answer = Client::new().get(server.url("/sse")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        let stream = answer.bytes_stream().map(|part| part.map(Vec::from));
        let mut client = Self {
            messages: String::new(),
            text: String::new(),
            stream: Box::pin(stream),
        };
        let (event, path) = client.event().await.unwrap();
        assert_eq!(event, "endpoint");
        client.messages = server.url(&path);
        client
    }

    /// The next event and its data; `None` at the end of the stream.
    async fn event(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                if let Some(data) = field("data: ") {
                    return Some((field("event: ").unwrap_or_default(), data));
                }
                continue;
            }
            let part = self.stream.next().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }

    async fn send(&self, message: Value) -> Response {
        post(&self.messages, message.to_string()).await
    }

    async fn answer(&mut self) -> Value {
        let (event, data) = self.event().await.unwrap();
        assert_eq!(event, "message");
        serde_json::from_str(&data).unwrap()
    }
}

async fn post(url: &str, body: String) -> Response {
    let request = Client::new()
        .post(url)
        .header("Content-Type", "application/json");
    request.body(body).send().await.unwrap()
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    } })
}

#[tokio::test]
async fn a_session_from_beginning_to_end() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let mut client = SseClient::open(&server).await;
    let stray = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        client.send(stray.clone()).await.status(),
        StatusCode::ACCEPTED
    );
    let accepted = client.send(initialize()).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let answer = client.answer().await;
    assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
    client.send(stray).await;
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "echo", "arguments": { "text": "two\nlines" },
    } });
    client.send(call).await;
    let answer = client.answer().await;
    assert_eq!(answer["id"], 2);
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, r#"{"text":"two\nlines"}"#);
    server.stop().await;
    assert_eq!(client.event().await, None);
}

#[tokio::test]
async fn messages_need_a_session() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let message = initialize().to_string();
    for (path, status) in [
        ("/messages/", StatusCode::BAD_REQUEST),
        ("/messages/?session_id=abc", StatusCode::BAD_REQUEST),
        (
            "/messages/?session_id=00000000000040008000000000000000",
            StatusCode::NOT_FOUND,
        ),
    ] {
        let answer = post(&server.url(path), message.clone()).await;
        assert_eq!(answer.status(), status, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn bad_messages_get_their_status_and_harm_nothing() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let mut client = SseClient::open(&server).await;
    let garbage = post(&client.messages, "{".to_owned()).await;
    assert_eq!(garbage.status(), StatusCode::BAD_REQUEST);
    let large = post(&client.messages, " ".repeat(MAX_REQUEST_BODY + 1)).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    client.send(initialize()).await;
    assert_eq!(client.answer().await["id"], 1);
    server.stop().await;
}

#[tokio::test]
async fn a_session_ends_with_its_stream() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let client = SseClient::open(&server).await;
    let messages = client.messages.clone();
    drop(client);
    // The server sees the end of the connection a little later.
    while post(&messages, initialize().to_string()).await.status() != StatusCode::NOT_FOUND {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn the_number_of_sessions_is_bounded() {
    let server = EchoServer::start(HttpOptions::default()).await;
    let mut clients = Vec::new();
    for _ in 0..MAX_SESSIONS {
        clients.push(SseClient::open(&server).await);
    }
    let answer = Client::new().get(server.url("/sse")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    server.stop().await;
}
