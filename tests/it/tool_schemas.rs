//! Tool definitions: what every client can take, and what each of them is.

use std::{fs, path::PathBuf};

use fhir_mcp_server::{
    client::{HttpClient, HttpOptions, Source},
    mcp::{FhirServer, Options},
};
use rmcp::model::Tool;
use serde_json::Value;

/// Keywords that all clients read; what else schemas may hold breaks some.
const PORTABLE: [&str; 6] = [
    "type",
    "description",
    "properties",
    "required",
    "items",
    "enum",
];

const TYPES: [&str; 6] = ["object", "array", "string", "integer", "number", "boolean"];

#[test]
fn schemas_hold_nothing_that_breaks_a_client() {
    for tool in tools() {
        let input = Value::Object((*tool.input_schema).clone());
        let output = Value::Object((*tool.output_schema.clone().unwrap()).clone());
        for (name, schema) in [("input", &input), ("output", &output)] {
            let place = format!("{} {name}", tool.name);
            assert_eq!(schema["type"], "object", "{place}");
            assert!(schema["properties"].is_object(), "{place}");
            walk(schema, &place);
            jsonschema::draft202012::new(schema).unwrap();
        }
        assert!(output.to_string().len() < 2_048, "{} output", tool.name);
    }
}

fn walk(schema: &Value, place: &str) {
    let schema = schema.as_object().unwrap_or_else(|| panic!("{place}"));
    for keyword in schema.keys() {
        assert!(PORTABLE.contains(&keyword.as_str()), "{place}: {keyword}");
    }
    let kind = schema["type"].as_str().unwrap_or_else(|| panic!("{place}"));
    assert!(TYPES.contains(&kind), "{place}: {kind}");
    assert_eq!(kind == "array", schema.contains_key("items"), "{place}");
    if let Some(items) = schema.get("items") {
        walk(items, &format!("{place} items"));
    }
    for value in schema
        .get("enum")
        .into_iter()
        .flat_map(|e| e.as_array().unwrap())
    {
        assert!(kind == "string" && value.is_string(), "{place}: {value}");
    }
    let Some(properties) = schema.get("properties") else {
        return;
    };
    let properties = properties.as_object().unwrap();
    for (name, property) in properties {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        assert!(
            name.len() <= 64 && name.chars().all(plain),
            "{place}: {name}"
        );
        walk(property, &format!("{place}.{name}"));
    }
    for name in schema
        .get("required")
        .into_iter()
        .flat_map(|r| r.as_array().unwrap())
    {
        assert!(
            properties.contains_key(name.as_str().unwrap()),
            "{place}: {name}"
        );
    }
}

#[test]
fn every_tool_says_what_clients_want_to_know() {
    for tool in tools() {
        let name = tool.name.as_ref();
        assert!(name.len() <= 30 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        assert!(tool.title.is_some(), "{name}");
        let description = tool.description.as_deref().unwrap();
        assert!(description.len() <= 1_536, "{name}: {}", description.len());
        assert!(
            description.contains("does not"),
            "{name} says what it does not do"
        );
        let annotations = tool.annotations.unwrap();
        let writes = ["create", "update", "delete"].contains(&name);
        assert_eq!(annotations.read_only_hint, Some(!writes), "{name}");
        assert_eq!(
            annotations.destructive_hint,
            Some(["update", "delete"].contains(&name))
        );
        assert!(annotations.title.is_some() && annotations.idempotent_hint.is_some());
    }
    let list = serde_json::to_string(&tools()).unwrap();
    assert!(
        list.len() <= 16 * 1024,
        "tools/list is {} bytes",
        list.len()
    );
}

#[test]
fn names_and_arguments_are_those_of_the_contract() {
    let contract: [(&str, &[&str]); 7] = [
        ("get_capabilities", &["type"]),
        ("search", &["type", "searchParam"]),
        ("read", &["type", "id", "searchParam", "operation"]),
        ("create", &["type", "payload", "searchParam", "operation"]),
        (
            "update",
            &["type", "id", "payload", "searchParam", "operation"],
        ),
        ("delete", &["type", "id", "searchParam", "operation"]),
        ("get_user", &[]),
    ];
    let tools = tools();
    for (name, arguments) in contract {
        let tool = tools.iter().find(|tool| tool.name == name).unwrap();
        for argument in arguments {
            assert!(
                tool.input_schema["properties"].get(argument).is_some(),
                "{name} {argument}"
            );
        }
    }
    let offered: Vec<_> = server(false)
        .tools()
        .into_iter()
        .map(|tool| tool.name)
        .collect();
    let expected = [
        "search",
        "read",
        "get_capabilities",
        "describe",
        "validate",
        "get_user",
    ];
    assert_eq!(offered, expected);
}

/// Each definition is kept in a file, so that a change of what models see is
/// seen in review. A difference rewrites the file and fails.
#[test]
fn definitions_are_as_recorded() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    fs::create_dir_all(&folder).unwrap();
    let mut changed = Vec::new();
    for tool in tools() {
        let path = folder.join(format!("{}.json", tool.name));
        let text = serde_json::to_string_pretty(&tool).unwrap() + "\n";
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            fs::write(&path, text).unwrap();
            changed.push(tool.name);
        }
    }
    assert!(
        changed.is_empty(),
        "definitions changed and were recorded anew: {changed:?}"
    );
}

fn tools() -> Vec<Tool> {
    server(true).tools()
}

fn server(allow_writes: bool) -> FhirServer {
    let options = Options {
        allow_writes,
        ..Options::default()
    };
    let base = "https://fhir.example.org/r4".parse().unwrap();
    let client = HttpClient::new(HttpOptions::new(base)).unwrap();
    FhirServer::new(Source::Http(client), options)
}
