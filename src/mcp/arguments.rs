//! The arguments of the tools.
//!
//! Clients and models differ in how they write them: objects come as JSON
//! strings, strings as numbers, nothing as null or "". All of that is taken;
//! unknown arguments are ignored.

use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;

use super::{failure::ToolError, json::Json};
use crate::client::interaction::Parameter;

/// Arguments of `get_capabilities`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GetCapabilities {
    /// Resource type, e.g. Patient
    #[serde(rename = "type")]
    pub(crate) resource_type: Text,
}

/// Arguments of `search`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Search {
    /// Resource type to search, e.g. Observation
    #[serde(rename = "type")]
    pub(crate) resource_type: Text,
    #[serde(default)]
    pub(crate) search_param: Parameters,
    #[serde(default)]
    pub(crate) view: View,
    #[serde(default)]
    pub(crate) cursor: Cursor,
}

/// Arguments of `read`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Read {
    /// Resource type, e.g. Patient
    #[serde(rename = "type")]
    pub(crate) resource_type: Text,
    /// Logical id alone, e.g. 123, without type or slash
    pub(crate) id: Text,
    /// Parameters of the operation, or _elements and _summary, by name
    #[serde(default)]
    pub(crate) search_param: Parameters,
    /// Optional: $everything, _history, _history/[version] or another operation on this resource
    #[serde(default)]
    pub(crate) operation: Text,
    #[serde(default)]
    pub(crate) view: View,
    #[serde(default)]
    pub(crate) cursor: Cursor,
}

/// Arguments of `get_user`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GetUser {}

/// Arguments of `create`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Create {
    /// Resource type to create, e.g. Condition
    #[serde(rename = "type")]
    pub(crate) resource_type: Text,
    pub(crate) payload: Payload,
    /// Parameters of the operation, by name
    #[serde(default)]
    pub(crate) search_param: Parameters,
    /// Optional: an operation on the type that takes the payload, e.g. $validate
    #[serde(default)]
    pub(crate) operation: Text,
    #[serde(default)]
    pub(crate) view: View,
}

/// Arguments of `update`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Update {
    /// Resource type, e.g. Condition
    #[serde(rename = "type")]
    pub(crate) resource_type: Text,
    /// Logical id of the resource to replace; empty for a conditional update, which needs searchParam
    pub(crate) id: Text,
    pub(crate) payload: Payload,
    /// Without id: search parameters that select the resource, by name
    #[serde(default)]
    pub(crate) search_param: Parameters,
    /// Optional: an operation on this resource that takes the payload
    #[serde(default)]
    pub(crate) operation: Text,
    #[serde(default)]
    pub(crate) view: View,
}

/// Arguments of `delete`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delete {
    /// Resource type, e.g. Condition
    #[serde(rename = "type")]
    pub(crate) resource_type: Text,
    /// Logical id; leave out for a conditional delete, which needs searchParam
    #[serde(default)]
    pub(crate) id: Text,
    /// Without id: search parameters that select what is deleted, by name
    #[serde(default)]
    pub(crate) search_param: Parameters,
    /// Optional: path suffix behind the id
    #[serde(default)]
    pub(crate) operation: Text,
}

/// Arguments of `validate`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Validate {
    #[serde(default)]
    pub(crate) resource: Option<Payload>,
    /// Instead of resource: one on the server, e.g. Patient/123
    #[serde(default)]
    pub(crate) reference: Text,
    /// URL of a profile to check against, too
    #[serde(default)]
    pub(crate) profile: Text,
    /// cursor of the previous answer; give resource again with it
    #[serde(default)]
    pub(crate) cursor: Text,
}

/// Arguments of `describe`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Describe {
    /// Resource type, datatype or element path: Patient, Timing, Claim.item
    #[serde(rename = "type")]
    pub(crate) path: Text,
}

/// Reads the arguments of a call.
///
/// # Errors
/// [`ToolError::Argument`] when one is missing or of the wrong kind.
pub(crate) fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, ToolError> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let argument = error.path().to_string();
        ToolError::Argument {
            argument: (argument != ".").then_some(argument),
            problem: error.inner().to_string(),
        }
    })
}

/// A string, also written as a number or boolean; null is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl Text {
    /// The text without surrounding blanks; `None` when nothing is left.
    pub(crate) fn given(&self) -> Option<&str> {
        Some(self.0.trim()).filter(|text| !text.is_empty())
    }
}

/// A logical id; `Patient/1` counts as `1` where the type is Patient.
pub(crate) fn logical_id<'a>(resource_type: &str, id: &'a Text) -> Option<&'a str> {
    let id = id.given()?;
    let own = id
        .strip_prefix(resource_type)
        .and_then(|rest| rest.strip_prefix('/'));
    Some(own.unwrap_or(id))
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        scalar(&value)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("expected a string, found {}", kind(&value))))
    }
}

