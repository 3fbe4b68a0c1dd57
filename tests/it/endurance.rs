//! The binary under bad input, cancelled calls and signals: over standard input
//! and output, and over HTTP.

use std::{io::Write as _, net::TcpStream, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{
    program::{self, PATIENT},
    running::{Running, call},
    silent_server::{Event, SilentServer},
};

fn with_server(folder: &Path, base: &str, transport: &str) -> Command {
    let mut command = program::program(folder);
    command
        .args(["--transport", transport])
        .env("FHIR_SERVER_BASE_URL", base)
        .env("FHIR_MCP_HOST", "127.0.0.1")
        .env("FHIR_MCP_PORT", "0");
    command
}

fn ping(id: u64) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })
}

fn read() -> Value {
    json!({ "type": "Patient", "id": "one" })
}

fn was_asked(server: &SilentServer) {
    let Event::Request(line) = server.next() else {
        panic!("a request")
    };
    assert_eq!(line, "GET /fhir/Patient/one HTTP/1.1");
}

/// The answer to a request. Before it may come errors that answer the lines
/// before: requests are answered in the order in which they end.
fn answer_to(server: &Running, id: u64) -> Value {
    loop {
        let answer = server.answer();
        if answer["id"] == id {
            return answer;
        }
        assert!(answer.get("error").is_some(), "{answer}");
    }
}

#[test]
fn stdio_goes_on_after_whatever_comes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("patient.json"), PATIENT).unwrap();
    let mut command = program::program(folder.path());
    command.args(["--transport", "stdio", "--fixtures", "patient.json"]);
    let mut server = Running::start(&mut command);
    server.initialize();
    let long = vec![b'a'; 20 * 1024 * 1024];
    let deep = "[".repeat(100_000);
    let batch = format!("[{},{}]", ping(1), ping(2));
    let lines: [&[u8]; 8] = [
        b"\xff\xfe\xfd",
        b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"\xc3\x28\"}",
        &long,
        deep.as_bytes(),
        batch.as_bytes(),
        br#"{"jsonrpc":"2.0","id":4,"method":"no/such"}"#,
        br#"{"jsonrpc":"2.0","method":"notifications/no/such"}"#,
        br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}"#,
    ];
    for (number, line) in lines.iter().enumerate() {
        server.write(line);
        let id = 100 + u64::try_from(number).unwrap();
        server.send(&ping(id));
        assert_eq!(answer_to(&server, id)["result"], json!({}));
    }
    server.call(9, "read", &read());
    let answer = answer_to(&server, 9);
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    assert!(server.end());
    println!("stdio lines survived: {}", lines.len());
}

#[test]
fn a_call_that_is_cancelled_over_stdio_ends_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let fhir = SilentServer::start();
    let mut server = Running::start(&mut with_server(folder.path(), &fhir.base(), "stdio"));
    server.initialize();
    server.call(5, "read", &read());
    was_asked(&fhir);
    server.send(&json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": { "requestId": 5, "reason": "enough" },
    }));
    assert_eq!(fhir.next(), Event::Closed);
    server.send(&ping(6));
    assert_eq!(server.answer()["id"], 6);
    server.wait_for("cancelled");
    assert!(server.end());
}

#[test]
fn a_client_that_leaves_over_http_ends_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let fhir = SilentServer::start();
    let server = Running::start(&mut with_server(
        folder.path(),
        &fhir.base(),
        "streamable-http",
    ));
    let origin = server.origin();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for (headers, meta) in [
        (
            "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: read\r\n",
            Some(meta),
        ),
        ("MCP-Protocol-Version: 2025-11-25\r\n", None),
    ] {
        let mut message = call(5, "read", &read());
        if let Some(meta) = meta {
            message["params"]["_meta"] = meta;
        }
        let stream = post(&origin, headers, &message.to_string());
        was_asked(&fhir);
        drop(stream);
        assert_eq!(fhir.next(), Event::Closed);
        server.wait_for("cancelled");
    }
}

#[test]
fn a_call_that_takes_too_long_ends_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let fhir = SilentServer::start();
    let mut command = with_server(folder.path(), &fhir.base(), "stdio");
    let mut server = Running::start(command.env("FHIR_MCP_CALL_TIMEOUT", "0.5"));
    server.initialize();
    server.call(5, "read", &read());
    was_asked(&fhir);
    assert_eq!(fhir.next(), Event::Closed);
    let answer = server.answer();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(answer.to_string().contains("timeout"), "{answer}");
    assert!(server.end());
}

/// Asked to stop while a call is open: the listener closes at once, the open
/// call gets some seconds, and the end is one of success.
#[cfg(unix)]
#[test]
fn a_signal_ends_http_with_success() {
    let folder = tempfile::tempdir().unwrap();
    let fhir = SilentServer::start();
    let mut server = Running::start(&mut with_server(
        folder.path(),
        &fhir.base(),
        "streamable-http",
    ));
    let origin = server.origin();
    let message = call(5, "read", &read()).to_string();
    let _stream = post(&origin, "MCP-Protocol-Version: 2025-11-25\r\n", &message);
    was_asked(&fhir);
    let status = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status();
    assert!(status.unwrap().success());
    server.wait_for("stopping");
    assert_eq!(fhir.next(), Event::Closed);
    assert!(server.end());
    assert!(server.log().contains("stopped"));
}

/// A request over a connection of its own.
fn post(origin: &str, headers: &str, body: &str) -> TcpStream {
    let address = origin.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAccept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream
}
