//! Profiles: of the specification, implied by a code, and of packages.

use std::{fs, path::PathBuf};

use fhir_mcp_server::validation::{Options, PackageError, Validator};
use serde_json::{Value, json};

use crate::support::package;

const OWN: &str = "http://example.org/fhir/StructureDefinition/";

/// Official examples that claim or imply a profile and do not have it, and why.
const NOT_OF_THEIR_PROFILE: &[(&str, &str)] = &[(
    // A body temperature (LOINC 8310-5), which is a vital sign, without a time.
    "Observation-f202.json",
    "profile-cardinality Observation.effective",
)];

#[test]
fn official_examples_have_their_profiles() {
    let Some(folder) = std::env::var_os("FHIR_EXAMPLES_DIR") else {
        println!("skipped: FHIR_EXAMPLES_DIR is not set");
        return;
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.metadata().is_ok_and(|data| data.len() < 4_000_000))
        .collect();
    paths.sort();
    let validator = Validator::default();
    let mut found = Vec::new();
    for path in paths {
        let name = path.file_name().expect("a name").to_string_lossy();
        for issue in validator.read(&fs::read(&path).expect("a file")).issues {
            let code = issue.rule.code();
            if (code.starts_with("profile-") || code.starts_with("vs-"))
                && code != "profile-unknown"
            {
                found.push((name.to_string(), format!("{code} {}", issue.expression)));
            }
        }
    }
    let expected: Vec<(String, String)> = NOT_OF_THEIR_PROFILE
        .iter()
        .map(|(name, issue)| ((*name).to_owned(), (*issue).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

/// `severity code expression` of all errors, and of what profiles ask for.
fn issues(validator: &Validator, document: &Value, profile: Option<&str>) -> Vec<String> {
    let reading = validator.read_as(document.to_string().as_bytes(), profile);
    reading
        .issues
        .iter()
        .filter(|issue| {
            let code = issue.rule.code();
            issue.severity.is_error() || code.starts_with("profile-") || code == "must-support"
        })
        .map(|issue| {
            format!(
                "{} {} {}",
                issue.severity,
                issue.rule.code(),
                issue.expression
            )
        })
        .collect()
}

fn weight() -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {"coding": [{"system": "http://example.org/other", "code": "x"}]},
            {"coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
            ]}
        ],
        "code": {"coding": [
            {"system": "http://example.org/local", "code": "w"},
            {"system": "http://loinc.org", "code": "29463-7"}
        ]},
        "subject": {"reference": "http://fhir.example.org/Patient/1/_history/2"},
        "effectiveDateTime": "2024-05-02",
        "valueQuantity": {"value": 72, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    })
}

#[test]
fn slices_are_found_among_others() {
    assert_eq!(issues(&Validator::default(), &weight(), None), [""; 0]);
}

#[test]
fn vital_signs_need_more_than_a_date() {
    let mut document = weight();
    document["effectiveDateTime"] = json!("2024");
    assert_eq!(
        issues(&Validator::default(), &document, None),
        ["error vs-1 Observation.effective"]
    );
}

#[test]
fn entries_of_a_bundle_have_places_of_their_own() {
    let mut document = weight();
    document["valueQuantity"]["code"] = json!("stone");
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": weight()}, {"resource": document}]
    });
    assert_eq!(
        issues(&Validator::default(), &bundle, None),
        ["error profile-binding Bundle.entry[1].resource.value.code"]
    );
}

#[test]
fn what_is_missing_because_of_another_issue_is_not_reported_twice() {
    let mut document = weight();
    document["effectiveDateTime"] = json!("yesterday");
    assert_eq!(
        issues(&Validator::default(), &document, None),
        ["error primitive-format Observation.effective"]
    );
}

#[test]
fn a_profile_can_be_asked_for() {
    let validator = Validator::default();
    let bmi = "http://hl7.org/fhir/StructureDefinition/bmi";
    assert!(validator.knows_profile(bmi) && !validator.knows_profile("http://example.org/x"));
    let found = issues(&validator, &weight(), Some(bmi));
    assert_eq!(
        found,
        [
            "error profile-cardinality Observation.code.coding",
            "error profile-fixed Observation.value.code"
        ]
    );
    let patient = json!({"resourceType": "Patient"});
    assert_eq!(
        issues(&validator, &patient, Some(bmi)),
        ["error profile-type Patient"]
    );
    assert_eq!(
        issues(&validator, &patient, Some("http://example.org/x")),
        ["error profile-unknown Patient"]
    );
    let options = Options {
        profiles: vec!["http://example.org/x".to_owned()],
        ..Options::default()
    };
    let error = Validator::new(options).expect_err("an unknown profile");
    assert!(
        matches!(error, PackageError::UnknownProfile { .. }),
        "{error}"
    );
}

#[test]
fn packages_stand_on_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let packages = package::all(folder.path());
    let options = Options {
        packages: packages.clone(),
        profiles: vec![format!("{OWN}example-strict-reading|1.0.0")],
        ..Options::default()
    };
    let validator = Validator::new(options).expect("a validator");
    assert_eq!(validator.warnings(), [""; 0]);
    let document = json!({
        "resourceType": "Observation",
        "contained": [{
            "resourceType": "Patient",
            "id": "p",
            "identifier": [{"system": "http://example.org/mrn", "value": "1"}],
            "name": [{"family": "Keller"}]
        }],
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "11502-2"}]},
        "subject": {"reference": "#p"},
        "valueString": "high",
        "interpretation": [{"text": "a"}, {"text": "b"}]
    });
    assert_eq!(
        issues(&validator, &document, None),
        [
            // The contained patient has no birth date.
            "error profile-type Observation.subject",
            "error profile-type Observation.value",
            "error profile-cardinality Observation.interpretation",
        ]
    );
    let alone = Options {
        packages: packages[1..].to_vec(),
        ..Options::default()
    };
    let validator = Validator::new(alone).expect("a validator");
    assert_eq!(
        validator.warnings(),
        ["the package example.clinic#1.2.0 needs example.base#1.0.x, which is not given"]
    );
}

