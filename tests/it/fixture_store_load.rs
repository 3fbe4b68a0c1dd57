//! What the fixture store loads, leaves out and reports.

use std::{fs, io::Write, path::Path};

use fhir_mcp_server::client::{
    FixtureStore,
    fixtures::{LoadError, LoadReport},
};
use serde_json::json;

use crate::fixture_store::{body, get, ids, interaction, load, send};

/// A folder with these files, loaded.
pub(crate) fn loaded(files: &[(&str, &str)]) -> (FixtureStore, LoadReport) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    FixtureStore::load(&[folder.path().to_owned()], Default::default()).expect("fixtures")
}

#[test]
fn the_patient_fixtures_are_all_served() {
    let (_, report) = load(&["patients"]);
    assert_eq!((report.files, report.resources), (23, 763));
    assert_eq!(
        (report.by_type["Patient"], report.by_type["Observation"]),
        (22, 451)
    );
    assert!(
        report.invalid.is_empty() && report.left_out.is_empty() && report.duplicates.is_empty()
    );
}

#[tokio::test]
async fn of_all_fixtures_what_can_be_served_is() {
    let (store, report) = load(&[""]);
    assert_eq!(ids(&store, "Patient?_id=pat-ana-keller").await.len(), 1);
    assert!(report.by_type.len() >= 145, "{:?}", report.by_type.len());
    let left_out = |name: &str| report.left_out.iter().any(|left| left.path.ends_with(name));
    for name in [
        "README.md",
        "exceptions.json",
        "patients-source/people.json",
        "patients-source/generate.py",
    ] {
        assert!(left_out(name), "{name}: {:?}", report.left_out);
    }
    let outside = |path: &Path| !path.components().any(|part| part.as_os_str() == "invalid");
    let wrong: Vec<_> = report
        .invalid
        .iter()
        .filter(|invalid| outside(&invalid.path))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(!report.invalid.is_empty());
}

#[tokio::test]
async fn an_error_is_reported_where_it_is_and_the_rest_is_served() {
    let (store, report) = loaded(&[
        (
            "a.json",
            "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[\n{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"good\"}},\n{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"bad\",\"gender\":1}}]}",
        ),
        (
            "b.ndjson",
            "{\"resourceType\":\"Patient\",\"id\":\"line-1\"}\r\n\n{\"resourceType\":\"Patient\",\"id\":\"line-3\",\"nonsense\":1}\n{\"resourceType\":\"Patient\",\"id\":\"line-4\"}",
        ),
        ("c.json", "{\"resourceType\":\"Patient\""),
        (
            "d.json",
            "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"in-broken\"}}]}",
        ),
    ]);
    assert_eq!(ids(&store, "Patient").await, ["good", "line-1", "line-4"]);
    let found: Vec<_> = report
        .invalid
        .iter()
        .map(|invalid| {
            let name = invalid
                .path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("a name");
            (name, invalid.issue.line, invalid.issue.rule.code())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("a.json", 3, "json-type"),
            ("b.ndjson", 3, "unknown-element"),
            ("c.json", 1, "json-syntax"),
            ("d.json", 1, "required")
        ]
    );
    let line = report.invalid[1].to_string();
    assert!(line.contains("b.ndjson:3:"), "{line}");
    assert!(
        line.contains(": error[unknown-element] Patient: expected "),
        "{line}"
    );
}

#[tokio::test]
async fn references_within_a_transaction_become_local() {
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111", "resource": {"resourceType": "Patient", "name": [{"family": "Nova \"reference\":\"urn"}]},
            "request": {"method": "POST", "url": "Patient"}},
        {"fullUrl": "urn:uuid:22222222-2222-4222-8222-222222222222", "resource": {"resourceType": "Observation", "id": "obs", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"}, "performer": [{"reference": "https://else.example/fhir/Practitioner/1"}]},
            "request": {"method": "POST", "url": "Observation"}},
        {"fullUrl": "https://else.example/fhir/Practitioner/1", "resource": {"resourceType": "Practitioner", "id": "1"},
            "request": {"method": "POST", "url": "Practitioner"}},
    ]});
    let (store, report) = loaded(&[("t.json", &bundle.to_string())]);
    assert_eq!(report.resources, 3);
    let observation = get(&store, "Observation/obs").await;
    assert_eq!(
        observation["subject"]["reference"],
        "Patient/11111111-1111-4111-8111-111111111111"
    );
    assert_eq!(observation["performer"][0]["reference"], "Practitioner/1");
    assert_eq!(ids(&store, "Observation?patient.name=nova").await, ["obs"]);
}

