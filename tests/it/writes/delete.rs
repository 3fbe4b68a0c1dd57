//! What a deletion removes.

use fhir_mcp_server::mcp::WriteOptions;
use serde_json::json;

use super::{
    Answer, Client, Connection, Recorder, Reply, VERSIONS, allowing, allowing_with, call,
    stored_patient,
};

#[tokio::test]
async fn a_deletion_removes_the_version_that_the_user_saw() {
    for (etag, stored, if_match) in VERSIONS {
        let recorder = Recorder::storing(etag, stored).await;
        let server = recorder.server(allowing());
        for how in [Connection::ModernLines, Connection::LegacyLines] {
            let client = Client::connect(&server, how, Answer::Accept).await;
            let arguments = json!({"type": "Patient", "id": "1"});
            let (succeeded, text) = client.call(call("delete", &arguments)).await.unwrap();
            assert!(succeeded, "{text}");
        }
        let requests = recorder.fhir.requests();
        let deletions = requests.iter().filter(|request| request.method == "DELETE");
        let versions: Vec<_> = deletions
            .map(|request| request.header("if-match"))
            .collect();
        assert_eq!(versions, [if_match, if_match]);
    }
}

#[tokio::test]
async fn what_nobody_saw_is_bound_to_no_version() {
    let recorder = Recorder::start().await;
    let server = recorder.server(allowing_with(WriteOptions {
        without_confirmation: true,
        ..WriteOptions::default()
    }));
    let client = Client::connect(&server, Connection::ModernLines, Answer::Unsupported).await;
    let arguments = json!({"type": "Patient", "id": "1"});
    let (succeeded, text) = client.call(call("delete", &arguments)).await.unwrap();
    assert!(succeeded, "{text}");
    let requests = recorder.fhir.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("if-match"), None);
}

#[tokio::test]
async fn who_deletes_what_changed_is_told() {
    let recorder = Recorder::scripted(|_, request| match request.method.as_str() {
        "DELETE" => Reply::json(412, ""),
        _ => stored_patient(request),
    })
    .await;
    let server = recorder.server(allowing());
    let client = Client::connect(&server, Connection::ModernLines, Answer::Accept).await;
    let arguments = json!({"type": "Patient", "id": "1"});
    let (succeeded, text) = client.call(call("delete", &arguments)).await.unwrap();
    assert!(!succeeded, "{text}");
    assert!(text.contains("someone else changed"), "{text}");
    assert!(text.contains("412"), "{text}");
}