/// The resources of a Bundle are there when it closes, wherever they stand.
#[test]
fn targets_in_a_bundle_have_their_profiles() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        packages: package::all(folder.path()),
        ..Options::default()
    };
    let validator = Validator::new(options).expect("a validator");
    let (urn, other) = (
        "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",
        "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0b",
    );
    let patient = |birth_date: Option<&str>| {
        let mut patient = json!({
            "resourceType": "Patient",
            "id": "1",
            "identifier": [{"system": "http://example.org/mrn", "value": "1"}],
            "name": [{"family": "Keller"}]
        });
        if let Some(date) = birth_date {
            patient["birthDate"] = json!(date);
        }
        patient
    };
    let found = |url: &str, reference: &str, patient: Value| {
        let reading = json!({"fullUrl": other, "resource": {
            "resourceType": "Observation",
            "meta": {"profile": [format!("{OWN}example-strict-reading")]},
            "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "11502-2"}]},
            "subject": {"reference": reference},
            "valueQuantity": {"value": 1, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"},
            "interpretation": [{"text": "a"}]
        }});
        let target = json!({"fullUrl": url, "resource": patient});
        let of = |entries: [&Value; 2]| {
            let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
            issues(&validator, &bundle, None).join("; ")
        };
        let (before, behind) = (of([&reading, &target]), of([&target, &reading]));
        assert_eq!(before, behind.replace("entry[1]", "entry[0]"));
        before
    };
    let wrong = "error profile-type Bundle.entry[0].resource.subject";
    let url = "http://a.example/Patient/1";
    assert_eq!(found(urn, urn, patient(Some("1960-01-01"))), "");
    assert_eq!(found(urn, urn, patient(None)), wrong);
    assert_eq!(found(url, url, patient(None)), wrong);
    // It may be somewhere else.
    assert_eq!(found(url, urn, patient(None)), "");
    let group = json!({"resourceType": "Group", "type": "person", "actual": true});
    assert_eq!(found(urn, urn, group), wrong);
}

/// Each resource is asked once, though all refer to all, and to themselves.
#[test]
fn targets_that_refer_to_each_other_are_checked_once() {
    let vital_sign = |id: usize, members: Vec<String>, date: Option<&str>| {
        let mut observation = weight();
        observation["id"] = json!(format!("o{id}"));
        let members: Vec<_> = members
            .iter()
            .map(|member| json!({"reference": member}))
            .collect();
        observation["hasMember"] = json!(members);
        let observation_members = observation.as_object_mut().expect("an object");
        match date {
            Some(date) => observation["effectiveDateTime"] = json!(date),
            None => drop(observation_members.remove("effectiveDateTime")),
        }
        observation
    };
    const MANY: usize = 20;
    let urn = |at: usize| format!("urn:uuid:61ebe359-bfdc-4613-8bf2-c5e3009450{at:02}");
    let all = || (0..MANY).map(urn).collect::<Vec<_>>();
    let bundle = |broken: bool| {
        let entry = |at: usize| {
            let date = (at > 0 || !broken).then_some("2024-05-02");
            json!({"fullUrl": urn(at), "resource": vital_sign(at, all(), date)})
        };
        let entries: Vec<_> = (0..MANY).map(entry).collect();
        json!({"resourceType": "Bundle", "type": "collection", "entry": entries})
    };
    assert_eq!(issues(&Validator::default(), &bundle(false), None), [""; 0]);
    let found = issues(&Validator::default(), &bundle(true), None);
    let first = "error profile-type Bundle.entry[1].resource.hasMember[0]".to_owned();
    assert!(found.contains(&first), "{found:?}");

    // The same among contained resources.
    let local = || (0..MANY).map(|at| format!("#o{at}")).collect::<Vec<_>>();
    let contained: Vec<_> = (0..MANY)
        .map(|at| vital_sign(at, local(), Some("2024-05-02")))
        .collect();
    let mut document = vital_sign(MANY, local(), Some("2024-05-02"));
    document["contained"] = json!(contained);
    assert_eq!(issues(&Validator::default(), &document, None), [""; 0]);
}

#[test]
fn a_constraint_of_a_package_is_evaluated() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        packages: package::all(folder.path()),
        ..Options::default()
    };
    let validator = Validator::new(options).expect("a validator");
    let mut document = json!({
        "resourceType": "Patient",
        "identifier": [{"system": "http://example.org/mrn", "value": "1"}],
        "birthDate": "1960-01-01"
    });
    let profile = format!("{OWN}example-patient");
    assert_eq!(
        issues(&validator, &document, Some(&profile)),
        ["error exp-1 Patient"]
    );
    document["extension"] = json!([{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "unknown"
    }]);
    assert_eq!(issues(&validator, &document, Some(&profile)), [""; 0]);
}

#[test]
fn what_is_no_package_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.tgz");
    let refused = |path: &std::path::Path| {
        let options = Options {
            packages: vec![path.to_owned()],
            ..Options::default()
        };
        Validator::new(options).expect_err("no package")
    };
    assert!(matches!(refused(&path), PackageError::Io { .. }));
    fs::write(&path, "no archive").expect("a file");
    assert!(matches!(refused(&path), PackageError::Format { .. }));
}
