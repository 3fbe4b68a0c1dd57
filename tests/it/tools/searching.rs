//! `search`: parameters, parts, entries.

use fhir_mcp_server::mcp::Options;
use serde_json::{Value, json};

use super::{INVALID, PATIENT, Setting, bundle, observation};

#[tokio::test]
async fn one_invalid_entry_does_not_take_the_others_with_it() {
    let page = bundle(2, None, &[INVALID.to_owned(), PATIENT.to_owned()]);
    let setting = Setting::start(Options::default(), move |_, _| (200, page.clone())).await;
    let answer = setting.ok("search", json!({"type": "Patient"})).await;
    assert_eq!(answer["withheld"], 1);
    assert_eq!(answer["returned"], 2);
    assert_eq!(answer["entry"][0]["resource"]["withheld"], true);
    assert_eq!(
        answer["entry"][0]["resource"]["issues"][0]["expression"],
        "Patient.gender"
    );
    assert_eq!(answer["entry"][1]["resource"]["active"], true);

    let raw = setting
        .ok("search", json!({"type": "Patient", "view": "raw"}))
        .await;
    assert_eq!(raw["withheld"], 1);
    let entries = raw["bundle"]["entry"].as_array().unwrap();
    assert_eq!(entries[0]["resource"]["resourceType"], "OperationOutcome");
    assert_eq!(
        entries[1]["resource"],
        serde_json::from_str::<Value>(PATIENT).unwrap()
    );
    assert_eq!(entries[1]["search"]["mode"], "match");
}

#[tokio::test]
async fn a_bundle_with_errors_of_its_own_is_withheld() {
    let page = bundle(1, None, &[PATIENT.to_owned()]).replace("searchset", "search-set");
    let setting = Setting::start(Options::default(), move |_, _| (200, page.clone())).await;
    let text = setting.fails("search", json!({"type": "Patient"})).await;
    assert!(text.contains("Bundle.type"), "{text}");
}

#[tokio::test]
async fn a_long_list_comes_in_parts_and_nothing_is_lost() {
    let setting = Setting::start(Options::default(), |_, target| {
        let page = |from: usize, next: Option<&str>| {
            let all: Vec<_> = (from..from + 60).map(|id| observation(id, "7.0")).collect();
            (200, bundle(120, next, &all))
        };
        match target.contains("page=2") {
            true => page(60, None),
            false => page(0, Some("Observation?page=2")),
        }
    })
    .await;
    let mut ids = Vec::new();
    let mut arguments = json!({"type": "Observation", "searchParam": {"patient": "1"}});
    for _ in 0..20 {
        let answer = setting.ok("search", arguments.clone()).await;
        assert!(answer.to_string().len() <= 36_000);
        assert_eq!(answer["total"], 120);
        assert_eq!(answer["sorted"], "-date");
        let entries = answer["entry"].as_array().unwrap();
        assert_eq!(answer["returned"], entries.len());
        ids.extend(
            entries
                .iter()
                .map(|e| e["resource"]["id"].as_str().unwrap().to_owned()),
        );
        if answer["complete"] == true {
            assert!(answer.get("cursor").is_none());
            break;
        }
        arguments = json!({"type": "Observation", "cursor": answer["cursor"]});
    }
    let expected: Vec<_> = (0..120).map(|id| id.to_string()).collect();
    assert_eq!(ids, expected);

    let changed = json!({"type": "Observation", "cursor": "bm90IG91cnM"});
    assert!(
        setting
            .fails("search", changed)
            .await
            .contains("start again")
    );
}

#[tokio::test]
async fn a_next_link_outside_the_base_is_not_followed() {
    let page = bundle(
        9,
        Some("http://127.0.0.1:9/other?page=2"),
        &[PATIENT.to_owned()],
    );
    let setting = Setting::start(Options::default(), move |_, _| (200, page.clone())).await;
    let answer = setting.ok("search", json!({"type": "Patient"})).await;
    assert_eq!(answer["complete"], false);
    let on = json!({"type": "Patient", "cursor": answer["cursor"]});
    let text = setting.fails("search", on).await;
    assert!(text.contains("FHIR base"), "{text}");
}

