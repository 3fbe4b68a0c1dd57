//! Bindings and codes, through the validator.

use fhir_mcp_server::validation::Validator;
use serde_json::{Value, json};

/// Severity, code and expression of each issue.
fn issues(resource: &Value) -> Vec<String> {
    let reading = Validator::default().read(resource.to_string().as_bytes());
    let issues = reading.issues.iter();
    issues
        .map(|issue| {
            format!(
                "{} {} {}",
                issue.severity,
                issue.rule.code(),
                issue.expression
            )
        })
        .filter(|line| CODES.iter().any(|code| line.contains(code)))
        .collect()
}

/// The rules that are tried here.
const CODES: [&str; 10] = [
    "required-binding",
    "extensible-binding",
    "preferred-binding",
    "max-binding",
    "unknown-code",
    "abstract-code",
    "inactive-code",
    "display",
    "coding-system",
    "ucum",
];

fn allergy(status: Value) -> Value {
    json!({
        "resourceType": "AllergyIntolerance",
        "verificationStatus": status,
        "patient": { "reference": "Patient/1" }
    })
}

const STATUS: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";

#[test]
fn a_required_binding_wants_one_coding_of_the_set() {
    let failed = ["error required-binding AllergyIntolerance.verificationStatus"];
    for status in [
        json!({ "text": "Confirmed" }),
        json!({ "coding": [{ "system": STATUS, "code": "Confirmed" }] }),
        json!({ "coding": [{ "system": STATUS, "code": "nonsense" }], "text": "Confirmed" }),
        json!({ "coding": [{ "code": "confirmed" }] }),
        json!({ "coding": [{ "system": STATUS, "display": "Confirmed" }] }),
        json!({ "coding": [{ "system": "http://example.org/status", "code": "confirmed" }] }),
    ] {
        assert_eq!(issues(&allergy(status.clone())), failed, "{status}");
    }
    for status in [
        json!({ "coding": [{ "system": STATUS, "code": "confirmed" }] }),
        json!({ "coding": [
            { "system": "http://example.org/status", "code": "sure" },
            { "system": STATUS, "code": "confirmed", "display": "CONFIRMED" }
        ] }),
        json!({ "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "unknown"
        }] }),
    ] {
        assert_eq!(issues(&allergy(status.clone())), [""; 0], "{status}");
    }
}

#[test]
fn an_error_of_the_reader_is_not_said_again() {
    let status = json!({ "coding": [{ "system": STATUS, "code": " confirmed " }] });
    assert_eq!(issues(&allergy(status)), [""; 0]);
    let patient = json!({ "resourceType": "Patient", "gender": "Male" });
    assert_eq!(issues(&patient), ["error required-binding Patient.gender"]);
}

#[test]
fn an_extensible_binding_warns_unless_another_system_was_chosen() {
    let patient =
        |status: Value| issues(&json!({ "resourceType": "Patient", "maritalStatus": status }));
    let system = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
    let warning = ["warning extensible-binding Patient.maritalStatus"];
    assert_eq!(patient(json!({ "text": "married" })), warning);
    let unknown = json!({ "coding": [{ "system": system, "code": "nonsense" }] });
    assert_eq!(patient(unknown), warning);
    let other = json!({ "coding": [{ "system": "http://example.org/m", "code": "x" }] });
    assert_eq!(
        patient(other),
        ["information extensible-binding Patient.maritalStatus"]
    );
    let known = json!({ "coding": [{ "system": system, "code": "M", "display": "Married" }] });
    assert_eq!(patient(known), [""; 0]);
}

#[test]
fn languages_and_media_types_have_a_grammar() {
    let patient = |language: &str, photo: &str| {
        issues(&json!({
            "resourceType": "Patient",
            "language": language,
            "photo": [{ "contentType": photo }],
            "communication": [{ "language": {
                "coding": [{ "system": "urn:ietf:bcp:47", "code": language }]
            } }]
        }))
    };
    assert_eq!(patient("de-CH", "image/png"), [""; 0]);
    assert_eq!(
        patient("gsw", "image/png"),
        [
            "information preferred-binding Patient.language",
            "information preferred-binding Patient.communication[0].language"
        ]
    );
    assert_eq!(
        patient("english", "png"),
        [
            "error max-binding Patient.language",
            "error required-binding Patient.photo[0].contentType",
            "error max-binding Patient.communication[0].language"
        ]
    );
}

