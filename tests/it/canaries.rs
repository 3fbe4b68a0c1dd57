//! Canaries: what is known of a patient, what is asked and what lets requests in
//! is in no log, whatever happens and however much is logged.

use std::{process::Command, sync::Arc, time::Duration};

use fhir_mcp_server::{
    client::{FixedHeaders, HttpClient, HttpOptions, Secret, Source},
    mcp::{self, Options},
    transport::http,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    fhir_server::{FhirServer, Reply, Request},
    log::{Log, hits},
    program,
    running::Running,
};

const NAME: &str = "Canarysurname";
const BIRTH: &str = "1931-07-23";
const IDENTIFIER: &str = "MRN-canary-55217";
const ID: &str = "canary-patient-id";
const QUERY: &str = "canary|query value";
const TOKEN: &str = "canary-upstream-token";
const CALLER_TOKEN: &str = "canary-caller-token";
const NOTE: &str = "canary note of a doctor";
const DIAGNOSTICS: &str = "canary diagnostics of the server";
const LINK: &str = "canary-page-handle";
const NEW_ID: &str = "canary-new-id";
const ARGUMENT: &str = "canaryArgument";

const CANARIES: [&str; 12] = [
    NAME,
    BIRTH,
    IDENTIFIER,
    ID,
    QUERY,
    TOKEN,
    CALLER_TOKEN,
    NOTE,
    DIAGNOSTICS,
    LINK,
    NEW_ID,
    ARGUMENT,
];

fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "id": ID,
        "text": { "status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{NOTE}</div>") },
        "identifier": [{ "system": "urn:example", "value": IDENTIFIER }],
        "name": [{ "family": NAME }],
        "birthDate": BIRTH,
    })
}

/// Calls of all kinds, good and bad.
fn calls() -> Vec<(&'static str, Value)> {
    let broken = json!({ "resourceType": "Patient", "birthDate": NAME, "no": NOTE });
    vec![
        (
            "search",
            json!({ "type": "Patient", "searchParam": { "identifier": QUERY, "name": NAME } }),
        ),
        (
            "search",
            json!({ "type": "Patient", "searchParam": { ARGUMENT: QUERY } }),
        ),
        ("search", json!({ "type": ARGUMENT })),
        ("read", json!({ "type": "Patient", "id": ID })),
        (
            "read",
            json!({ "type": "Patient", "id": ID, "view": "raw" }),
        ),
        (
            "read",
            json!({ "type": "Patient", "id": ID, "operation": "$everything" }),
        ),
        (
            "read",
            json!({ "type": "Patient", "id": format!("{ID}/../{QUERY}") }),
        ),
        ("read", json!({ ARGUMENT: ID })),
        ("create", json!({ "type": "Patient", "payload": patient() })),
        ("create", json!({ "type": "Patient", "payload": broken })),
        (
            "update",
            json!({ "type": "Patient", "id": ID, "payload": patient() }),
        ),
        ("delete", json!({ "type": "Patient", "id": ID })),
        ("validate", json!({ "resource": patient() })),
        ("describe", json!({ "type": ARGUMENT })),
        ("get_user", json!({})),
        ("get_capabilities", json!({})),
        (ARGUMENT, json!({ "id": ID })),
    ]
}

/// Ways in which a FHIR server answers.
const MOODS: [&str; 8] = [
    "well",
    "refusing",
    "failing",
    "html",
    "garbage",
    "redirecting",
    "closing",
    "silent",
];

fn answer(mood: &str, request: &Request) -> Reply {
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": [
        { "severity": "error", "code": "invalid", "diagnostics": format!("{DIAGNOSTICS} {NAME}") },
    ] })
    .to_string();
    match mood {
        "well" if request.method == "POST" => {
            let location = format!(
                "http://{}/fhir/r4/Patient/{NEW_ID}",
                request.header("host").unwrap()
            );
            Reply::with_headers(
                201,
                &[("location", location.as_str())],
                patient().to_string(),
            )
        }
        "well" if request.target.contains('?') => Reply::json(
            200,
            json!({
                "resourceType": "Bundle",
                "type": "searchset",
                "link": [{ "relation": "next", "url": format!("Patient?_getpages={LINK}") }],
                "entry": [{ "resource": patient(), "search": { "mode": "match" } }],
            })
            .to_string(),
        ),
        "well" => Reply::json(200, patient().to_string()),
        "refusing" => Reply::json(403, outcome),
        "failing" => Reply::json(500, outcome),
        "html" => Reply::with_headers(
            200,
            &[("content-type", "text/html")],
            format!("<html>{NOTE}"),
        ),
        "garbage" => Reply::json(
            200,
            format!("{{\"resourceType\":\"Patient\",\"name\":[\"{NAME}"),
        ),
        "redirecting" => {
            let location = format!("http://127.0.0.1:9/{ID}?x={QUERY}");
            Reply::with_headers(302, &[("location", location.as_str())], "")
        }
        "closing" => {
            let body = axum::body::Body::from_stream(futures::stream::iter([
                Ok(NAME.to_owned()),
                Err(std::io::Error::other("closed")),
            ]));
            Reply::json(200, body)
        }
        _ => Reply::Silence,
    }
}

