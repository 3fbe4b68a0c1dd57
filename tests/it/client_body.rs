//! What servers answer instead of the resource that was asked for.

use std::time::Duration;

use fhir_mcp_server::{
    client::{Answer, BodyError, Decoded, Expectation, Interaction, decode},
    validation::Validator,
};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1"}"#;

#[test]
fn the_resource_asked_for_is_decoded() {
    let decoded = decode(
        &answer(200, PATIENT),
        &Expectation::of(&read(None)),
        &Validator::default(),
    )
    .unwrap();
    let Decoded::Resource(reading) = decoded else {
        panic!("{decoded:?}")
    };
    assert!(reading.is_valid());
    assert_eq!(reading.value.unwrap().id().as_deref(), Some("1"));
}

#[test]
fn each_other_body_is_an_error_of_its_own() {
    assert_messages(&[
        ("", "empty"),
        (" \r\n", "empty"),
        ("<!DOCTYPE html><html><body>Log in</body></html>", "HTML"),
        ("\n <html lang='en'>", "HTML"),
        ("\u{feff}<HTML>", "HTML"),
        ("<?xml version='1.0'?><Patient/>", "XML"),
        ("<Patient xmlns='http://hl7.org/fhir'/>", "XML"),
        (r#"{"resourceType":"Patient","id":"1""#, "breaks off"),
        (r#"{"resourceType":"Patient","na"#, "breaks off"),
        ("Internal error", "not JSON"),
        (r#"{"resourceType":"Patient",}"#, "not JSON"),
        (
            r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"}}"#,
            "type Observation where Patient",
        ),
        (r#"{"resourceType":"Patient","id":"2"}"#, "another resource"),
        (r#"{"resourceType":"Patient"}"#, "another resource"),
    ]);
}

#[test]
fn json_that_is_no_resource_is_an_error_of_its_own() {
    let deep = "[".repeat(10_000);
    assert_messages(&[
        (&deep, "128 levels"),
        ("[]", "no FHIR R4 resource"),
        ("null", "no FHIR R4 resource"),
        (r#"{"id":"1"}"#, "no FHIR R4 resource"),
        (
            r#"{"resourceType":"Pacient","id":"1"}"#,
            "no FHIR R4 resource",
        ),
    ]);
}

#[test]
fn each_interaction_expects_what_the_specification_says() {
    let bundle = r#"{"resourceType":"Bundle","type":"searchset"}"#;
    let search = Interaction::Search {
        resource_type: "Patient".to_owned(),
        parameters: Vec::new(),
    };
    let next = Interaction::NextPage {
        link: String::new(),
    };
    let create = Interaction::Create {
        resource_type: "Patient".to_owned(),
        operation: None,
        parameters: Vec::new(),
        body: String::new(),
    };
    let everything = read(Some("$everything"));
    for (interaction, body, accepted) in [
        (&search, bundle, true),
        (&search, PATIENT, false),
        (&search, "", false),
        (&next, bundle, true),
        (&next, PATIENT, false),
        (&everything, bundle, true),
        (&everything, PATIENT, true),
        (&everything, "", false),
        (&create, PATIENT, true),
        (&create, "", true),
        (&create, "<html>", false),
        (&Interaction::Capabilities, PATIENT, false),
    ] {
        let result = decode(
            &answer(200, body),
            &Expectation::of(interaction),
            &Validator::default(),
        );
        assert_eq!(result.is_ok(), accepted, "{interaction:?} {body}");
    }
    let empty = decode(
        &answer(204, ""),
        &Expectation::of(&create),
        &Validator::default(),
    );
    assert!(matches!(empty, Ok(Decoded::Nothing)), "{empty:?}");
}

#[test]
fn a_failure_keeps_status_outcome_and_retry_after() {
    let outcome =
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}"#;
    for (body, kept) in [
        (outcome, true),
        (PATIENT, false),
        ("<html>", false),
        ("{", false),
        ("", false),
    ] {
        let mut answer = answer(404, body);
        answer.retry_after = Some(Duration::from_secs(5));
        let error = decode(
            &answer,
            &Expectation::of(&read(None)),
            &Validator::default(),
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("404 (Not Found)") && text.contains("5 s"),
            "{text}"
        );
        let BodyError::Http(failure) = error else {
            panic!("{error:?}")
        };
        assert_eq!(failure.status, 404);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(5)));
        assert_eq!(failure.outcome.is_some(), kept, "{body}");
    }
}

/// Decodes each body as the answer to a read of `Patient/1`, and looks for a
/// part of the message.
fn assert_messages(cases: &[(&str, &str)]) {
    for (body, message) in cases {
        let error = decode(
            &answer(200, body),
            &Expectation::of(&read(None)),
            &Validator::default(),
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(message), "{body:.60} gave {error:?}: {text}");
    }
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        content_type: Some("application/fhir+json".to_owned()),
        body: body.as_bytes().to_vec(),
        ..Answer::default()
    }
}

fn read(operation: Option<&str>) -> Interaction {
    Interaction::Read {
        resource_type: "Patient".to_owned(),
        id: "1".to_owned(),
        operation: operation.map(ToOwned::to_owned),
        parameters: Vec::new(),
    }
}
