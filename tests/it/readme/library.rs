use fhir_mcp_server::model::{
    Object, Observation, ObservationValue, Patient, Resource, codes::AdministrativeGender,
};

pub(super) fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Fields carry FHIR's names in Rust's spelling; a primitive derefs to its value.
    let json = br#"{"resourceType":"Patient","gender":"female","name":[{"family":"Keller"}]}"#;
    let patient = Patient::from_slice(json).into_result()?;
    assert_eq!(*patient.gender, Some(AdministrativeGender::Female));
    assert_eq!(patient.name[0].family.as_deref(), Some("Keller"));

    // A choice element is an enum, and a decimal keeps the digits it was written with.
    let json = br#"{"resourceType":"Observation","status":"final","code":{"text":"CRP"},
        "valueQuantity":{"value":0.30,"comparator":"<","unit":"mg/L"}}"#;
    let observation = Observation::from_slice(json).into_result()?;
    match &observation.value {
        Some(ObservationValue::Quantity(quantity)) => {
            assert_eq!(
                quantity.value.as_ref().map(|value| value.as_str()),
                Some("0.30")
            );
        }
        other => panic!("expected a quantity, found {other:?}"),
    }

    // Reading gives everything that is wrong, not the first thing alone.
    let reading = Resource::from_slice(br#"{"resourceType":"Patient","gender":"F","age":62}"#);
    let issues: Vec<String> = reading.issues.iter().map(ToString::to_string).collect();
    assert!(!reading.is_valid());
    assert!(issues[0].starts_with("error[required-binding] Patient.gender: expected"));
    assert!(issues[1].starts_with("error[unknown-element] Patient: expected"));

    // Whatever the type: elements by name, and JSON again.
    let resource = Resource::from(patient);
    assert_eq!(
        resource.as_object().get("name").map(|names| names.len()),
        Some(1)
    );
    assert!(
        resource
            .to_json()
            .starts_with(r#"{"resourceType":"Patient""#)
    );
    Ok(())
}