/// Posts a call, as a client of the newest version does.
async fn post(origin: &str, tool: &str, arguments: &Value) {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool,
        "arguments": arguments,
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": NOTE, "version": "1" },
        },
    } });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(format!("{origin}/mcp?x={ID}"))
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", tool)
        .bearer_auth(CALLER_TOKEN)
        .body(body.to_string());
    let _ = request.send().await.unwrap().bytes().await.unwrap();
}

#[tokio::test]
async fn no_canary_is_logged_in_any_mood_of_the_server() {
    let log = Log::start();
    let mut flows = 0;
    for mood in MOODS {
        let fhir = FhirServer::start(move |_, request| answer(mood, request)).await;
        let credential = FixedHeaders::bearer(&Secret::new(TOKEN)).unwrap();
        let options = HttpOptions {
            credential: Some(Arc::new(credential)),
            timeout: Duration::from_millis(if mood == "silent" { 50 } else { 5000 }),
            ..HttpOptions::new(fhir.base())
        };
        let source = Source::Http(HttpClient::new(options).unwrap());
        let options = Options {
            allow_writes: true,
            writes: fhir_mcp_server::mcp::WriteOptions {
                without_confirmation: true,
                ..Default::default()
            },
            ..Options::default()
        };
        let handler = mcp::FhirServer::new(source, options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let serving = http::run(
            listener,
            handler,
            http::HttpOptions::default(),
            std::future::pending(),
        );
        let serving = tokio::spawn(serving);
        for (tool, arguments) in calls() {
            post(&origin, tool, &arguments).await;
            flows += 1;
        }
        // Refused at the door.
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for (header, value) in [("Host", ID), ("Origin", "http://canaryArgument")] {
            let request = client.post(format!("{origin}/mcp")).header(header, value);
            let _ = request
                .bearer_auth(CALLER_TOKEN)
                .body(NAME)
                .send()
                .await
                .unwrap();
            flows += 1;
        }
        serving.abort();
    }
    log.assert_without(&CANARIES);
    let text = log.text();
    assert!(text.contains("\"status\":\"ok\"") && text.contains("\"status\":\"error\""));
    assert!(text.contains("FHIR server answered") && text.contains("no FHIR answer"));
    println!(
        "log canaries: {} through {flows} flows, 0 hits",
        CANARIES.len()
    );
}

/// The binary at the highest level, with what other programs heed set, too.
#[test]
fn the_binary_logs_no_canary_whatever_is_set() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fhir = runtime.block_on(FhirServer::start(|_, request| answer("well", request)));
    let folder = tempfile::tempdir().unwrap();
    for (transport, format) in [
        ("stdio", "json"),
        ("stdio", "text"),
        ("streamable-http", "json"),
    ] {
        let mut command = binary(folder.path(), fhir.base().as_str());
        command.args(["--transport", transport, "--log-format", format]);
        let mut server = Running::start(&mut command);
        if transport == "stdio" {
            server.initialize();
            for (number, (tool, arguments)) in (1..).zip(calls()) {
                server.call(number, tool, &arguments);
                server.answer();
            }
            server.write(format!("no JSON but {NAME}").as_bytes());
            assert!(server.end());
        } else {
            let origin = server.origin();
            for (tool, arguments) in calls() {
                runtime.block_on(post(&origin, tool, &arguments));
            }
        }
        let log = server.log();
        assert!(
            log.contains("search") && log.contains("request_id"),
            "{log}"
        );
        assert_eq!(hits(&log, &CANARIES), Vec::<String>::new());
    }
}

fn binary(folder: &std::path::Path, base: &str) -> Command {
    let mut command = program::program(folder);
    command
        .args(["--allow-writes", "--no-confirm", "--log-level", "TRACE"])
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1")
        .env("FHIR_SERVER_BASE_URL", base)
        .env("FHIR_SERVER_ACCESS_TOKEN", TOKEN)
        .env("FHIR_SERVER_DISABLE_AUTHORIZATION", "True")
        .env("FHIR_MCP_HOST", "127.0.0.1")
        .env("FHIR_MCP_PORT", "0");
    command
}
