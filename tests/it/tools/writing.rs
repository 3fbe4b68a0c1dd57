//! `create`, `update` and `delete`.

use fhir_mcp_server::mcp::{Options, WriteOptions};
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};

use super::{INVALID, PATIENT, Setting};
use crate::support::fhir_server::Reply;

/// Options that allow writes without asking.
fn unasked() -> Options {
    Options {
        allow_writes: true,
        writes: WriteOptions {
            without_confirmation: true,
            ..WriteOptions::default()
        },
        ..Options::default()
    }
}

#[tokio::test]
async fn http_errors_keep_status_outcome_and_retry_after() {
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"Unit unknown"}]}"#;
    let setting = Setting::scripted(unasked(), move |_| {
        Reply::with_headers(
            429,
            &[
                ("content-type", "application/fhir+json"),
                ("retry-after", "9000"),
            ],
            outcome,
        )
    })
    .await;
    let text = setting
        .fails("delete", json!({"type": "Patient", "id": "1"}))
        .await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["resourceType"], "OperationOutcome");
    assert_eq!(answer["issue"][0]["code"], "throttled");
    assert_eq!(answer["issue"][0]["details"]["coding"][0]["code"], "429");
    assert!(text.contains("Retry-After: 9000 s"), "{text}");
    assert_eq!(answer["issue"][1]["diagnostics"], "Unit unknown");
}

#[tokio::test]
async fn invalid_payloads_are_never_sent() {
    let options = unasked();
    let setting = Setting::start(options, |_, _| (201, PATIENT.to_owned())).await;
    let invalid: Value = serde_json::from_str(INVALID).unwrap();
    for (tool, arguments) in [
        ("create", json!({"type": "Patient", "payload": invalid})),
        (
            "update",
            json!({"type": "Patient", "id": "1", "payload": INVALID}),
        ),
    ] {
        let text = setting.fails(tool, arguments).await;
        assert!(
            text.contains("Patient.gender") && text.contains("Patient.birthDate"),
            "{text}"
        );
    }
    let other = json!({"type": "Observation", "payload": {"resourceType": "Patient"}});
    assert!(
        setting
            .fails("create", other)
            .await
            .contains("expected resourceType Observation")
    );
    let unconditional = json!({"type": "Patient"});
    assert!(
        setting
            .fails("delete", unconditional)
            .await
            .contains("searchParam")
    );
    assert_eq!(setting.targets(), [""; 0]);
}

#[tokio::test]
async fn writes_say_where_the_resource_is() {
    let options = unasked();
    let setting = Setting::scripted(options, |request| match request.method.as_str() {
        "POST" => Reply::with_headers(
            201,
            &[("location", "http://x.example/fhir/Patient/77/_history/1")],
            "",
        ),
        "PUT" => Reply::json(200, request.body.clone()),
        "GET" => Reply::json(404, ""),
        _ => Reply::with_headers(204, &[], ""),
    })
    .await;
    let created = setting
        .ok(
            "create",
            json!({"type": "Patient", "payload": {"resourceType": "Patient"}}),
        )
        .await;
    assert_eq!(
        created,
        json!({"status": 201, "reference": "Patient/77", "versionId": "1"})
    );

    let payload = r#"{"resourceType":"Observation","id":"x","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}"#;
    let arguments = json!({"type": "Observation", "id": "5", "payload": payload});
    let updated = setting.ok("update", arguments).await;
    assert_eq!(updated["resource"]["id"], "5");
    let sent = setting.fhir.requests();
    let sent = sent.iter().find(|request| request.method == "PUT").unwrap();
    let body = std::str::from_utf8(&sent.body).unwrap();
    assert!(
        body.contains(r#""id":"5""#) && body.contains("1.50"),
        "{body}"
    );

    let deleted = setting
        .ok("delete", json!({"type": "Patient", "id": "1"}))
        .await;
    assert_eq!(
        deleted["issue"][0]["diagnostics"],
        "Successfully deleted resource(s)."
    );
}

#[tokio::test]
async fn without_leave_nothing_is_written() {
    let setting = Setting::start(Options::default(), |_, _| (200, PATIENT.to_owned())).await;
    let request = CallToolRequestParams::new("delete")
        .with_arguments(rmcp::model::object(json!({"type": "Patient", "id": "1"})));
    let error = setting.client.call_tool(request).await.unwrap_err();
    assert!(error.to_string().contains("--allow-writes"), "{error}");
    assert_eq!(setting.targets(), [""; 0]);
}
