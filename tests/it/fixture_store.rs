//! The fixture store over fixtures/patients: reading, searching, paging.

use std::path::{Path, PathBuf};

use fhir_mcp_server::{
    client::{Answer, FixtureStore, Interaction, fixtures::LoadReport},
    model::Resource,
};
use serde_json::Value;

/// Files below fixtures/.
pub(crate) fn load(names: &[&str]) -> (FixtureStore, LoadReport) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let paths: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
    FixtureStore::load(&paths, Default::default()).expect("fixtures")
}

pub(crate) fn patients() -> FixtureStore {
    load(&["patients"]).0
}

/// What `GET [base]/[query]` is as an interaction.
pub(crate) fn interaction(query: &str) -> Interaction {
    let (path, query) = query.split_once('?').unwrap_or((query, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let parameters = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').expect("a name and a value");
            (name.to_owned(), value.to_owned())
        })
        .collect();
    match path.splitn(3, '/').collect::<Vec<_>>().as_slice() {
        ["metadata"] => Interaction::Capabilities,
        [resource_type] => Interaction::Search {
            resource_type: resource_type.to_string(),
            parameters,
        },
        [resource_type, id, operation @ ..] => Interaction::Read {
            resource_type: resource_type.to_string(),
            id: id.to_string(),
            operation: operation.first().map(ToString::to_string),
            parameters,
        },
        [] => unreachable!("split gives at least one part"),
    }
}

pub(crate) async fn send(store: &FixtureStore, interaction: Interaction) -> Answer {
    store
        .send(&interaction)
        .await
        .expect("an interaction that can be sent")
}

/// The body, which is a valid resource whatever the status.
pub(crate) fn body(answer: &Answer) -> Value {
    assert_eq!(
        answer.content_type.as_deref(),
        Some("application/fhir+json")
    );
    let reading = Resource::from_slice(&answer.body);
    assert!(reading.is_valid(), "{:?}", reading.issues);
    serde_json::from_slice(&answer.body).expect("JSON")
}

pub(crate) async fn get(store: &FixtureStore, query: &str) -> Value {
    let answer = send(store, interaction(query)).await;
    let body = body(&answer);
    assert_eq!(answer.status, 200, "{query}: {body}");
    body
}

/// `[type]/[id]` of the entries with this search mode.
pub(crate) fn entries(bundle: &Value, mode: &str) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let entries = entries
        .iter()
        .filter(|entry| entry["search"]["mode"] == mode);
    entries
        .map(|entry| {
            let part = |name: &str| {
                entry["resource"][name]
                    .as_str()
                    .expect("a string")
                    .to_owned()
            };
            format!("{}/{}", part("resourceType"), part("id"))
        })
        .collect()
}

/// The ids of the matches.
pub(crate) async fn ids(store: &FixtureStore, query: &str) -> Vec<String> {
    let bundle = get(store, query).await;
    let ids = entries(&bundle, "match").into_iter();
    ids.map(|reference| reference.split_once('/').expect("a reference").1.to_owned())
        .collect()
}

#[tokio::test]
async fn a_resource_is_read_as_it_was_written() {
    let store = patients();
    let patient = get(&store, "Patient/pat-ana-keller").await;
    assert_eq!(patient["birthDate"], "1961-02-03");
    let bundle = std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/patients/01-keller.json"),
    );
    let bundle: Value = serde_json::from_slice(&bundle.expect("the file")).expect("JSON");
    assert_eq!(patient, bundle["entry"][0]["resource"]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let store = patients();
    for (query, status) in [
        ("Patient/pat-nobody", 404),
        ("Patients/pat-ana-keller", 404),
        ("Patient/pat-ana-keller/_history/2", 404),
        ("Patient/pat-ana-keller/$validate", 501),
        ("Observation?nonsense=1", 400),
    ] {
        let answer = send(&store, interaction(query)).await;
        assert_eq!(answer.status, status, "{query}");
        assert_eq!(body(&answer)["resourceType"], "OperationOutcome", "{query}");
    }
}

#[tokio::test]
async fn simple_searches_find_what_they_ask_for() {
    let store = patients();
    assert_eq!(
        ids(
            &store,
            "Patient?identifier=http://example.org/hospital/mrn|MRN-000001"
        )
        .await,
        ["pat-ana-keller"]
    );
    assert_eq!(
        ids(&store, "Patient?birthdate=1961-02-03&family=kell").await,
        ["pat-ana-keller"]
    );
    let all = ids(&store, "Condition?patient=pat-ana-keller").await;
    assert_eq!(
        all,
        ids(&store, "Condition?subject=Patient/pat-ana-keller").await
    );
    assert!(!all.is_empty());
}
