//! Search in the fixture store: each query against what a plain look at the
//! JSON of fixtures/patients finds.

use std::{collections::BTreeSet, fs, io::Read, path::Path};

use serde_json::Value;

use crate::fixture_store::{body, entries, get, ids, interaction, patients, send};

/// All resources of fixtures/patients, without any of our own code.
fn raw() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/patients");
    let mut resources = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let mut text = fs::read(&path).expect("a file");
        if path.extension().is_some_and(|end| end == "gz") {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(text.as_slice())
                .read_to_end(&mut plain)
                .expect("gzip");
            text = plain;
        }
        if path.extension().is_some_and(|end| end == "ndjson") {
            let lines = text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty());
            resources
                .extend(lines.map(|line| serde_json::from_slice::<Value>(line).expect("JSON")));
        } else {
            let bundle: Value = serde_json::from_slice(&text).expect("JSON");
            let entries = bundle["entry"].as_array().expect("entries");
            resources.extend(entries.iter().map(|entry| entry["resource"].clone()));
        }
    }
    resources
}

/// Everything at a path of property names; arrays are gone through.
fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut values = vec![value];
    for name in path.split('.') {
        let inner = values.into_iter().filter_map(|value| value.get(name));
        values = inner
            .flat_map(|value| match value {
                Value::Array(values) => values.iter().collect(),
                value => vec![value],
            })
            .collect();
    }
    values
}

fn has(resource: &Value, path: &str, text: &str) -> bool {
    at(resource, path)
        .iter()
        .any(|value| value.as_str() == Some(text))
}

fn starts(resource: &Value, path: &str, start: &str) -> bool {
    at(resource, path)
        .iter()
        .any(|value| value.as_str().is_some_and(|text| text.starts_with(start)))
}

fn absent(resource: &Value, path: &str) -> bool {
    at(resource, path).is_empty()
}

fn is_of(resource: &Value, patient: &str) -> bool {
    let reference = format!("Patient/{patient}");
    has(resource, "subject.reference", &reference) || has(resource, "patient.reference", &reference)
}

fn number(resource: &Value, path: &str, holds: impl Fn(f64) -> bool) -> bool {
    at(resource, path)
        .iter()
        .any(|value| value.as_f64().is_some_and(&holds))
}

fn coded(resource: &Value, loinc: &str) -> bool {
    has(resource, "code.coding.code", loinc)
}

/// A component with this code and a value that holds.
fn component(resource: &Value, loinc: &str, holds: impl Fn(f64) -> bool) -> bool {
    let mut components = at(resource, "component").into_iter();
    components.any(|part| coded(part, loinc) && number(part, "valueQuantity.value", &holds))
}

type Expected = fn(&Value) -> bool;

