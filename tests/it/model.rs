//! The typed model as a Rust developer uses it, and its laws under random input.

use fhir_mcp_server::model::{
    Object, ObservationValue, Patient, RESOURCE_TYPES, Resource, Severity,
    codes::{AdministrativeGender, ObservationStatus},
    definition::{ElementDef, TypeDef, TypeRef},
    primitive::{CodeType, Precision},
    type_def,
};
use fhir_mcp_server::model::{Observation, Quantity};
use proptest::prelude::*;

const PATIENT: &str = r#"{
  "resourceType": "Patient",
  "id": "p1",
  "name": [{"family": "Keller", "given": ["Ana", "Zoë"]}],
  "gender": "female",
  "birthDate": "1974-12",
  "_birthDate": {"id": "b"}
}"#;

#[test]
fn fields_are_typed() {
    let patient = Patient::from_slice(PATIENT.as_bytes())
        .into_result()
        .unwrap();
    assert_eq!(*patient.gender, Some(AdministrativeGender::Female));
    assert_eq!(AdministrativeGender::Female.as_str(), "female");
    let birth_date = patient.birth_date.as_ref().unwrap();
    assert_eq!(birth_date.as_str(), "1974-12");
    assert_eq!(birth_date.precision(), Precision::Month);
    assert!(patient.birth_date.element.is_some());
    let names: Vec<&str> = patient
        .name
        .iter()
        .filter_map(|name| name.family.as_deref())
        .collect();
    assert_eq!(names, ["Keller"]);
    assert!(patient.active.is_none());
}

#[test]
fn choices_are_enums() {
    let json = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
        "valueQuantity":{"value":1.50,"comparator":"<","unit":"mg"}}"#;
    let observation = Observation::from_slice(json.as_bytes())
        .into_result()
        .unwrap();
    assert_eq!(*observation.status, Some(ObservationStatus::Final));
    let Some(ObservationValue::Quantity(quantity)) = &observation.value else {
        panic!("a quantity: {:?}", observation.value)
    };
    assert_eq!(quantity.value.as_ref().unwrap().as_str(), "1.50");
    assert_eq!(quantity.comparator.unwrap().as_str(), "<");
    assert!(
        observation
            .to_json()
            .contains("\"value\":1.50,\"comparator\":\"<\"")
    );
}