impl JsonSchema for Text {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// Search parameters or operation parameters: an object of names and values, a
/// JSON string of one, or a query string. A list value repeats the parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(pub(crate) Vec<Parameter>);

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parameters(Value::deserialize(deserializer)?)
            .map(Self)
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for Parameters {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Parameters".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Search parameters by name, e.g. {\"patient\":\"123\",\"code\":\"http://loinc.org|4548-4\",\"date\":[\"ge2024-01-01\",\"lt2025-01-01\"],\"_sort\":\"-date\"}. A list repeats the parameter (AND); a comma in a value means OR. Modifiers (name:exact), chains (patient.name) and _has: belong into the name."
        })
    }
}

fn parameters(value: Value) -> Result<Vec<Parameter>, String> {
    let members = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Object(members) => members,
        Value::String(text) if text.trim().is_empty() => return Ok(Vec::new()),
        Value::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str(&text).map_err(|error| {
                format!("expected an object of search parameters, found a string that is no JSON object: {error}")
            })?
        }
        Value::String(text) if text.contains('=') => {
            let query = text.trim().trim_start_matches('?');
            return Ok(url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect());
        }
        other => {
            return Err(format!(
                "expected an object of search parameters such as {{\"name\":\"Smith\"}}, found {}",
                kind(&other)
            ));
        }
    };
    let mut parameters: Vec<Parameter> = Vec::new();
    for (name, value) in members {
        let values = match value {
            Value::Array(values) => values,
            Value::Null => continue,
            single => vec![single],
        };
        for value in values {
            let text = scalar(&value).ok_or_else(|| {
                format!("expected a string, number, boolean or list of these as the value of {name:?}, found {}", kind(&value))
            })?;
            let parameter = (name.trim().to_owned(), text);
            if !parameters.contains(&parameter) {
                parameters.push(parameter);
            }
        }
    }
    Ok(parameters)
}

/// A FHIR resource as JSON text: an object, or a string that holds one. Only
/// the string keeps what JSON numbers lose on their way (`1.50`).
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// The document.
    pub(crate) text: String,
    /// Whether it came as text, so that lines and columns mean something.
    pub(crate) as_written: bool,
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self {
                text,
                as_written: true,
            }),
            value @ Value::Object(_) => Ok(Self {
                text: value.to_string(),
                as_written: false,
            }),
            other => Err(D::Error::custom(format!(
                "expected a FHIR resource as a JSON object, found {}",
                kind(&other)
            ))),
        }
    }
}

impl JsonSchema for Payload {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Payload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "FHIR R4 resource as JSON with its resourceType. Give it as a string of JSON to keep trailing zeros of decimals (1.50)."
        })
    }
}

impl Payload {
    /// The document as a tree.
    pub(crate) fn json(&self) -> Option<Json> {
        Json::parse(&self.text)
    }
}

/// How a resource is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum View {
    /// Without generated narrative, version metadata and large attachments.
    #[default]
    Default,
    /// FHIR JSON as the server sent it.
    Raw,
}

impl<'de> Deserialize<'de> for View {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "default" => Ok(Self::Default),
            "raw" => Ok(Self::Raw),
            _ => Err(D::Error::custom(format!(
                "expected \"default\" or \"raw\", found {text:?}"
            ))),
        }
    }
}

impl JsonSchema for View {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "View".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": ["default", "raw"],
            "description": "default leaves out what `omitted` says; raw is the server's FHIR JSON"
        })
    }
}

/// The cursor of an earlier answer; empty for a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor(pub(crate) Text);

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "cursor of the previous answer, to go on behind its last entry; searchParam then counts no more"
        })
    }
}

/// The text of a string, number or boolean; of null the empty text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn search(value: Value) -> Result<Search, ToolError> {
        let Value::Object(arguments) = value else {
            panic!("arguments are an object")
        };
        parse(arguments)
    }

    #[test]
    fn parameters_are_taken_in_every_spelling() {
        let pairs = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<Vec<_>>()
        };
        let expected = pairs(&[("a", "x"), ("_count", "5")]);
        for given in [
            json!({"a": "x", "_count": 5}),
            json!(r#"{"a":"x","_count":5}"#),
            json!("a=x&_count=5"),
            json!("?a=x&_count=5"),
            json!({"a": ["x", "x"], "_count": [5], "none": null}),
        ] {
            let arguments = json!({"type": "Patient", "searchParam": given, "extra": 1});
            assert_eq!(search(arguments).unwrap().search_param.0, expected);
        }
        for given in [json!(null), json!("")] {
            let arguments = json!({"type": "Patient", "searchParam": given});
            assert_eq!(search(arguments).unwrap().search_param.0, []);
        }
        let list = json!({"type": "Patient", "searchParam": {"date": ["ge2020", true]}});
        assert_eq!(
            search(list).unwrap().search_param.0,
            pairs(&[("date", "ge2020"), ("date", "true")])
        );
    }

    #[test]
    fn a_wrong_argument_is_named() {
        let message = |value| search(value).unwrap_err().to_string();
        assert!(message(json!({})).contains("type"));
        assert!(message(json!({"type": ["Patient"]})).contains("type: expected a string"));
        let nested = json!({"type": "Patient", "searchParam": {"a": {"b": 1}}});
        assert!(message(nested).contains("searchParam: expected a string, number"));
        let view = json!({"type": "Patient", "view": "short"});
        assert!(message(view).contains("view: expected \"default\" or \"raw\""));
    }
}
