//! What an update replaces, and what a condition selects.

use fhir_mcp_server::mcp::{Options, WriteOptions};
use serde_json::json;

use super::{
    Answer, Client, Connection, Recorder, Reply, STORED, VERSIONS, allowing_with, call, found,
    stored_patient,
};

fn unasked() -> Options {
    allowing_with(WriteOptions {
        without_confirmation: true,
        ..WriteOptions::default()
    })
}

async fn client(recorder: &Recorder) -> Client {
    let server = recorder.server(unasked());
    Client::connect(&server, Connection::ModernLines, Answer::Unsupported).await
}

#[tokio::test]
async fn an_update_replaces_the_version_that_was_read() {
    for (etag, stored, if_match) in VERSIONS {
        let recorder = Recorder::storing(etag, stored).await;
        let client = client(&recorder).await;
        let arguments =
            json!({"type": "Patient", "id": "1", "payload": {"resourceType": "Patient"}});
        let (succeeded, text) = client.call(call("update", &arguments)).await.unwrap();
        assert!(succeeded, "{text}");
        let requests = recorder.fhir.requests();
        let put = requests
            .iter()
            .find(|request| request.method == "PUT")
            .unwrap();
        assert_eq!(put.header("if-match"), if_match);
        let told = text.contains("gives no version");
        assert_eq!(told, if_match.is_none(), "{text}");
    }
}

#[tokio::test]
async fn who_comes_second_is_told() {
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict","diagnostics":"version 8"}]}"#;
    let recorder = Recorder::scripted(move |_, request| match request.method.as_str() {
        "PUT" => Reply::json(412, outcome),
        _ => stored_patient(request),
    })
    .await;
    let client = client(&recorder).await;
    let payload = json!({"resourceType": "Patient"});
    let arguments = json!({"type": "Patient", "id": "1", "payload": payload});
    let (succeeded, text) = client.call(call("update", &arguments)).await.unwrap();
    assert!(
        !succeeded && text.contains("someone else changed"),
        "{text}"
    );
    assert!(text.contains("412") && text.contains("version 8"), "{text}");

    let before = recorder.writes().len();
    let payload = json!({"resourceType": "Patient", "meta": {"versionId": "6"}});
    let arguments = json!({"type": "Patient", "id": "1", "payload": payload});
    let (succeeded, text) = client.call(call("update", &arguments)).await.unwrap();
    assert!(!succeeded && text.contains("made from version 6"), "{text}");
    assert_eq!(recorder.writes().len(), before);
}

#[tokio::test]
async fn what_is_not_there_is_created_with_its_id() {
    for status in [404, 410] {
        let recorder = Recorder::scripted(move |_, request| match request.method.as_str() {
            "GET" => Reply::json(status, ""),
            _ => stored_patient(request),
        })
        .await;
        let client = client(&recorder).await;
        let payload = json!({"resourceType": "Patient"});
        let arguments = json!({"type": "Patient", "id": "1", "payload": payload});
        let (succeeded, text) = client.call(call("update", &arguments)).await.unwrap();
        assert!(succeeded, "{text}");
        assert_eq!(recorder.writes(), ["PUT /Patient/1"]);
    }
}

#[tokio::test]
async fn who_may_not_read_does_not_replace() {
    for status in [401, 403, 500] {
        let recorder = Recorder::scripted(move |_, request| match request.method.as_str() {
            "GET" => Reply::json(status, ""),
            _ => stored_patient(request),
        })
        .await;
        let client = client(&recorder).await;
        let payload = json!({"resourceType": "Patient"});
        let arguments = json!({"type": "Patient", "id": "1", "payload": payload});
        let (succeeded, text) = client.call(call("update", &arguments)).await.unwrap();
        assert!(!succeeded, "{text}");
        assert_eq!(recorder.writes(), [""; 0]);
    }
}

#[tokio::test]
async fn a_condition_selects_one_resource_or_nothing_happens() {
    let other = r#"{"resourceType":"Patient","id":"2"}"#;
    let with = |text: String, more: &str| text.replacen('{', &format!("{{{more},"), 1);
    let next = r#""link":[{"relation":"next","url":"Patient?p=2"}]"#;
    let no_total = |text: String| text.replace(r#","total":1"#, "");
    let cases = [
        ("none", found(&[]), true, false),
        ("one", found(&[STORED]), true, true),
        ("one, no total", no_total(found(&[STORED])), true, true),
        ("two", found(&[STORED, other]), false, false),
        (
            "one of five",
            found(&[STORED]).replace(r#""total":1"#, r#""total":5"#),
            false,
            false,
        ),
        (
            "one and a next page",
            with(found(&[STORED]), next),
            false,
            false,
        ),
        (
            "none but a total",
            found(&[]).replace(r#""total":0"#, r#""total":3"#),
            false,
            false,
        ),
        (
            "another type",
            found(&[r#"{"resourceType":"Basic","id":"1","code":{"text":"x"}}"#]),
            false,
            false,
        ),
    ];
    for (name, bundle, updates, deletes) in cases {
        let recorder = Recorder::scripted(move |_, request| match request.method.as_str() {
            "GET" if request.target.contains("name=") => Reply::json(200, bundle.clone()),
            _ => stored_patient(request),
        })
        .await;
        let client = client(&recorder).await;
        let condition = json!({"name": "x"});
        let delete = json!({"type": "Patient", "searchParam": condition});
        let (succeeded, text) = client.call(call("delete", &delete)).await.unwrap();
        assert_eq!(succeeded, deletes, "{name}: {text}");
        assert_eq!(recorder.writes().len(), usize::from(deletes), "{name}");
        let update = json!({"type": "Patient", "id": "", "searchParam": condition,
            "payload": {"resourceType": "Patient"}});
        let before = recorder.writes().len();
        let (succeeded, text) = client.call(call("update", &update)).await.unwrap();
        assert_eq!(succeeded, updates, "{name}: {text}");
        assert_eq!(
            recorder.writes().len() - before,
            usize::from(updates),
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_does_not_select_is_no_condition() {
    let recorder = Recorder::start().await;
    let client = client(&recorder).await;
    for condition in [
        json!({}),
        json!({"_count": 1}),
        json!({"_sort": "name", "_summary": "true"}),
    ] {
        let arguments = json!({"type": "Patient", "searchParam": condition});
        let (succeeded, text) = client.call(call("delete", &arguments)).await.unwrap();
        assert!(!succeeded && text.contains("searchParam"), "{text}");
    }
    assert_eq!(recorder.writes(), [""; 0]);
}
