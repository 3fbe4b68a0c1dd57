//! `describe`, `validate`, `get_capabilities`, and what the server says of itself.

use fhir_mcp_server::mcp::Options;
use serde_json::{Value, json};

use super::{INVALID, Setting};

#[tokio::test]
async fn validate_groups_what_it_finds() {
    let setting = Setting::start(Options::default(), |_, _| (200, INVALID.to_owned())).await;
    let names: Vec<Value> = (0..50).map(|_| json!({"use": "formal"})).collect();
    let resource = json!({"resourceType": "Patient", "name": names});
    let answer = setting.ok("validate", json!({"resource": resource})).await;
    assert_eq!(answer["valid"], false);
    assert_eq!(answer["errors"], 50);
    assert_eq!(answer["issues"].as_array().unwrap().len(), 1);
    assert_eq!(answer["issues"][0]["count"], 50);
    assert!(answer["issues"][0].get("line").is_none());

    let text = "{\"resourceType\":\"Patient\",\n \"gender\":\"x\"}";
    let answer = setting.ok("validate", json!({"resource": text})).await;
    assert_eq!(answer["issues"][0]["line"], 2);

    let answer = setting
        .ok("validate", json!({"reference": "Patient/1"}))
        .await;
    assert_eq!(answer["errors"], 2);
    let neither = setting.fails("validate", json!({})).await;
    assert!(neither.contains("reference"), "{neither}");
}

#[tokio::test]
async fn capabilities_have_the_shape_of_the_contract() {
    let setting = Setting::start(Options::default(), |_, _| (500, String::new())).await;
    let answer = setting
        .ok("get_capabilities", json!({"type": "Patient"}))
        .await;
    assert_eq!(answer["type"], "Patient");
    assert_eq!(answer["searchParam"][0]["name"], "name");
    assert!(answer["searchParam"][0]["documentation"].is_string());
    assert_eq!(answer["searchParam"][2]["documentation"], Value::Null);
    assert_eq!(answer["interaction"], json!([{"code": "read"}]));
    assert_eq!(answer["searchInclude"], json!([]));
    let text = setting
        .fails("get_capabilities", json!({"type": "Goal"}))
        .await;
    assert!(text.contains("Patient, Observation"), "{text}");
}

#[tokio::test]
async fn every_type_is_described_in_a_thousand_tokens() {
    let setting = Setting::start(Options::default(), |_, _| (500, String::new())).await;
    for name in fhir_mcp_server::model::RESOURCE_TYPES {
        let answer = setting.ok("describe", json!({"type": name})).await;
        let length = answer.to_string().len();
        assert!(length <= 4_000, "{name}: {length}");
        let elements = answer["elements"].as_array().unwrap();
        assert!(!elements.is_empty(), "{name}");
    }
    let claim = setting.ok("describe", json!({"type": "Claim.item"})).await;
    assert!(
        claim["elements"]
            .to_string()
            .contains("sequence!: positiveInt"),
        "{claim}"
    );
    let observation = setting.ok("describe", json!({"type": "Observation"})).await;
    let elements = observation["elements"].to_string();
    assert!(
        elements.contains("status!: code (registered|preliminary|final"),
        "{elements}"
    );
    assert!(
        elements.contains("subject?: Reference(Patient|Group|Device|Location)"),
        "{elements}"
    );
    let period = setting
        .ok("describe", json!({"type": "Patient.name.period"}))
        .await;
    assert!(
        period["elements"].to_string().contains("start?: dateTime"),
        "{period}"
    );
    let kind = json!({"type": "Questionnaire.item.type"});
    let kind = setting.ok("describe", kind).await;
    assert_eq!(kind["codes"].as_array().unwrap().len(), 16, "{kind}");
    let text = setting
        .fails("describe", json!({"type": "Patient.nmae"}))
        .await;
    assert!(text.contains("(near: name"), "{text}");
}

#[tokio::test]
async fn the_server_says_who_it_is() {
    let setting = Setting::start(Options::default(), |_, _| (500, String::new())).await;
    let info = setting.client.peer_info().unwrap();
    let implementation = info.server_info.as_ref().unwrap();
    assert_eq!(implementation.name, "FHIR MCP Server");
    assert_eq!(implementation.version, env!("CARGO_PKG_VERSION"));
    assert!(info.instructions.as_ref().unwrap().len() <= 2_048);
    let user = setting.call("get_user", json!({})).await;
    assert!(
        user.meta
            .unwrap()
            .contains_key("io.modelcontextprotocol/serverInfo")
    );
}