#[tokio::test]
async fn unknown_search_parameters_never_reach_the_server() {
    let setting = Setting::start(Options::default(), |_, _| (200, bundle(0, None, &[]))).await;
    let refused = [
        (json!({"birthDate": "1990"}), "birthdate"),
        (json!({"nme": "x"}), "name"),
        (json!({"name:exakt": "x"}), ":exact"),
        (json!({"address": "x"}), "does not support"),
        (json!({"general-practitioner.nmae": "x"}), "name"),
        (
            json!({"general-practitioner:Practicioner.name": "x"}),
            "Practitioner",
        ),
        (json!({"name.given": "x"}), "cannot be chained"),
        (json!({"_has:Observation:pacient:code": "x"}), "patient"),
        (
            json!({"_has:Observation": "x"}),
            "_has:Type:reference:parameter",
        ),
        (json!({"_sort": "-birthDate"}), "birthdate"),
        (json!({"_include": "Patient"}), "Type:parameter"),
        (json!({"_count": "many"}), "number"),
        (json!({"_summary": "all"}), "count"),
    ];
    for (parameters, hint) in refused {
        let arguments = json!({"type": "Patient", "searchParam": parameters});
        let text = setting.fails("search", arguments).await;
        assert!(text.contains(hint), "{parameters}: {text}");
        assert!(
            text.contains("birthdate, general-practitioner, house-colour, name"),
            "{text}"
        );
    }
    assert_eq!(setting.targets(), [""; 0]);

    for parameters in [
        json!({"name:exact": "x", "birthdate": ["ge1990", "lt1991"], "house-colour": "red"}),
        json!({"general-practitioner.name": "x", "_has:Observation:patient:code": "718-7"}),
        json!({"general-practitioner:Practitioner.name": "x", "_id": 1, "_lastUpdated": "gt2020"}),
        json!({"_sort": "-birthdate,_id", "_include": "Patient:general-practitioner", "_format": "xml"}),
        json!({"_revinclude": "Observation:patient", "_elements": "name", "_total": "accurate"}),
    ] {
        setting
            .ok(
                "search",
                json!({"type": "Patient", "searchParam": parameters}),
            )
            .await;
    }
    assert!(
        setting
            .targets()
            .iter()
            .all(|target| !target.contains("_format"))
    );
}

#[tokio::test]
async fn ignored_parameters_are_named() {
    let page = r#"{"resourceType":"Bundle","type":"searchset","total":0,"link":[{"relation":"self","url":"http://x.example/Patient?_count=50"}]}"#;
    let setting = Setting::start(Options::default(), move |_, _| (200, page.to_owned())).await;
    let arguments = json!({"type": "Patient", "searchParam": {"name": "Smith"}});
    let answer = setting.ok("search", arguments).await;
    let warnings = answer["warnings"].to_string();
    assert!(
        warnings.contains("self link does not name name"),
        "{warnings}"
    );
}

#[tokio::test]
async fn a_server_that_refuses_the_defaults_is_asked_without_them() {
    let setting = Setting::start(Options::default(), |_, target| {
        match target.contains("_sort") {
            true => (400, String::new()),
            false => (200, bundle(1, None, &[observation(1, "7")])),
        }
    })
    .await;
    let arguments = json!({"type": "Observation", "searchParam": {"patient": "1"}});
    let answer = setting.ok("search", arguments).await;
    assert_eq!(answer["sorted"], "unspecified");
    let targets = setting.targets();
    assert_eq!(targets.len(), 2);
    assert_eq!(targets[1], "/Observation?patient=1");
}

#[tokio::test]
async fn an_unknown_total_is_asked_for() {
    let unknown =
        bundle(0, Some("Patient?page=2"), &[PATIENT.to_owned()]).replace(r#""total":0,"#, "");
    let setting = Setting::start(Options::default(), move |_, target| {
        match target.contains("_summary=count") {
            true => (200, bundle(41, None, &[])),
            false => (200, unknown.clone()),
        }
    })
    .await;
    let arguments = json!({"type": "Patient", "searchParam": {"name": "x", "_count": 1}});
    let answer = setting.ok("search", arguments).await;
    assert_eq!(answer["total"], 41);
    assert_eq!(setting.targets()[1], "/Patient?name=x&_summary=count");
    let count = json!({"type": "Patient", "searchParam": {"_summary": "count"}});
    let answer = setting.ok("search", count).await;
    assert_eq!(answer["total"], 41);
    assert_eq!(answer["complete"], true);
}

#[tokio::test]
async fn included_and_unasked_resources_are_told_from_matches() {
    let entry = |resource: &str, mode: &str| {
        format!(r#"{{"resource":{resource},"search":{{"mode":"{mode}"}}}}"#)
    };
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"informational","diagnostics":"Slow today"}]}"#;
    let page = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{},{},{},{}]}}"#,
        entry(&observation(1, "7"), "match"),
        entry(PATIENT, "include"),
        entry(outcome, "outcome"),
        entry(&PATIENT.replace(r#""id":"1""#, r#""id":"2""#), "match"),
    );
    let setting = Setting::start(Options::default(), move |_, _| (200, page.clone())).await;
    let answer = setting.ok("search", json!({"type": "Observation"})).await;
    assert_eq!(answer["included"], 1);
    assert_eq!(answer["withheld"], 1);
    assert!(answer["warnings"].to_string().contains("Slow today"));
    let entries = answer["entry"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1]["search"]["mode"], "include");
    assert_eq!(entries[2]["resource"]["withheld"], true);
}