#[rustfmt::skip]
const QUERIES: &[(&str, Expected)] = &[
    // token
    ("Patient?gender=female", |r| r["gender"] == "female"),
    ("Patient?gender=male,female", |r| r["gender"] == "male" || r["gender"] == "female"),
    ("Patient?gender=http://hl7.org/fhir/administrative-gender|male", |r| r["gender"] == "male"),
    ("Patient?gender:not=male", |r| r["gender"] != "male"),
    ("Patient?active=false", |r| r["active"] == false),
    ("Patient?deceased=true", |r| r.get("deceasedDateTime").is_some() || r["deceasedBoolean"] == true),
    ("Patient?deceased=false", |r| r.get("deceasedDateTime").is_none() && r["deceasedBoolean"] != true),
    ("Patient?identifier=MRN-000002", |r| has(r, "identifier.value", "MRN-000002")),
    ("Patient?identifier=http://example.org/hospital/mrn|", |r| has(r, "identifier.system", "http://example.org/hospital/mrn")),
    ("Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|MRN-000003", |r| has(r, "identifier.value", "MRN-000003")),
    ("Patient?phone=+00 555 0101", |r| has(r, "telecom.value", "+00 555 0101")),
    ("Patient?email=ANA-KELLER@example.org", |r| r["id"] == "pat-ana-keller"),
    ("Patient?_id=pat-ana-keller,pat-bruno-muster", |r| r["id"] == "pat-ana-keller" || r["id"] == "pat-bruno-muster"),
    ("Observation?code=4548-4", |r| coded(r, "4548-4")),
    ("Observation?code=http://loinc.org|4548-4,http://loinc.org|2160-0", |r| coded(r, "4548-4") || coded(r, "2160-0")),
    ("Observation?code:text=GLUCOSE", |r| at(r, "code.coding.display").iter().chain(&at(r, "code.text")).any(|text| text.as_str().is_some_and(|text| text.contains("Glucose")))),
    ("Observation?combo-code=8480-6", |r| has(r, "component.code.coding.code", "8480-6")),
    ("Observation?status:not=final", |r| r["status"] != "final"),
    ("Observation?data-absent-reason:missing=false", |r| !absent(r, "dataAbsentReason")),
    ("Patient?_security:missing=false", |r| !absent(r, "meta.security")),
    ("Observation?_profile=http://hl7.org/fhir/StructureDefinition/bp", |r| has(r, "meta.profile", "http://hl7.org/fhir/StructureDefinition/bp")),
    ("AllergyIntolerance?category=medication&criticality=high", |r| has(r, "category", "medication") && r["criticality"] == "high"),
    ("Condition?verification-status=entered-in-error", |r| has(r, "verificationStatus.coding.code", "entered-in-error")),
    ("Condition?clinical-status:missing=true", |r| absent(r, "clinicalStatus")),
    ("Encounter?class=AMB", |r| r["class"]["code"] == "AMB"),
    // string
    ("Patient?family=beispiel", |r| has(r, "name.family", "Beispiel")),
    ("Patient?family=ORNEK", |r| has(r, "name.family", "Örnek")),
    ("Patient?family=приМЕРОВ", |r| has(r, "name.family", "Примеров")),
    ("Patient?family=przyklad", |r| has(r, "name.family", "Przykład")),
    ("Patient?family:contains=SPIEL", |r| has(r, "name.family", "Beispiel")),
    ("Patient?family:exact=Beispiel", |r| has(r, "name.family", "Beispiel")),
    ("Patient?given=sofia", |r| has(r, "name.given", "Sofía")),
    ("Patient?name=voorbeeld", |r| r["id"] == "pat-jan-voorbeeld"),
    ("Patient?name=ana keller", |r| r["id"] == "pat-ana-keller"),
    ("Patient?name=dmitri", |r| r["id"] == "pat-dmitri-primerov"),
    ("Patient?address-country=CH", |r| has(r, "address.country", "CH")),
    ("Patient?address=muster", |r| starts(r, "address.line", "Muster") || starts(r, "address.city", "Muster")),
    // date
    ("Patient?birthdate=1961-02-03", |r| r["birthDate"] == "1961-02-03"),
    ("Patient?birthdate=1969", |r| starts(r, "birthDate", "1969")),
    ("Patient?birthdate=ge1984-02-29&birthdate=lt1991", |r| matches!(r["birthDate"].as_str(), Some(date) if ("1984-02-29".."1991").contains(&date))),
    ("Patient?birthdate=ne1969", |r| r["birthDate"] != "1969"),
    ("Patient?birthdate=lt1950,gt2019", |r| matches!(r["birthDate"].as_str(), Some(date) if !("1950"..="2020").contains(&date))),
    ("Patient?death-date=2022-03", |r| starts(r, "deceasedDateTime", "2022-03")),
    ("Condition?onset-date=2014", |r| starts(r, "onsetDateTime", "2014") || starts(r, "onsetPeriod.start", "2014") && starts(r, "onsetPeriod.end", "2014")),
    ("Encounter?date=2019-03-21", |r| starts(r, "period.start", "2019-03-21") && starts(r, "period.end", "2019-03-21")),
    ("Observation?date=2019-03-21T10:05:00Z", |r| r["effectiveDateTime"] == "2019-03-21T11:05:00+01:00"),
    ("Immunization?date=eb2020", |r| matches!(r["occurrenceDateTime"].as_str(), Some(date) if date < "2020")),
    ("Medication?_lastUpdated=ge2025-05", |r| matches!(r["meta"]["lastUpdated"].as_str(), Some(date) if date >= "2025-05")),
    // reference
    ("Condition?patient=pat-ana-keller", |r| is_of(r, "pat-ana-keller")),
    ("Condition?subject=Patient/pat-ana-keller", |r| is_of(r, "pat-ana-keller")),
    ("Condition?subject:Patient=pat-ana-keller", |r| is_of(r, "pat-ana-keller")),
    ("Condition?subject=http://fixtures.invalid/fhir/Patient/pat-ana-keller", |r| is_of(r, "pat-ana-keller")),
    ("Observation?patient=pat-ana-keller&code=4548-4", |r| is_of(r, "pat-ana-keller") && coded(r, "4548-4")),
    ("MedicationRequest?medication=Medication/med-metformin", |r| r["medicationReference"]["reference"] == "Medication/med-metformin"),
    ("Patient?link:missing=false", |r| !absent(r, "link")),
    ("Patient?general-practitioner=prac-iris-vorlage", |r| has(r, "generalPractitioner.reference", "Practitioner/prac-iris-vorlage")),
    // quantity and composite
    ("Observation?code=1988-5&value-quantity=lt0.3", |r| coded(r, "1988-5") && (r["valueQuantity"]["comparator"] == "<" || number(r, "valueQuantity.value", |value| value < 0.3))),
    ("Observation?value-quantity=gt600", |r| number(r, "valueQuantity.value", |value| value > 600.0) || r["valueQuantity"]["comparator"] == ">"),
    ("Observation?code=4548-4&value-quantity=ge6.5", |r| coded(r, "4548-4") && number(r, "valueQuantity.value", |value| value >= 6.5)),
    ("Observation?value-quantity=ge6.5|http://unitsofmeasure.org|%", |r| r["valueQuantity"]["code"] == "%" && number(r, "valueQuantity.value", |value| value >= 6.5)),
    ("Observation?value-quantity=lt50||kg", |r| (r["valueQuantity"]["code"] == "kg" || r["valueQuantity"]["unit"] == "kg") && number(r, "valueQuantity.value", |value| value < 50.0)),
    ("Observation?component-code-value-quantity=http://loinc.org|8480-6$ge140", |r| component(r, "8480-6", |value| value >= 140.0)),
    ("Observation?component-code-value-quantity=8480-6$gt140,8462-4$gt90", |r| component(r, "8480-6", |value| value > 140.0) || component(r, "8462-4", |value| value > 90.0)),
    ("Observation?code-value-quantity=29463-7$lt20", |r| coded(r, "29463-7") && number(r, "valueQuantity.value", |value| value < 20.0)),
    ("Condition?onset-age=9", |r| number(r, "onsetAge.value", |value| (8.5..9.5).contains(&value))),
    // chains
    ("Observation?patient.birthdate=1961-02-03&code=4548-4", |r| is_of(r, "pat-ana-keller") && coded(r, "4548-4")),
    ("Condition?subject:Patient.family=keller", |r| is_of(r, "pat-ana-keller")),
    ("Condition?subject:Patient.name:exact=Keller", |r| is_of(r, "pat-ana-keller")),
    ("MedicationRequest?medication.code=6809", |r| r["medicationReference"]["reference"] == "Medication/med-metformin"),
    ("Patient?_has:AllergyIntolerance:patient:criticality=high&family=keller", |r| r["id"] == "pat-ana-keller"),
    ("Patient?_has:Procedure:subject:status=completed", |r| r["id"] == "pat-liam-sample"),
];

