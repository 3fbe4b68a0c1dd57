//! Spans by OTLP, to a recorder: they arrive, and hold no more than the log.

use std::process::Command;

use fhir_mcp_server::config::env;
use serde_json::{Value, json};

use crate::support::{
    fhir_server::{FhirServer, Reply},
    log::hits,
    program,
    running::Running,
};

const NAME: &str = "Canarysurname";
const ID: &str = "canary-patient-id";
const QUERY: &str = "canary|query value";
const TOKEN: &str = "canary-upstream-token";
const ARGUMENT: &str = "canaryArgument";
const PATH: &str = "canary-path";
const CANARIES: [&str; 6] = [NAME, ID, QUERY, TOKEN, ARGUMENT, PATH];

fn calls() -> Vec<(&'static str, Value)> {
    let patient = json!({"resourceType": "Patient", "id": ID, "name": [{"family": NAME}]});
    vec![
        ("read", json!({"type": "Patient", "id": ID})),
        (
            "read",
            json!({"type": "Patient", "id": ID, "operation": "$everything"}),
        ),
        ("read", json!({"type": ARGUMENT, "id": ID})),
        (
            "search",
            json!({"type": "Patient", "searchParam": {"name": QUERY}}),
        ),
        ("create", json!({"type": "Patient", "payload": patient})),
        ("delete", json!({"type": "Patient", "id": ID})),
        (ARGUMENT, json!({"id": ID})),
    ]
}

fn binary(folder: &std::path::Path, fhir: &FhirServer) -> Command {
    let base = fhir.base().join(&format!("{PATH}/")).unwrap();
    let mut command = program::program(folder);
    command
        .args(["--transport", "stdio", "--allow-writes", "--no-confirm"])
        .env(env::SERVER_BASE_URL, base.as_str())
        .env(env::SERVER_ACCESS_TOKEN, TOKEN);
    command
}

/// Calls tools, good and bad; the log.
fn run(mut command: Command) -> String {
    let mut server = Running::start(&mut command);
    server.initialize();
    for (number, (tool, arguments)) in (1..).zip(calls()) {
        server.call(number, tool, &arguments);
        server.answer();
    }
    assert!(server.end());
    server.log()
}

async fn fhir() -> FhirServer {
    FhirServer::start(|number, _| match number % 3 {
        0 => Reply::json(403, "{}"),
        _ => {
            let patient = json!({"resourceType": "Patient", "id": ID, "name": [{"family": NAME}]});
            Reply::json(200, patient.to_string())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_arrive_and_hold_no_canary() {
    let collector = FhirServer::start(|_, _| Reply::json(200, "")).await;
    let fhir = fhir().await;
    let folder = tempfile::tempdir().unwrap();
    for level in ["ERROR", "TRACE"] {
        let before = collector.requests().len();
        let mut command = binary(folder.path(), &fhir);
        let endpoint = format!("http://127.0.0.1:{}", collector.port());
        command
            .args(["--log-level", level])
            .env("RUST_LOG", "trace")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        let log = run(command);
        let exports = collector.requests().split_off(before);
        assert!(!exports.is_empty(), "{level}");
        let mut text = String::new();
        for export in &exports {
            assert_eq!(export.target, "/v1/traces");
            text += &String::from_utf8_lossy(&export.body);
        }
        // Of the calls, and of the requests below them.
        for word in [
            "fhir-mcp-server",
            "call",
            "read",
            "search",
            "Patient",
            "status",
            "error",
            "response_bytes",
            "fhir",
            "method",
            "DELETE",
            "request_id",
        ] {
            assert!(text.contains(word), "{level}: no {word} in {text}");
        }
        for word in ["code.", "thread.", "busy_ns", "127.0.0.1", "http://"] {
            assert!(!text.contains(word), "{level}: {word} in {text}");
        }
        assert_eq!(hits(&text, &CANARIES), Vec::<String>::new(), "{level}");
        assert_eq!(hits(&log, &CANARIES), Vec::<String>::new(), "{level}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_nothing_goes_out() {
    let fhir = fhir().await;
    let folder = tempfile::tempdir().unwrap();
    let log = run(binary(folder.path(), &fhir));
    assert!(!log.contains("exported"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_disturbs_nobody() {
    let fhir = fhir().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary(folder.path(), &fhir);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let log = run(command);
    assert_eq!(hits(&log, &CANARIES), Vec::<String>::new());
}
