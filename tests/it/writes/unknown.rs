//! A write that was sent and got no answer to rely on: it may have taken place,
//! and nobody is told to repeat it.

use std::{sync::Arc, time::Duration};

use fhir_mcp_server::{
    client::{HttpClient, HttpOptions, Source},
    mcp::{self, Options, WriteOptions},
};
use serde_json::{Value, json};

use super::{Answer, Client, Connection, Recorder, Reply, call, calls, stored_patient};
use crate::support::fhir_server::FhirServer;

/// What becomes of a write.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Silence,
    /// The connection ends within the answer.
    Broken,
    TooLarge,
    Status(u16),
}

fn reply(fate: Fate) -> Reply {
    match fate {
        Fate::Silence => Reply::Silence,
        Fate::Broken => Reply::with_headers(201, &[("content-length", "99")], broken_body()),
        Fate::TooLarge => Reply::json(201, vec![b' '; 2 << 20]),
        Fate::Status(status) => Reply::with_headers(status, &[], ""),
    }
}

fn broken_body() -> axum::body::Body {
    let ends = std::io::Error::other("ends here");
    let parts = [Ok(axum::body::Bytes::from_static(b"{")), Err(ends)];
    axum::body::Body::from_stream(futures::stream::iter(parts))
}

/// All writing calls without confirmation; what they say.
async fn told(fate: Fate, request_timeout: Duration, call_timeout: Duration) -> Vec<String> {
    let script =
        Arc::new(
            move |_: usize, request: &super::Request| match request.method.as_str() {
                "GET" => stored_patient(request),
                _ => reply(fate),
            },
        );
    let fhir = FhirServer::start(move |number, request| script(number, request)).await;
    let client = HttpClient::new(HttpOptions {
        timeout: request_timeout,
        max_body: 1 << 20,
        ..HttpOptions::new(fhir.base())
    });
    let recorder = Recorder {
        source: Source::Http(client.unwrap()),
        fhir,
    };
    let server: mcp::FhirServer = recorder.server(Options {
        allow_writes: true,
        call_timeout,
        writes: WriteOptions {
            without_confirmation: true,
            ..WriteOptions::default()
        },
        ..Options::default()
    });
    let client = Client::connect(&server, Connection::ModernLines, Answer::Silence).await;
    let mut told = Vec::new();
    for (tool, arguments, _) in calls() {
        let written = recorder.writes().len();
        let (succeeded, text) = client.call(call(tool, &arguments)).await.unwrap();
        assert!(!succeeded, "{tool}: {text}");
        assert_eq!(recorder.writes().len(), written + 1, "{tool} is sent once");
        told.push(text);
    }
    told
}

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_write_without_an_answer_may_have_taken_place() {
    let fates = [
        (Fate::Silence, SHORT, LONG),
        // The limit of the call comes first.
        (Fate::Silence, LONG, SHORT),
        (Fate::Broken, LONG, LONG),
        (Fate::TooLarge, LONG, LONG),
        (Fate::Status(500), LONG, LONG),
        (Fate::Status(502), LONG, LONG),
        (Fate::Status(504), LONG, LONG),
    ];
    for (fate, request_timeout, call_timeout) in fates {
        for text in told(fate, request_timeout, call_timeout).await {
            let name = format!("{fate:?}: {text}");
            assert!(text.contains("may have taken place"), "{name}");
            assert!(text.contains("Do not repeat it"), "{name}");
            assert!(!text.contains("ask for less"), "{name}");
            assert!(!text.contains("may work later"), "{name}");
            let outcome: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(outcome["issue"][0]["code"], json!("incomplete"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_write_that_was_refused_did_not() {
    for status in [400, 403, 409, 422, 429, 503] {
        for text in told(Fate::Status(status), LONG, LONG).await {
            assert!(!text.contains("may have taken place"), "{status}: {text}");
        }
    }
}

#[tokio::test]
async fn nothing_is_written_while_the_resource_is_read() {
    // The plan reads first, and gets no answer.
    let recorder = Recorder::scripted(|_, _| Reply::Silence).await;
    let server = recorder.server(Options {
        allow_writes: true,
        call_timeout: SHORT,
        ..Options::default()
    });
    let client = Client::connect(&server, Connection::ModernLines, Answer::Accept).await;
    let (tool, arguments, _) = &calls()[1];
    let (succeeded, text) = client.call(call(tool, arguments)).await.unwrap();
    assert!(!succeeded && !text.contains("may have"), "{text}");
    assert_eq!(recorder.writes(), [""; 0]);
}