/// Queries that find nothing, though each finds something when it is read wrong.
const NOTHING: &[&str] = &[
    "Patient?identifier=|MRN-000002",
    "Patient?_id=PAT-ANA-KELLER",
    "Observation?code=http://snomed.info/sct|4548-4",
    "Patient?family=spiel",
    "Patient?family:exact=beispiel",
    "Patient?birthdate=1969-05-05",
    "Condition?subject=Group/pat-ana-keller",
    "Condition?subject=http://elsewhere.example/Patient/pat-ana-keller",
    "Medication?_has:MedicationRequest:medication:patient=pat-bruno-muster&code=6809",
];

#[tokio::test]
async fn queries_find_what_a_look_at_the_json_finds() {
    let (store, raw) = (patients(), raw());
    let mut failures = Vec::new();
    for (query, expected) in QUERIES {
        let answer = send(&store, interaction(&format!("{query}&_count=1000"))).await;
        let bundle = body(&answer);
        assert_eq!(answer.status, 200, "{query}: {bundle}");
        let found: BTreeSet<String> = entries(&bundle, "match").into_iter().collect();
        let resource_type = query.split('?').next().expect("a type");
        let wanted: BTreeSet<String> = raw
            .iter()
            .filter(|resource| resource["resourceType"] == resource_type && expected(resource))
            .map(|resource| {
                format!(
                    "{resource_type}/{}",
                    resource["id"].as_str().expect("an id")
                )
            })
            .collect();
        assert!(!wanted.is_empty(), "{query} shows nothing");
        if found != wanted || bundle["total"] != wanted.len() {
            failures.push(format!("{query}: found {found:?}, expected {wanted:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn what_does_not_fit_is_not_found() {
    let store = patients();
    for query in NOTHING {
        assert!(ids(&store, query).await.is_empty(), "{query}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_named() {
    let store = patients();
    for (query, named) in [
        ("Observation?patinet=pat-ana-keller", "patinet"),
        ("Observation?patient:exact=pat-ana-keller", ":exact"),
        ("Observation?code:in=http://example.org/vs", ":in"),
        ("Observation?date=yesterday", "yesterday"),
        ("Observation?date=", "date"),
        ("Observation?value-quantity=high", "high"),
        (
            "Observation?component-code-value-quantity=8480-6",
            "joined by $",
        ),
        ("Observation?code:missing=maybe", "maybe"),
        ("Observation?patient.nonsense=1", "nonsense"),
        ("Observation?code.text=x", "code"),
        ("Observation?_has:Provenance=1", "_has"),
        ("Observation?subject:Patiend.name=x", "Patiend"),
        ("Observation?_include=Patiend:link", "Patiend"),
        ("Observation?_includes=Observation:subject", "_includes"),
        ("Observation?_sort=nonsense", "nonsense"),
        ("Observation?_include=Observation", "Observation"),
        ("Observation?_include=Observation:code", "code"),
        ("Observation?_count=many", "many"),
        ("Observation?_summary=short", "short"),
        ("Observation?_text=pain", "_text"),
        ("Observation?_format=xml", "_format"),
    ] {
        let answer = send(&store, interaction(query)).await;
        let outcome = body(&answer);
        assert_eq!(answer.status, 400, "{query}: {outcome}");
        let text = outcome["issue"][0]["diagnostics"].as_str().expect("a text");
        assert!(text.contains(named), "{query}: {text}");
    }
}

#[tokio::test]
async fn commas_that_are_escaped_do_not_separate() {
    let store = patients();
    let all = ids(&store, "Observation?code:text=glucose&_count=1000").await;
    assert!(!all.is_empty());
    assert!(
        ids(&store, r"Observation?code:text=glucose\,nonsense")
            .await
            .is_empty()
    );
    assert_eq!(
        ids(&store, "Observation?code:text=glucose,nonsense&_count=1000").await,
        all
    );
}

#[tokio::test]
async fn sorting_puts_missing_values_last_in_both_directions() {
    let (store, raw) = (patients(), raw());
    let birth = |id: &String| {
        let patient = raw
            .iter()
            .find(|resource| resource["id"] == id.as_str())
            .expect("a patient");
        patient["birthDate"].as_str().expect("a date").to_owned()
    };
    let up = ids(&store, "Patient?_sort=birthdate").await;
    assert!(up.iter().map(birth).is_sorted(), "{up:?}");
    let down = ids(&store, "Patient?_sort=-birthdate").await;
    assert!(down.iter().map(birth).rev().is_sorted(), "{down:?}");
    for direction in ["", "-"] {
        let sorted = ids(&store, &format!("Patient?_sort={direction}death-date")).await;
        assert_eq!(
            (sorted.len(), sorted[0].as_str()),
            (22, "pat-ingrid-exempel")
        );
    }
    let twins = ids(
        &store,
        "Patient?birthdate=2019-06-18&_sort=birthdate,-given",
    )
    .await;
    assert_eq!(twins, ["pat-hugo-beispiel", "pat-greta-beispiel"]);
    let latest = ids(
        &store,
        "Observation?patient=pat-ana-keller&code=4548-4&_sort=-date&_count=1",
    )
    .await;
    let mut dated: Vec<_> = raw
        .iter()
        .filter(|resource| is_of(resource, "pat-ana-keller") && coded(resource, "4548-4"))
        .map(|resource| {
            (
                resource["effectiveDateTime"].as_str().expect("a date"),
                resource["id"].as_str().expect("an id"),
            )
        })
        .collect();
    dated.sort_unstable();
    assert_eq!(latest, [dated.last().expect("one").1]);
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end() {
    let store = patients();
    let all = ids(&store, "Observation?patient=pat-ana-keller&_count=1000").await;
    let mut bundle = get(&store, "Observation?patient=pat-ana-keller&_count=7").await;
    let mut found = Vec::new();
    let mut pages = 0;
    loop {
        pages += 1;
        assert_eq!(bundle["total"], all.len());
        found.extend(
            entries(&bundle, "match")
                .iter()
                .map(|reference| reference["Observation/".len()..].to_owned()),
        );
        let links = bundle["link"].as_array().expect("links");
        assert_eq!(links[0]["relation"], "self");
        let next = links.iter().find(|link| link["relation"] == "next");
        let Some(next) = next.and_then(|link| link["url"].as_str()) else {
            break;
        };
        let link = next.to_owned();
        bundle = body(
            &send(
                &store,
                fhir_mcp_server::client::Interaction::NextPage { link },
            )
            .await,
        );
    }
    assert_eq!(found, all);
    assert_eq!(pages, all.len().div_ceil(7));
}

#[tokio::test]
async fn the_total_alone_can_be_asked_for() {
    let store = patients();
    for query in ["Patient?_summary=count", "Patient?_count=0"] {
        let bundle = get(&store, query).await;
        assert_eq!(bundle["total"], 22, "{query}");
        assert!(bundle.get("entry").is_none(), "{query}");
    }
}

#[tokio::test]
async fn included_resources_come_once_and_are_marked() {
    let store = patients();
    let bundle = get(&store, "MedicationRequest?patient=pat-ana-keller&_include=MedicationRequest:medication&_include=MedicationRequest:patient").await;
    let requests = entries(&bundle, "match");
    let included = entries(&bundle, "include");
    assert_eq!(bundle["total"], requests.len());
    assert!(
        included.contains(&"Medication/med-metformin".to_owned()),
        "{included:?}"
    );
    assert_eq!(
        included
            .iter()
            .filter(|reference| *reference == "Patient/pat-ana-keller")
            .count(),
        1
    );
    let unique: BTreeSet<_> = included.iter().collect();
    assert_eq!(unique.len(), included.len());

    let bundle = get(&store, "Patient?_id=pat-ana-keller&_revinclude=Condition:patient&_revinclude=AllergyIntolerance:patient").await;
    let mut expected = ids(&store, "Condition?patient=pat-ana-keller")
        .await
        .iter()
        .map(|id| format!("Condition/{id}"))
        .collect::<Vec<_>>();
    expected.extend(
        ids(&store, "AllergyIntolerance?patient=pat-ana-keller")
            .await
            .iter()
            .map(|id| format!("AllergyIntolerance/{id}")),
    );
    assert_eq!(entries(&bundle, "include"), expected);

    let one = "DiagnosticReport?_id=rep-ana-keller-2019-03&_include=DiagnosticReport:result";
    let without = entries(&get(&store, one).await, "include");
    assert!(
        without
            .iter()
            .all(|reference| reference.starts_with("Observation/"))
    );
    let with = entries(
        &get(
            &store,
            &format!("{one}&_include:iterate=Observation:encounter"),
        )
        .await,
        "include",
    );
    assert!(
        with.contains(&"Encounter/enc-ana-keller-2019-03".to_owned()),
        "{with:?}"
    );
    assert_eq!(with.len(), without.len() + 1);

    let only = get(
        &store,
        &format!("{one}&_include=DiagnosticReport:*:Patient"),
    )
    .await;
    assert!(entries(&only, "include").contains(&"Patient/pat-ana-keller".to_owned()));
}

#[tokio::test]
async fn parts_of_resources_are_marked_as_such() {
    let store = patients();
    let names = |bundle: &Value| {
        bundle["entry"][0]["resource"]
            .as_object()
            .expect("a resource")
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    let bundle = get(
        &store,
        "Observation?_id=obs-ana-keller-bp-2019-03&_elements=effective",
    )
    .await;
    let expected = [
        "resourceType",
        "id",
        "meta",
        "status",
        "code",
        "effectiveDateTime",
    ];
    assert_eq!(
        names(&bundle),
        expected.iter().map(ToString::to_string).collect()
    );
    assert_eq!(
        at(&bundle["entry"][0]["resource"], "meta.tag.code"),
        ["SUBSETTED"]
    );
    let bundle = get(&store, "Patient?_id=pat-ana-keller&_summary=data").await;
    assert!(!names(&bundle).contains("text") && names(&bundle).contains("communication"));
    let bundle = get(&store, "Patient?_id=pat-ana-keller&_summary=true").await;
    assert!(names(&bundle).contains("birthDate") && !names(&bundle).contains("communication"));
    let bundle = get(&store, "Patient?_id=pat-ana-keller&_summary=text").await;
    assert!(names(&bundle).contains("text") && !names(&bundle).contains("birthDate"));
    let bundle = get(&store, "Patient?_id=pat-ana-keller&_summary=false").await;
    assert!(at(&bundle["entry"][0]["resource"], "meta.tag").is_empty());
}