#[test]
fn units_are_ucum_where_they_say_so() {
    let observation = |system: &str, code: &str| {
        issues(&json!({
            "resourceType": "Observation",
            "status": "final",
            "code": { "text": "x" },
            "valueQuantity": { "value": 1, "system": system, "code": code }
        }))
    };
    let ucum = "http://unitsofmeasure.org";
    assert_eq!(observation(ucum, "mm[Hg]"), [""; 0]);
    assert_eq!(observation("http://example.org/units", "mmHg"), [""; 0]);
    assert_eq!(
        observation(ucum, "mmHg"),
        ["warning ucum Observation.value.code"]
    );
    let onset = |code: &str| {
        issues(&json!({
            "resourceType": "Condition",
            "subject": { "reference": "Patient/1" },
            "onsetAge": { "value": 3, "system": ucum, "code": code }
        }))
    };
    assert_eq!(onset("a"), [""; 0]);
    assert_eq!(
        onset("s"),
        ["warning extensible-binding Condition.onset.code"]
    );
    assert_eq!(onset("kg"), ["error max-binding Condition.onset.code"]);
    assert_eq!(onset("years"), ["error max-binding Condition.onset.code"]);
}

/// What groups others is no code to choose; what is retired is no longer one.
#[test]
fn codes_are_neither_abstract_nor_retired() {
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let interpretations = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
    let observation = |code: &str, tag: &str| {
        issues(&json!({
            "resourceType": "Observation",
            "meta": { "tag": [{ "system": act, "code": tag }] },
            "status": "final",
            "code": { "text": "x" },
            "interpretation": [{ "coding": [{ "system": interpretations, "code": code }] }]
        }))
    };
    assert_eq!(observation("U", "AMB"), [""; 0]);
    // Under no binding that asks for one of its codes it may be meant.
    assert_eq!(observation("U", "_ActEncounterCode"), [""; 0]);
    assert_eq!(
        observation("_ObservationInterpretationChange", "AMB"),
        ["warning abstract-code Observation.interpretation[0].coding[0].code"]
    );
    assert_eq!(
        observation("U", "SICKLE"),
        ["warning inactive-code Observation.meta.tag[0].code"]
    );
    // A code that has but one list: abstract is outside of it.
    let kind = |kind: &str| {
        issues(&json!({
            "resourceType": "Questionnaire",
            "status": "draft",
            "item": [{ "linkId": "1", "text": "x", "type": kind }]
        }))
    };
    assert_eq!(kind("string"), [""; 0]);
    assert_eq!(
        kind("question"),
        ["error required-binding Questionnaire.item[0].type"]
    );
    // All that the expansions of its value set list.
    let context = issues(&json!({
        "resourceType": "ObservationDefinition",
        "code": { "text": "x" },
        "qualifiedInterval": [{ "context": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/referencerange-meaning",
            "code": "type"
        }] } }]
    }));
    assert_eq!(context, [""; 0]);
}

#[test]
fn a_coding_has_a_system_that_has_its_code() {
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
    let meta = |tag: Value| {
        issues(
            &json!({ "resourceType": "Basic", "code": { "text": "x" }, "meta": { "tag": [tag] } }),
        )
    };
    for (tag, expected) in [
        (
            json!({ "system": act, "code": "HTEST", "display": "test  Health data" }),
            "",
        ),
        (
            json!({ "system": act, "code": "HTEST", "display": "other" }),
            "warning display Basic.meta.tag[0].display",
        ),
        (
            json!({ "system": act, "code": "NONE" }),
            "warning unknown-code Basic.meta.tag[0].code",
        ),
        (
            json!({ "system": "http://example.org/tags", "code": "NONE" }),
            "",
        ),
        (
            json!({ "system": "tags", "code": "a" }),
            "error coding-system Basic.meta.tag[0].system",
        ),
        (
            json!({ "system": "http://hl7.org/fhir/ValueSet/languages", "code": "de" }),
            "error coding-system Basic.meta.tag[0].system",
        ),
        (
            json!({ "code": "a" }),
            "warning coding-system Basic.meta.tag[0].code",
        ),
        (json!({ "display": "a" }), ""),
    ] {
        let expected: Vec<&str> = Some(expected)
            .filter(|line| !line.is_empty())
            .into_iter()
            .collect();
        assert_eq!(meta(tag.clone()), expected, "{tag}");
    }
}
