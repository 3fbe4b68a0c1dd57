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
async fn validate_goes_on_behind_20_groups() {
    let properties: Vec<String> = (0..45).map(|n| format!("\"x{n}\":1")).collect();
    let resource = format!(
        "{{\"resourceType\":\"Patient\",\"id\":\"1\",{}}}",
        properties.join(",")
    );
    let body = resource.clone();
    let setting = Setting::start(Options::default(), move |_, _| (200, body.clone())).await;
    for (first, next) in [
        (json!({"resource": resource}), json!({"resource": resource})),
        (json!({"reference": "Patient/1"}), json!({})),
    ] {
        let mut arguments = first;
        let mut seen = Vec::new();
        for (given, remaining) in [(20, json!(25)), (20, json!(5)), (5, Value::Null)] {
            let answer = setting.ok("validate", arguments.clone()).await;
            assert_eq!(answer["errors"], 45);
            assert_eq!(answer["issues"].as_array().unwrap().len(), given);
            assert_eq!(answer["remaining"], remaining);
            let found = answer["issues"].as_array().unwrap().iter();
            seen.extend(found.map(|issue| issue["found"].to_string()));
            arguments = next.clone();
            arguments["cursor"] = answer["cursor"].clone();
        }
        assert_eq!(arguments["cursor"], Value::Null);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 45);
    }

    let answer = setting.ok("validate", json!({"resource": resource})).await;
    let other = json!({"resourceType": "Patient", "x": 1});
    let other = json!({"resource": other, "cursor": answer["cursor"]});
    let text = setting.fails("validate", other).await;
    assert!(text.contains("another resource"), "{text}");
    let wrong = json!({"resource": resource, "cursor": "abc"});
    let text = setting.fails("validate", wrong).await;
    assert!(text.contains("start again"), "{text}");
}

#[tokio::test]
async fn validate_says_which_profile_it_does_not_know() {
    let setting = Setting::start(Options::default(), |_, _| (500, String::new())).await;
    let resource = json!({"resourceType": "Patient", "active": true});
    let profile = "https://example.org/StructureDefinition/none";
    let arguments = json!({"resource": resource, "profile": profile});
    let text = setting.fails("validate", arguments).await;
    assert!(
        text.contains(profile) && text.contains("not known"),
        "{text}"
    );
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