#[tokio::test]
async fn conditional_references_become_those_to_the_one_match() {
    let encounter = |id: &str, reference: &str| {
        json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"},
            "serviceProvider": {"reference": reference}})
        .to_string()
    };
    let organization = |id: &str, value: &str| {
        json!({"resourceType": "Organization", "id": id, "identifier": [{"system": "http://s", "value": value}]})
            .to_string()
    };
    // The encounters come first: the whole has to be read before any match.
    let (store, _) = loaded(&[
        (
            "1.json",
            &encounter("one", "Organization?identifier=http://s|a"),
        ),
        (
            "2.json",
            &encounter("two", "Organization?identifier=http%3A%2F%2Fs%7Cb"),
        ),
        (
            "3.json",
            &encounter("none", "Organization?identifier=http://s|c"),
        ),
        ("4.json", &organization("o1", "a")),
        ("5.json", &organization("o2", "b")),
        ("6.json", &organization("o3", "b")),
    ]);
    let provider = async |id: &str| {
        let encounter = get(&store, &format!("Encounter/{id}")).await;
        encounter["serviceProvider"]["reference"]
            .as_str()
            .expect("a reference")
            .to_owned()
    };
    assert_eq!(provider("one").await, "Organization/o1");
    assert_eq!(
        provider("two").await,
        "Organization?identifier=http%3A%2F%2Fs%7Cb"
    );
    assert_eq!(provider("none").await, "Organization?identifier=http://s|c");
    assert_eq!(ids(&store, "Encounter?service-provider=o1").await, ["one"]);
    assert_eq!(ids(&store, "Encounter").await, ["one", "two", "none"]);
}

#[tokio::test]
async fn the_first_of_two_with_the_same_id_is_served() {
    let (store, report) = loaded(&[
        (
            "1/a.json",
            r#"{"resourceType":"Patient","id":"p","gender":"female"}"#,
        ),
        (
            "2/a.json",
            r#"{"resourceType":"Patient","id":"p","gender":"male"}"#,
        ),
    ]);
    assert_eq!(get(&store, "Patient/p").await["gender"], "female");
    assert_eq!(report.duplicates.len(), 1);
    assert_eq!(report.duplicates[0].reference, "Patient/p");
    assert!(report.duplicates[0].path.ends_with("2/a.json"));
}

#[tokio::test]
async fn a_resource_without_id_gets_the_same_at_every_start() {
    let files = [("a.json", r#"{"resourceType":"Patient","gender":"female"}"#)];
    let first = ids(&loaded(&files).0, "Patient").await;
    assert_eq!(first.len(), 1);
    assert_eq!(first, ids(&loaded(&files).0, "Patient").await);
}

#[tokio::test]
async fn documents_are_served_whole_and_in_parts() {
    let composition = r#"{"resourceType":"Composition","id":"c","status":"final","type":{"text":"x"},"date":"2020","author":[{"display":"x"}],"title":"x"}"#;
    let bundle = format!(
        r#"{{"resourceType":"Bundle","id":"doc","type":"document","identifier":{{"system":"urn:ietf:rfc:3986","value":"urn:oid:1.2.3"}},"timestamp":"2020-01-01T00:00:00Z","entry":[{{"fullUrl":"http://example.org/fhir/Composition/c","resource":{composition}}}]}}"#
    );
    let (store, _) = loaded(&[("a.json", &bundle)]);
    assert_eq!(get(&store, "Bundle/doc").await["type"], "document");
    assert_eq!(ids(&store, "Composition").await, ["c"]);
    assert_eq!(ids(&store, "Bundle?composition=c").await.len(), 0);
}

#[test]
fn compressed_files_and_named_files_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let gz = folder.path().join("a.ndjson.gz");
    let mut encoder = flate2::write::GzEncoder::new(
        fs::File::create(&gz).expect("a file"),
        flate2::Compression::fast(),
    );
    encoder.write_all(b"{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\n").expect("written");
    encoder.finish().expect("written");
    let odd = folder.path().join("patient.fhir");
    fs::write(&odd, r#"{"resourceType":"Patient","id":"c"}"#).expect("a file");
    let (_, report) = FixtureStore::load(&[gz.clone(), odd], Default::default()).expect("fixtures");
    assert_eq!((report.files, report.resources), (2, 3));
    let (_, report) =
        FixtureStore::load(&[folder.path().to_owned()], Default::default()).expect("fixtures");
    assert_eq!((report.resources, report.left_out.len()), (2, 1));
    fs::write(&gz, b"no gzip").expect("a file");
    let (_, report) =
        FixtureStore::load(&[folder.path().to_owned()], Default::default()).expect("fixtures");
    assert_eq!((report.resources, report.left_out.len()), (0, 2));
}

#[test]
fn a_path_that_is_not_there_is_an_error() {
    let error =
        FixtureStore::load(&["/nowhere/at/all".into()], Default::default()).expect_err("an error");
    let LoadError::Unreadable { path, .. } = &error;
    assert_eq!(path, Path::new("/nowhere/at/all"));
    assert!(error.to_string().contains("/nowhere/at/all"));
}

#[tokio::test]
async fn an_empty_store_answers() {
    let store = FixtureStore::new();
    assert_eq!(get(&store, "Patient").await["total"], 0);
    let answer = send(&store, interaction("Patient/x")).await;
    assert_eq!(
        (answer.status, body(&answer)["issue"][0]["code"].as_str()),
        (404, Some("not-found"))
    );
}
