//! References, Bundles, narratives and extensions over real data: nothing is
//! reported there but what is really wrong.
//!
//! The official examples are opt-in: `FHIR_EXAMPLES_DIR` names the unpacked npm
//! package hl7.fhir.r4.examples 4.0.1.

use std::{collections::BTreeSet, fs, path::Path};

use fhir_mcp_server::validation::Validator;
use serde_json::{Value, json};

const RULES: [&str; 4] = ["reference-", "bundle-", "extension-", "document-"];

fn is_ours(code: &str) -> bool {
    RULES.iter().any(|prefix| code.starts_with(prefix)) || ["ref-1", "dom-3"].contains(&code)
}

/// The issues about references and the like as `severity code expression`.
fn issues(document: &[u8]) -> Vec<String> {
    let reading = Validator::default().read(document);
    let ours = reading
        .issues
        .iter()
        .filter(|issue| is_ours(issue.rule.code()));
    ours.map(|issue| {
        let code = issue.rule.code();
        format!("{} {code} {}", issue.severity, issue.expression)
    })
    .collect()
}

/// `fixtures/exceptions.json`: the errors of these rules that official examples
/// really have, with their files.
fn pinned() -> BTreeSet<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read(root.join("fixtures/exceptions.json"));
    let pinned: Value = serde_json::from_slice(&text.expect("the file")).expect("JSON");
    let mut errors = BTreeSet::new();
    for file in pinned["exceptions"].as_array().expect("a list") {
        for issue in file["issues"].as_array().expect("issues") {
            let text = |value: &Value| value.as_str().expect("a string").to_owned();
            let (code, place) = (text(&issue["code"]), text(&issue["expression"]));
            if is_ours(&code) {
                errors.insert((text(&file["file"]), format!("error {code} {place}")));
            }
        }
    }
    errors
}

#[test]
fn official_examples_have_the_pinned_errors_alone() {
    let Some(folder) = std::env::var_os("FHIR_EXAMPLES_DIR") else {
        println!("skipped: FHIR_EXAMPLES_DIR is not set");
        return;
    };
    let expected = pinned();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let small = path.metadata().is_ok_and(|data| data.len() <= 4_000_000);
        if !small || !name.ends_with(".json") || name == "ig-r4.json" {
            continue;
        }
        let errors = issues(&fs::read(&path).expect("a file"));
        let errors = errors
            .into_iter()
            .filter(|issue| issue.starts_with("error"));
        found.extend(errors.map(|issue| (name.clone(), issue)));
    }
    let missing: Vec<_> = expected.difference(&found).collect();
    let more: Vec<_> = found.difference(&expected).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "missing {missing:#?}, more {more:#?}"
    );
}

fn bundle(kind: &str, entries: &[Value]) -> Vec<u8> {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
        .to_string()
        .into_bytes()
}

fn patient(url: &str, id: &str, practitioner: &str) -> Value {
    json!({"fullUrl": url, "resource": {
        "resourceType": "Patient", "id": id,
        "generalPractitioner": [{"reference": practitioner}],
    }})
}

#[test]
fn references_resolve_by_full_url_and_by_its_base() {
    let group = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a";
    let target = |url: &str| {
        json!({"fullUrl": url, "resource": {
            "resourceType": "Group", "type": "person", "actual": true,
        }})
    };
    // By URN, of the wrong type.
    let entries = [
        target(group),
        patient("http://a.example/Patient/1", "1", group),
    ];
    let expected = ["error reference-target Bundle.entry[1].resource.generalPractitioner[0]"];
    assert_eq!(issues(&bundle("collection", &entries)), expected);
    // Relative, behind the base of the entry that has it, and with a version.
    let practitioner = json!({"fullUrl": "http://a.example/Practitioner/2", "resource": {
        "resourceType": "Practitioner", "id": "2", "meta": {"versionId": "1"}, "active": true,
    }});
    for reference in [
        "Practitioner/2",
        "Practitioner/2/_history/1",
        "http://a.example/Practitioner/2",
        "http://a.example/Practitioner/2/_history/1",
    ] {
        let entries = [
            patient("http://a.example/Patient/1", "1", reference),
            practitioner.clone(),
        ];
        assert_eq!(issues(&bundle("message", &entries)), [""; 0], "{reference}");
    }
    let entries = [
        patient("http://b.example/Patient/1", "1", "Practitioner/2"),
        practitioner,
    ];
    let expected = ["error reference-unresolved Bundle.entry[0].resource.generalPractitioner[0]"];
    assert_eq!(issues(&bundle("message", &entries)), expected);
    assert_eq!(issues(&bundle("collection", &entries)), [""; 0]);
}

