use std::{fs, path::Path};

use serde_json::Value;

use super::*;

const FHIR: &str = "http://hl7.org/fhir/ValueSet";

fn file(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schemas")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path).expect(name)).expect(name)
}

/// The published expansions against the evaluation of the compositions.
#[test]
fn required_value_sets_have_the_codes_of_their_expansions() {
    let mut failures = Vec::new();
    let mut count = 0;
    for set in file("value-sets-required.json")["valueSets"]
        .as_array()
        .expect("a list")
    {
        let url = set["url"].as_str().expect("a URL");
        if set["closed"] == false {
            continue;
        }
        for (system, codes) in set["systems"].as_object().expect("systems") {
            for code in codes.as_array().expect("codes") {
                let code = code.as_str().expect("a code");
                count += 1;
                for system in [Some(system.as_str()), None] {
                    let found = member(url, system, code);
                    if found != Member {
                        failures.push(format!("{url} {system:?} {code}: {found:?}"));
                    }
                }
            }
            let none = member(url, Some(system), "no-such-code");
            if none != NotMember {
                failures.push(format!("{url} {system}: {none:?}"));
            }
        }
        assert_eq!(
            member(url, Some("http://example.org/other"), "x"),
            NotMember,
            "{url}"
        );
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(count > 2_000, "{count}");
}

#[test]
fn every_listed_unit_is_a_unit() {
    let sets = file("value-sets.json");
    let mut failures = Vec::new();
    for set in sets["valueSets"].as_array().expect("a list") {
        for part in set["include"].as_array().expect("parts") {
            if part["system"] == UNITS {
                let codes = part["concept"].as_array().into_iter().flatten();
                let codes = codes.filter_map(Value::as_str);
                failures.extend(codes.filter(|code| ucum::unit(code).is_none()));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn evaluates_filters() {
    let act = Some("http://terminology.hl7.org/CodeSystem/v3-ActCode");
    let encounter = "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode";
    assert_eq!(member(encounter, act, "AMB"), Member);
    assert_eq!(member(encounter, None, "AMB"), Member);
    assert_eq!(member(encounter, act, "PUBLICPOL"), NotMember);
    let role = Some("http://terminology.hl7.org/CodeSystem/v2-0131");
    let contact = format!("{FHIR}/patient-contactrelationship");
    assert_eq!(member(&contact, role, "C"), Member);
    assert_eq!(member(&contact, role, "O"), NotMember);
    let countries = Some("urn:iso:std:iso:3166");
    let three = format!("{FHIR}/iso3166-1-3");
    assert_eq!(member(&three, countries, "CHE"), Unknown);
    assert_eq!(member(&three, countries, "CH"), NotMember);
}

#[test]
fn what_is_not_here_is_unknown() {
    let snomed = Some("http://snomed.info/sct");
    assert_eq!(
        member(&format!("{FHIR}/condition-code"), snomed, "1"),
        Unknown
    );
    assert_eq!(
        member("http://loinc.org/vs/LL379-9", None, "LA9658-1"),
        Unknown
    );
    assert_eq!(
        member("http://example.org/ValueSet/none", None, "a"),
        Unknown
    );
    let types = Some("http://terminology.hl7.org/CodeSystem/service-type");
    assert_eq!(
        member(&format!("{FHIR}/service-type"), types, "99999"),
        Unknown
    );
}

#[test]
fn grammars_stand_for_lists() {
    let url = |name: &str| format!("{FHIR}/{name}");
    assert_eq!(member(&url("all-languages"), None, "de-CH"), Member);
    assert_eq!(member(&url("all-languages"), None, "de_CH"), NotMember);
    assert_eq!(member(&url("languages|4.0.1"), None, "de-ch"), Member);
    assert_eq!(member(&url("languages"), None, "gsw"), NotMember);
    assert_eq!(member(&url("mimetypes"), None, "text/plain"), Member);
    assert_eq!(member(MEDIA_TYPES_DOCUMENT, None, "text"), NotMember);
    assert_eq!(member(&url("ucum-units"), Some(UNITS), "mg/dL"), Member);
    assert_eq!(member(&url("ucum-units"), Some(UNITS), "mg/dl/"), NotMember);
    assert_eq!(member(&url("all-time-units"), Some(UNITS), "ms"), Member);
    assert_eq!(member(&url("all-time-units"), Some(UNITS), "mm"), NotMember);
    assert_eq!(
        member(&url("all-distance-units"), Some(UNITS), "[ft_i]"),
        Member
    );
}

#[test]
fn lists_of_known_systems() {
    let set = value_set(&format!("{FHIR}/age-units")).expect("a value set");
    assert!(set.includes_system(UNITS) && !set.includes_system(LANGUAGES));
    let units = format!("{FHIR}/units-of-time");
    assert_eq!(member(&units, Some(UNITS), "min"), Member);
    assert_eq!(member(&units, Some(UNITS), "Min"), NotMember);
    assert_eq!(member(&units, Some(UNITS), "ms"), NotMember);
}

#[test]
fn patterns_are_classes_with_counts() {
    assert_eq!(matches_pattern("[A-Z]{3}", "CHE"), Some(true));
    assert_eq!(matches_pattern("[A-Z]{3}", "CHEE"), Some(false));
    assert_eq!(matches_pattern("[0-9a]b", "ab"), Some(true));
    assert_eq!(matches_pattern("[0-9a]b", "xb"), Some(false));
    assert_eq!(matches_pattern("a.*", "ab"), None);
}
