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
