//! Interactions, and the shapes of their events.

use fhir_mcp_server::client::Interaction;

pub(super) fn search(resource_type: &str, name: &str, value: &str) -> Interaction {
    Interaction::Search {
        resource_type: resource_type.to_owned(),
        parameters: vec![(name.to_owned(), value.to_owned())],
    }
}

pub(super) fn read(resource_type: &str, id: &str, operation: Option<&str>) -> Interaction {
    Interaction::Read {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        operation: operation.map(ToOwned::to_owned),
        parameters: Vec::new(),
    }
}

pub(super) fn create(resource_type: &str, body: &str) -> Interaction {
    Interaction::Create {
        resource_type: resource_type.to_owned(),
        operation: None,
        parameters: Vec::new(),
        body: body.to_owned(),
    }
}

pub(super) fn update(resource_type: &str, id: Option<&str>, body: &str) -> Interaction {
    Interaction::Update {
        resource_type: resource_type.to_owned(),
        id: id.map(ToOwned::to_owned),
        operation: None,
        parameters: Vec::new(),
        if_match: None,
        body: body.to_owned(),
    }
}

pub(super) fn delete(resource_type: &str, id: Option<&str>, query: &[(&str, &str)]) -> Interaction {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Interaction::Delete {
        resource_type: resource_type.to_owned(),
        id: id.map(ToOwned::to_owned),
        operation: None,
        parameters: query.iter().map(owned).collect(),
        if_match: None,
    }
}

pub(super) const OBSERVATION: &str =
    r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/p"}}"#;
pub(super) const ORGANIZATION: &str = r#"{"resourceType":"Organization","id":"org"}"#;
pub(super) const TWO_PATIENTS: &str = r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Observation","subject":{"reference":"Patient/a"}}},{"resource":{"resourceType":"Patient","id":"b"}}]}"#;

/// Interaction, body of its answer, and the pattern, action, subtype and
/// patients of its event.
pub(super) type Shape = (
    Interaction,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

pub(super) fn shapes() -> Vec<Shape> {
    let bundle = r#"{"resourceType":"Bundle","type":"searchset"}"#;
    vec![
        (
            create("Organization", ORGANIZATION),
            "",
            "Create",
            "C",
            "create",
            &[],
        ),
        (
            create("Observation", OBSERVATION),
            "",
            "PatientCreate",
            "C",
            "create",
            &["p"],
        ),
        (
            read("Organization", "org", None),
            ORGANIZATION,
            "Read",
            "R",
            "read",
            &[],
        ),
        (
            read("Observation", "o", None),
            OBSERVATION,
            "PatientRead",
            "R",
            "read",
            &["p"],
        ),
        (
            read("Patient", "p", Some("_history/2")),
            "",
            "PatientRead",
            "R",
            "vread",
            &["p"],
        ),
        (
            update("Organization", Some("org"), ORGANIZATION),
            "",
            "Update",
            "U",
            "update",
            &[],
        ),
        (
            update("Patient", Some("p"), "{}"),
            "",
            "PatientUpdate",
            "U",
            "update",
            &["p"],
        ),
        (
            delete("Organization", Some("org"), &[]),
            "",
            "Delete",
            "D",
            "delete",
            &[],
        ),
        (
            delete("Patient", Some("p"), &[]),
            "",
            "PatientDelete",
            "D",
            "delete",
            &["p"],
        ),
        (
            search("Organization", "name", "x"),
            bundle,
            "Query",
            "E",
            "search",
            &[],
        ),
        (
            search("Observation", "patient", "p"),
            bundle,
            "PatientQuery",
            "E",
            "search",
            &["p"],
        ),
        (
            search("Observation", "subject", "p"),
            bundle,
            "Query",
            "E",
            "search",
            &[],
        ),
        (
            search("Observation", "code", "x"),
            TWO_PATIENTS,
            "Query",
            "E",
            "search",
            &["a", "b"],
        ),
        (
            read("Patient", "p", Some("$everything")),
            bundle,
            "PatientQuery",
            "E",
            "operation",
            &["p"],
        ),
        (
            read("Patient", "p", Some("_history")),
            bundle,
            "PatientQuery",
            "E",
            "history-instance",
            &["p"],
        ),
        (
            read("Patient", "p", Some("Observation")),
            bundle,
            "PatientQuery",
            "E",
            "search",
            &["p"],
        ),
        (
            Interaction::Capabilities,
            "{}",
            "Read",
            "R",
            "capabilities",
            &[],
        ),
        (
            Interaction::NextPage {
                link: "Observation?patient=p&page=2".to_owned(),
            },
            bundle,
            "PatientQuery",
            "E",
            "search",
            &["p"],
        ),
    ]
}
