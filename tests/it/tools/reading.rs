//! `read`, and the MCP resources.

use fhir_mcp_server::mcp::{OnInvalid, Options};
use rmcp::model::{ReadResourceRequestParams, ResourceContents};
use serde_json::{Value, json};

use super::{INVALID, PATIENT, Setting, bundle, observation};

#[tokio::test]
async fn a_read_gives_the_default_view_and_says_what_it_left_out() {
    let setting = Setting::start(Options::default(), |_, _| (200, PATIENT.to_owned())).await;
    let answer = setting
        .ok("read", json!({"type": "Patient", "id": "Patient/1"}))
        .await;
    assert_eq!(
        answer["resource"],
        json!({"resourceType": "Patient", "id": "1", "meta": {"security": [{"code": "R"}]}, "active": true})
    );
    let omitted: Vec<_> = answer["omitted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["element"])
        .collect();
    assert_eq!(omitted, ["DomainResource.text", "Resource.meta.versionId"]);
    assert_eq!(setting.targets(), ["/Patient/1"]);
}

#[tokio::test]
async fn a_raw_read_gives_the_server_s_json() {
    let setting = Setting::start(Options::default(), |_, _| (200, PATIENT.to_owned())).await;
    let result = setting
        .call("read", json!({"type": "Patient", "id": "1", "view": "raw"}))
        .await;
    assert_eq!(result.content[0].as_text().unwrap().text, PATIENT);
    let expected: Value = serde_json::from_str(PATIENT).unwrap();
    assert_eq!(result.structured_content.unwrap()["resource"], expected);
}

#[tokio::test]
async fn decimals_keep_their_digits() {
    let body = observation(1, "1.50");
    let setting = Setting::start(Options::default(), move |_, _| (200, body.clone())).await;
    for view in ["default", "raw"] {
        let arguments = json!({"type": "Observation", "id": "1", "view": view});
        let result = setting.call("read", arguments).await;
        assert!(
            result.content[0]
                .as_text()
                .unwrap()
                .text
                .contains(r#""value":1.50,"#)
        );
        let structured = result.structured_content.unwrap();
        assert_eq!(
            structured["exactDecimals"],
            json!({"valueQuantity.value": "1.50"})
        );
        assert_eq!(structured["resource"]["valueQuantity"]["comparator"], "<");
        assert_eq!(structured["resource"]["valueQuantity"]["unit"], "g/dL");
    }
}

#[tokio::test]
async fn large_attachments_become_notes() {
    let data = "AAAA".repeat(600);
    let body = format!(
        r#"{{"resourceType":"Binary","id":"1","contentType":"image/png","data":"{data}"}}"#
    );
    let setting = Setting::start(Options::default(), move |_, _| (200, body.clone())).await;
    let answer = setting
        .ok("read", json!({"type": "Binary", "id": "1"}))
        .await;
    let note = answer["resource"]["data"].as_str().unwrap();
    assert!(note.contains("image/png, 1800 bytes, sha256 "), "{note}");
    assert_eq!(answer["omitted"][0]["element"], "Binary.data");
}

#[tokio::test]
async fn an_invalid_resource_is_withheld_or_flagged() {
    let setting = Setting::start(Options::default(), |_, _| (200, INVALID.to_owned())).await;
    let result = setting
        .call("read", json!({"type": "Patient", "id": "1"}))
        .await;
    assert_eq!(result.is_error, Some(true));
    let answer = result.structured_content.unwrap();
    assert_eq!(answer["withheld"], 1);
    assert_eq!(answer["resource"]["withheld"], true);
    let issues = answer["resource"]["issues"].as_array().unwrap();
    assert_eq!(issues.len(), 2);
    assert_eq!(issues[0]["expression"], "Patient.gender");
    assert!(answer["resource"].get("gender").is_none());

    let options = Options {
        on_invalid: OnInvalid::Flag,
        ..Options::default()
    };
    let setting = Setting::start(options, |_, _| (200, INVALID.to_owned())).await;
    let answer = setting
        .ok("read", json!({"type": "Patient", "id": "1"}))
        .await;
    assert_eq!(answer["resource"]["gender"], "masculine");
    assert_eq!(answer["issues"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn hostile_types_ids_and_operations_are_refused() {
    let setting = Setting::start(Options::default(), |_, _| (200, PATIENT.to_owned())).await;
    let text = setting
        .fails("read", json!({"type": "Pateint", "id": "1"}))
        .await;
    assert!(text.contains("(near: Patient)"), "{text}");
    for (id, operation) in [
        (".", ""),
        ("..", ""),
        ("../../admin", ""),
        ("1?x=y", ""),
        ("1", "../x"),
        ("1", "."),
        ("1", "$x/../../y"),
    ] {
        let arguments = json!({"type": "Patient", "id": id, "operation": operation});
        setting.fails("read", arguments).await;
    }
    assert_eq!(setting.targets(), [""; 0]);
}

#[tokio::test]
async fn whatever_is_no_resource_is_a_clear_error() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let big = format!(
        r#"{{"resourceType":"Patient","id":"1","language":"{}"}}"#,
        "x".repeat(11 << 20)
    );
    let answers = [
        ("<!DOCTYPE html><html></html>".to_owned(), "HTML"),
        ("<Patient xmlns=\"http://hl7.org/fhir\"/>".to_owned(), "XML"),
        (PATIENT[..40].to_owned(), "breaks off"),
        (
            r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"}}"#
                .to_owned(),
            "of type Observation",
        ),
        (PATIENT.replace(r#""id":"1""#, r#""id":"2""#), "id"),
        (
            format!(r#"{{"resourceType":"Patient","id":"1","name":{deep}}}"#),
            "128 levels",
        ),
        (big, "larger than"),
        (String::new(), "empty"),
        (r#"{"hello":1}"#.to_owned(), "no FHIR R4 resource"),
    ];
    for (body, hint) in answers {
        let setting = Setting::start(Options::default(), move |_, _| (200, body.clone())).await;
        let text = setting
            .fails("read", json!({"type": "Patient", "id": "1"}))
            .await;
        assert!(text.contains(hint), "{hint}: {text}");
    }
}

#[tokio::test]
async fn resources_are_read_by_their_templates() {
    let setting = Setting::start(Options::default(), |_, target| match target {
        "/Patient/1" => (200, PATIENT.to_owned()),
        "/Patient/2" => (200, INVALID.replace(r#""id":"1""#, r#""id":"2""#)),
        _ => (404, String::new()),
    })
    .await;
    let read = |uri: &str| {
        setting
            .client
            .read_resource(ReadResourceRequestParams::new(uri))
    };
    let text = |contents: &ResourceContents| match contents {
        ResourceContents::TextResourceContents { text, .. } => text.clone(),
        other => panic!("{other:?}"),
    };
    let record = read("fhir://Patient/1").await.unwrap();
    assert_eq!(text(&record.contents[0]), PATIENT);
    let schema = read("fhir-schema://R4/Patient").await.unwrap();
    let schema: Value = serde_json::from_str(&text(&schema.contents[0])).unwrap();
    assert!(schema.is_object());
    for uri in [
        "fhir://Patient/3",
        "fhir://Patient",
        "fhir-schema://R4/Patent",
        "http://x",
        "fhir://Patient/../x",
    ] {
        let error = read(uri).await.unwrap_err().to_string();
        assert!(error.contains(uri), "{error}");
    }
    let withheld = read("fhir://Patient/2").await.unwrap_err().to_string();
    assert!(withheld.contains("withheld"), "{withheld}");
}

#[tokio::test]
async fn what_is_too_long_is_cut_and_named() {
    let text = "x".repeat(50_000);
    let body = format!(
        r#"{{"resourceType":"Patient","id":"1","active":true,"name":[{{"text":"{text}"}}],"gender":"male"}}"#
    );
    let page = bundle(1, None, std::slice::from_ref(&body));
    let setting = Setting::start(Options::default(), move |_, target| match target {
        "/Patient/1" => (200, body.clone()),
        _ => (200, page.clone()),
    })
    .await;
    let whole = json!({"resourceType": "Patient", "id": "1", "active": true, "gender": "male"});
    let read = setting
        .ok("read", json!({"type": "Patient", "id": "1"}))
        .await;
    assert_eq!(read["resource"], whole);
    assert_eq!(read["omitted"][0]["element"], "Patient.name");
    let found = setting.ok("search", json!({"type": "Patient"})).await;
    assert_eq!(found["entry"][0]["resource"], whole);

    let raw = json!({"type": "Patient", "id": "1", "view": "raw"});
    let text = setting.fails("read", raw).await;
    assert!(text.contains("_elements"), "{text}");
    let raw = setting
        .ok("search", json!({"type": "Patient", "view": "raw"}))
        .await;
    let outcome = &raw["bundle"]["entry"][0]["resource"];
    assert_eq!(outcome["issue"][0]["code"], "too-long");
}

#[tokio::test]
async fn an_operation_that_gives_a_bundle_comes_in_parts() {
    let everything: Vec<_> = (0..60)
        .map(|id| observation(id, "7.0"))
        .chain([PATIENT.to_owned()])
        .collect();
    let everything = bundle(61, None, &everything).replace("\"total\":61,", "");
    let setting = Setting::start(Options::default(), move |_, _| (200, everything.clone())).await;
    let mut count = 0;
    let mut arguments =
        json!({"type": "Patient", "id": "1", "operation": "$everything", "view": "raw"});
    loop {
        let answer = setting.ok("read", arguments.clone()).await;
        let entries = answer["entry"].as_array().unwrap();
        assert!(
            entries
                .iter()
                .all(|entry| entry["resourceType"].is_string())
        );
        count += entries.len();
        if answer["complete"] == true {
            break;
        }
        arguments["cursor"] = answer["cursor"].clone();
    }
    assert_eq!(count, 61);
    assert!(
        setting
            .targets()
            .iter()
            .all(|target| target == "/Patient/1/$everything")
    );
}