/// The version is that of meta.versionId; without a version any will do.
#[test]
fn references_with_a_version_resolve_to_that_version() {
    let practitioner = |version: Option<&str>| {
        let mut entry = json!({"fullUrl": "http://a.example/Practitioner/2", "resource": {
            "resourceType": "Practitioner", "id": "2", "active": true,
        }});
        if let Some(version) = version {
            entry["resource"]["meta"] = json!({"versionId": version});
        }
        entry
    };
    let found = |reference: &str, versions: &[Option<&str>]| {
        let mut entries = vec![patient("http://a.example/Patient/1", "1", "Practitioner/2")];
        entries[0]["resource"]["generalPractitioner"] =
            json!([{"reference": "Practitioner/2"}, {"reference": reference}]);
        entries.extend(versions.iter().map(|version| practitioner(*version)));
        let reading = Validator::default().read(&bundle("message", &entries));
        let ours = reading
            .issues
            .into_iter()
            .filter(|issue| issue.rule.code() == "reference-unresolved");
        ours.map(|issue| (issue.expression.to_string(), issue.found))
            .collect::<Vec<_>>()
    };
    let place = "Bundle.entry[0].resource.generalPractitioner[1]";
    let wrong = |found: &str| vec![(place.to_owned(), found.to_owned())];
    let second = "Practitioner/2/_history/2";
    assert_eq!(found(second, &[Some("2")]), []);
    assert_eq!(found(second, &[Some("1"), Some("2")]), []);
    assert_eq!(
        found(second, &[Some("1")]),
        wrong("\"Practitioner/2/_history/2\", of which there is the version 1")
    );
    assert_eq!(
        found(second, &[None]),
        wrong("\"Practitioner/2/_history/2\", of which the entry says no meta.versionId")
    );
    assert_eq!(
        found("Practitioner/3/_history/1", &[Some("1")]),
        wrong("\"Practitioner/3/_history/1\", which no entry has")
    );
    // It may be somewhere else.
    assert_eq!(
        found("http://a.example/Practitioner/2/_history/2", &[Some("1")]),
        []
    );
}

#[test]
fn each_bundle_in_a_bundle_has_its_own_entries() {
    let urn = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a";
    let inner = json!({"resourceType": "Bundle", "type": "transaction", "entry": [{
        "fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0b",
        "resource": {
            "resourceType": "Patient",
            "generalPractitioner": [{"reference": urn}],
        },
        "request": {"method": "POST", "url": "Patient"},
    }]});
    let entries = [
        json!({"fullUrl": urn, "resource": {"resourceType": "Practitioner", "active": true}}),
        json!({"fullUrl": "http://a.example/Bundle/1", "resource": inner}),
    ];
    let place = "Bundle.entry[1].resource.entry[0].resource.generalPractitioner[0]";
    assert_eq!(
        issues(&bundle("collection", &entries)),
        [format!("error reference-unresolved {place}")]
    );
}

/// What an extension asks of the element that has it (contextInvariant), which
/// may come after the extension.
#[test]
fn an_extension_stands_where_its_condition_holds() {
    let slider = "http://hl7.org/fhir/StructureDefinition/questionnaire-sliderStepValue";
    let occurs = "http://hl7.org/fhir/StructureDefinition/questionnaire-minOccurs";
    let questionnaire = |extension: Value, item: Value| {
        let mut first = serde_json::Map::new();
        first.insert("extension".into(), json!([extension]));
        first.extend(item.as_object().expect("an object").clone());
        let inner = json!([{"linkId": "0", "type": "group", "text": "x", "item": [first]}]);
        let document = json!({"resourceType": "Questionnaire", "status": "draft", "item": inner});
        issues(document.to_string().as_bytes())
    };
    let step = json!({"url": slider, "valueInteger": 1});
    let of = |kind: &str| json!({"linkId": "1", "text": "x", "type": kind});
    let wrong = ["error extension-context Questionnaire.item[0].item[0].extension[0]"];
    assert_eq!(questionnaire(step.clone(), of("integer")), [""; 0]);
    assert_eq!(questionnaire(step, of("string")), wrong);
    let at_least = |count: u32| json!({"url": occurs, "valueInteger": count});
    let required =
        |yes: bool| json!({"linkId": "1", "text": "x", "type": "string", "required": yes});
    assert_eq!(questionnaire(at_least(2), required(true)), [""; 0]);
    assert_eq!(questionnaire(at_least(0), required(false)), [""; 0]);
    assert_eq!(questionnaire(at_least(2), required(false)), wrong);

    let list = |mode: &str| {
        let url = "http://hl7.org/fhir/StructureDefinition/list-changeBase";
        let document = json!({
            "resourceType": "List", "status": "current", "mode": mode,
            "extension": [{"url": url, "valueReference": {"reference": "List/1"}}],
        });
        issues(document.to_string().as_bytes())
    };
    assert_eq!(list("changes"), [""; 0]);
    assert_eq!(
        list("working"),
        ["error extension-context List.extension[0]"]
    );
}

#[test]
fn contained_resources_are_used_by_references_and_canonicals() {
    let document = json!({
        "resourceType": "PlanDefinition", "status": "draft",
        "contained": [
            {"resourceType": "ActivityDefinition", "id": "a", "status": "draft"},
            {"resourceType": "Library", "id": "b", "status": "draft", "type": {"text": "x"}},
            {"resourceType": "ActivityDefinition", "id": "c", "status": "draft",
             "subjectReference": {"reference": "#"}},
            {"resourceType": "ActivityDefinition", "id": "d", "status": "draft"},
        ],
        "library": ["#b"],
        "action": [{"definitionCanonical": "#a"}],
    });
    let expected = [
        "error dom-3 PlanDefinition",
        "error reference-target PlanDefinition.contained[2].subject",
    ];
    assert_eq!(issues(document.to_string().as_bytes()), expected);
}