#[test]
fn serde_goes_through_the_same_code() {
    let patient: Patient = serde_json::from_str(PATIENT).unwrap();
    assert_eq!(serde_json::to_string(&patient).unwrap(), patient.to_json());
    let quantity: Quantity = serde_json::from_str(r#"{"value":0.10}"#).unwrap();
    assert_eq!(
        serde_json::to_string(&[quantity]).unwrap(),
        r#"[{"value":0.10}]"#
    );
    let value = serde_json::to_value(&patient).unwrap();
    let again: Resource = serde_json::from_value(value).unwrap();
    assert_eq!(again, Resource::from(patient));
    let error = serde_json::from_str::<Patient>(r#"{"resourceType":"Patient","gender":"x"}"#);
    assert!(error.unwrap_err().to_string().contains("required-binding"));
}

#[test]
fn a_document_of_another_type_is_refused() {
    let reading = Observation::from_slice(PATIENT.as_bytes());
    assert!(
        reading
            .issues
            .iter()
            .any(|issue| issue.rule.code() == "resource-type")
    );
    assert!(reading.into_result().is_err());
}

#[test]
fn positions_count_lines_and_characters() {
    let json = "{\"resourceType\":\"Patient\",\n \"name\":[{\"text\":\"Zoë\",\"family\":7}]}";
    let reading = Resource::from_slice(json.as_bytes());
    let issue = &reading.issues[0];
    assert_eq!((issue.line, issue.column), (2, 33), "{issue:?}");
    assert_eq!(&json[issue.offset..=issue.offset], "7");
    assert_eq!(issue.severity, Severity::Error);
    assert_eq!(
        issue.to_string(),
        "error[json-type] Patient.name[0].family: expected a JSON string for the type string, found the number 7"
    );
}

/// A small deterministic source of choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// A valid object of the type, as JSON text.
fn object(
    definition: &'static TypeDef,
    resource: bool,
    depth: usize,
    choices: &mut Choices,
) -> String {
    let mut properties = Vec::new();
    if resource {
        properties.push(format!("\"resourceType\":\"{}\"", definition.name));
    }
    for element in definition.elements {
        let wanted = element.min > 0 || choices.one_in(if depth < 2 { 3 } else { 12 + depth * 8 });
        if wanted {
            property(element, depth, choices, &mut properties);
        }
    }
    if properties.is_empty() {
        let id = definition
            .elements
            .iter()
            .find(|element| element.name == "id")
            .expect("an id");
        property(id, depth, choices, &mut properties);
    }
    let rotation = choices.below(properties.len());
    properties.rotate_left(rotation);
    format!("{{{}}}", properties.join(","))
}

fn property(
    element: &'static ElementDef,
    depth: usize,
    choices: &mut Choices,
    properties: &mut Vec<String>,
) {
    let r#type = &element.types[choices.below(element.types.len())];
    let name = match element.choice {
        true => element.name.to_owned() + &r#type.code[..1].to_uppercase() + &r#type.code[1..],
        false => element.name.to_owned(),
    };
    let count = if element.many {
        1 + choices.below(3)
    } else {
        1
    };
    let list = |values: Vec<String>| match element.many {
        true => format!("[{}]", values.join(",")),
        false => values.concat(),
    };
    let primitive = r#type.definition().is_none() && r#type.code != "Resource";
    let siblings = primitive && r#type.code != "xhtml" && choices.one_in(8);
    let gap = element.many && siblings && choices.one_in(2);
    let values = (0..count).map(|index| match gap && index == 0 {
        true => "null".to_owned(),
        false => value(element, r#type, depth, choices),
    });
    let values: Vec<String> = values.collect();
    if !(gap && count == 1) {
        properties.push(format!("\"{name}\":{}", list(values)));
    }
    if siblings {
        let ids = (0..count)
            .map(|index| format!("{{\"id\":\"s{index}\"}}"))
            .collect();
        properties.push(format!("\"_{name}\":{}", list(ids)));
    }
}

fn value(element: &ElementDef, r#type: &TypeRef, depth: usize, choices: &mut Choices) -> String {
    if let Some(definition) = r#type.definition() {
        return object(definition, false, depth + 1, choices);
    }
    let codes = element.binding.map_or(&[][..], |binding| binding.codes);
    let texts: &[&str] = match r#type.code {
        "Resource" => {
            let name = choices.of(RESOURCE_TYPES);
            return object(type_def(name).expect("a type"), true, depth + 2, choices);
        }
        "boolean" => return choices.of(&["true", "false"]).to_owned(),
        "decimal" => {
            return choices
                .of(&["0", "-0.50", "1.500", "1E+3", "12345678901234567890.123"])
                .to_owned();
        }
        "integer" => {
            return choices
                .of(&["0", "-7", "2147483647", "-2147483648"])
                .to_owned();
        }
        "unsignedInt" => return choices.of(&["0", "2147483647"]).to_owned(),
        "positiveInt" => return choices.of(&["1", "2147483647"]).to_owned(),
        "code" if !codes.is_empty() => codes,
        "code" => &["a", "a b", "x-1"],
        "id" => &["a", "A-1.b"],
        "string" | "markdown" => &[
            "x",
            " padded ",
            "q\\\"\\\\\\n\\u00e9",
            "ünïcode 𝄞",
            "\\ud834\\udd1e",
        ],
        "uri" | "url" | "canonical" => &["urn:x", "http://example.org/a?b=c|1"],
        "oid" => &["urn:oid:1.2.840"],
        "uuid" => &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
        "base64Binary" => &["QUJD", "QQ=="],
        "date" => &["2024", "2024-02", "2024-02-29"],
        "dateTime" => &["2024", "2024-02-29", "2024-02-29T23:59:60.10+14:00"],
        "instant" => &["2024-02-29T00:00:00Z"],
        "time" => &["23:59:59.5"],
        "xhtml" => &["<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\"><p>a &amp; b</p></div>"],
        other => panic!("no text for {other}"),
    };
    format!("\"{}\"", choices.of(texts))
}

fn generated(seed: u64) -> String {
    let mut choices = Choices(seed);
    let name = choices.of(RESOURCE_TYPES);
    object(type_def(name).expect("a type"), true, 0, &mut choices)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_resources_are_valid_and_survive(seed: u64) {
        let json = generated(seed);
        let reading = Resource::from_slice(json.as_bytes());
        prop_assert!(reading.issues.is_empty(), "{:?}\n{json}", reading.issues);
        let written = reading.value.expect("a value").to_json();
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        prop_assert_eq!(parse(&json), parse(&written));
        let again = Resource::from_slice(written.as_bytes()).value.expect("a value").to_json();
        prop_assert_eq!(written, again);
    }

    #[test]
    fn mutated_documents_give_a_value_or_an_error(
        seed: u64,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let mut bytes = generated(seed).into_bytes();
        for (index, byte, edit) in edits {
            let at = index.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"{}[]\",:0nt\\"[usize::from(byte) % 11]),
                2 => { bytes.remove(at); }
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(byte);
            }
        }
        let reading = Resource::from_slice(&bytes);
        let error = reading.issues.iter().any(|issue| issue.severity.is_error());
        prop_assert!(reading.value.is_some() || error);
        // What is called valid is JSON for everyone, and is written as it was.
        if !error {
            let before: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            let written = reading.value.expect("a value").to_json();
            prop_assert_eq!(before, serde_json::from_str::<serde_json::Value>(&written).expect("JSON"));
        }
    }
}
