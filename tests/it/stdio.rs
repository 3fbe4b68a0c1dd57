//! Standard input and output: the binary as a host starts it.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::program::{self, PATIENT};

fn server(folder: &std::path::Path) -> Command {
    std::fs::write(folder.join("patient.json"), PATIENT).unwrap();
    let mut command = program::program(folder);
    command.args(["--transport", "stdio", "--fixtures", "patient.json"]);
    command
}

fn initialize(version: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    } })
}

/// The answers to these lines, once the server has ended with success.
fn answers(lines: &[&[u8]]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let input = lines.join(&b'\n');
    let output = program::run(
        &mut server(folder.path()),
        &[&input, b"\n".as_slice()].concat(),
    );
    assert!(output.status.success(), "{}", program::stderr(&output));
    program::stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("only messages on standard output"))
        .collect()
}

fn answer(answers: &[Value], id: u64) -> &Value {
    let mut found = answers.iter().filter(|answer| answer["id"] == id);
    let answer = found.next().expect("an answer");
    assert!(found.next().is_none(), "one answer for each request");
    answer
}

#[test]
fn every_legacy_version_begins_with_initialize() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let begin = initialize(version).to_string();
        let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }).to_string();
        let answers = answers(&[begin.as_bytes(), list.as_bytes()]);
        assert_eq!(answer(&answers, 1)["result"]["protocolVersion"], version);
        assert!(answer(&answers, 2).get("id").is_some());
    }
}

#[test]
fn the_newest_version_needs_no_beginning() {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    } });
    let answers = answers(&[request.to_string().as_bytes()]);
    let versions = &answer(&answers, 1)["result"]["supportedVersions"];
    assert!(versions.as_array().unwrap().contains(&json!("2026-07-28")));
}

#[test]
fn a_client_that_says_nothing_gets_success() {
    let folder = tempfile::tempdir().unwrap();
    let output = program::run(&mut server(folder.path()), b"");
    assert!(output.status.success());
    assert!(output.stdout.is_empty());
}

#[test]
fn garbage_before_and_after_the_beginning_is_survived() {
    let begin = initialize("2025-11-25").to_string();
    let ping = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }).to_string();
    let garbage: [&[u8]; 8] = [
        b"",
        b"not JSON",
        b"\xff\xfe\x00",
        b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"\xff}",
        b"[1, 2",
        b"{}",
        br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}"#,
        br#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
    ];
    let mut lines = garbage.to_vec();
    lines.push(begin.as_bytes());
    lines.extend(garbage);
    lines.push(ping.as_bytes());
    let answers = answers(&lines);
    assert!(answer(&answers, 1).get("result").is_some());
    assert_eq!(answer(&answers, 2)["result"], json!({}));
}

#[test]
fn a_line_longer_than_the_limit_is_dropped() {
    let begin = initialize("2025-11-25").to_string();
    let ping = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }).to_string();
    let long = vec![b'a'; 17 * 1024 * 1024];
    let answers = answers(&[begin.as_bytes(), &long, ping.as_bytes()]);
    assert_eq!(answer(&answers, 2)["result"], json!({}));
}

#[test]
fn unknown_methods_and_parameters_harm_no_later_request() {
    let begin = initialize("2025-11-25").to_string();
    let unknown = json!({ "jsonrpc": "2.0", "id": 2, "method": "a/b" }).to_string();
    let wrong = json!({ "jsonrpc": "2.0", "id": 3, "method": "completion/complete", "params": {} })
        .to_string();
    let ping = json!({ "jsonrpc": "2.0", "id": 4, "method": "ping" }).to_string();
    let answers = answers(&[
        begin.as_bytes(),
        unknown.as_bytes(),
        wrong.as_bytes(),
        ping.as_bytes(),
    ]);
    assert_eq!(answer(&answers, 2)["error"]["code"], -32601);
    assert!(answer(&answers, 3).get("error").is_some());
    assert_eq!(answer(&answers, 4)["result"], json!({}));
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_ends_with_success() {
    use std::{
        io::{BufRead, BufReader},
        process::Stdio,
    };

    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = server(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Once it serves, signals are heard.
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("serving on standard") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended early");
        }
        let status = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
        assert!(child.wait().unwrap().success(), "{signal}");
    }
}
