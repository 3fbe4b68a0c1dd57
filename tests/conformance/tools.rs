//! Tools that the suite calls.

use std::{sync::atomic::Ordering, time::Duration};

use rmcp::{ErrorData, RoleServer, model::*, service::RequestContext};
use serde_json::{Value, json};

use crate::{
    fixtures::{Change, Fixtures, PNG, built},
    input,
};

/// A WAV file without samples.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
/// Between two notifications of one call.
const PAUSE: Duration = Duration::from_millis(50);

/// Tools without arguments.
const PLAIN: [&str; 25] = [
    "test_audio_content",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_embedded_resource",
    "test_error_handling",
    "test_image_content",
    "test_input_required_result_capabilities",
    "test_input_required_result_elicitation",
    "test_input_required_result_list_roots",
    "test_input_required_result_multi_round",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_request_state",
    "test_input_required_result_sampling",
    "test_input_required_result_tampered_state",
    "test_logging_tool",
    "test_missing_capability",
    "test_multiple_content_types",
    "test_reconnection",
    "test_simple_text",
    "test_streaming_elicitation",
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_trigger_prompt_change",
    "test_trigger_tool_change",
    "test_changed_tool",
];

pub(crate) fn list(fixtures: &Fixtures) -> Vec<Tool> {
    let more = fixtures.more_tools.load(Ordering::SeqCst);
    let plain = PLAIN
        .iter()
        .filter(|name| **name != "test_changed_tool" || more)
        .map(|name| (*name, json!({ "type": "object" })));
    let string = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
    let with_arguments = [
        ("test_sampling", string("prompt")),
        ("test_elicitation", string("message")),
        (
            "test_custom_header",
            json!({
                "type": "object",
                "properties": { "value": { "type": "string", "x-mcp-header": "Value" } },
                "required": ["value"],
            }),
        ),
        ("json_schema_2020_12_tool", schema_2020_12()),
    ];
    plain
        .chain(with_arguments)
        .map(|(name, schema)| {
            built(json!({
                "name": name, "description": "A tool for testing", "inputSchema": schema
            }))
        })
        .collect()
}

/// A schema with the keywords of JSON Schema 2020-12 that have to survive.
fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
        } },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

pub(crate) async fn call(
    fixtures: &Fixtures,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let capabilities = context.client_capabilities().unwrap_or_default();
    if let Some(answer) = fixtures.rounds.call(&request, &capabilities) {
        return answer;
    }
    let content = match &*request.name {
        "test_simple_text" => json!([text("This is a simple text response for testing.")]),
        "test_image_content" => json!([image()]),
        "test_audio_content" => json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }]),
        "test_embedded_resource" => json!([resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        )]),
        "test_multiple_content_types" => json!([
            text("Multiple content types test:"),
            image(),
            resource(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            ),
        ]),
        "test_error_handling" => {
            let text = "This tool intentionally returns an error for testing";
            return Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into());
        }
        "test_trigger_tool_change" => {
            fixtures.change(Change::Tools);
            json!([text("The list of tools has changed.")])
        }
        "test_trigger_prompt_change" => {
            fixtures.change(Change::Prompts);
            json!([text("The list of prompts has changed.")])
        }
        "test_missing_capability" if capabilities.sampling.is_none() => {
            return Err(ErrorData::missing_required_client_capability(built(
                json!({ "sampling": {} }),
            )));
        }
        "test_streaming_elicitation" => {
            return Ok(input::ask(
                &[(
                    "user_name",
                    input::form("What is your name?", "name", "string"),
                )],
                None,
            )
            .into());
        }
        "test_tool_with_progress" => {
            progress(&context).await?;
            json!([text("Progress is complete.")])
        }
        "test_tool_with_logging" | "test_logging_tool" => {
            log(&context).await?;
            json!([text("Logging is complete.")])
        }
        "test_sampling" => json!([text(&sample(&request, &context).await?)]),
        "test_elicitation" => {
            let form = json!({
                "message": argument(&request, "message")?,
                "requestedSchema": {
                    "type": "object",
                    "properties": {
                        "username": { "type": "string", "description": "User's response" },
                        "email": { "type": "string", "description": "User's email address" },
                    },
                    "required": ["username", "email"],
                },
            });
            json!([text(&elicit(&context, "User response: ", form).await?)])
        }
        "test_elicitation_sep1034_defaults" => {
            json!([text(&elicit(&context, COMPLETED, with_defaults()).await?)])
        }
        "test_elicitation_sep1330_enums" => {
            json!([text(&elicit(&context, COMPLETED, with_enums()).await?)])
        }
        "test_missing_capability"
        | "test_reconnection"
        | "test_custom_header"
        | "test_changed_tool"
        | "json_schema_2020_12_tool" => json!([text("Done.")]),
        name => {
            return Err(ErrorData::invalid_params(
                format!("there is no tool {name}"),
                None,
            ));
        }
    };
    let result: CallToolResult = built(json!({ "resultType": "complete", "content": content }));
    Ok(result.into())
}

/// What the answer to an elicitation begins with.
const COMPLETED: &str = "Elicitation completed: ";

async fn progress(context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let token = context.meta.get_progress_token();
    for step in [0.0, 50.0, 100.0] {
        if let Some(token) = token.clone() {
            let notification = ProgressNotificationParam::new(token, step).with_total(100.0);
            context
                .peer
                .notify_progress(notification)
                .await
                .map_err(internal)?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[expect(deprecated, reason = "the suite asks for log notifications")]
async fn log(context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let newest = context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28);
    for message in [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ] {
        if !newest || context.meta.log_level().is_some() {
            let notification =
                LoggingMessageNotificationParam::new(LoggingLevel::Info, message.into());
            context
                .peer
                .notify_logging_message(notification)
                .await
                .map_err(internal)?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[expect(deprecated, reason = "the suite asks for sampling")]
async fn sample(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<String, ErrorData> {
    let prompt = argument(request, "prompt")?;
    let message = built(json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
        "maxTokens": 100,
    }));
    let answer = context
        .peer
        .create_message(message)
        .await
        .map_err(internal)?;
    let answer = serde_json::to_value(answer).map_err(internal)?;
    Ok(format!("LLM response: {}", answer["content"]["text"]))
}

async fn elicit(
    context: &RequestContext<RoleServer>,
    begin: &str,
    mut form: Value,
) -> Result<String, ErrorData> {
    form["mode"] = "form".into();
    let answer = context
        .peer
        .create_elicitation(built(form))
        .await
        .map_err(internal)?;
    let answer = serde_json::to_value(answer).map_err(internal)?;
    Ok(format!(
        "{begin}action={}, content={}",
        answer["action"].as_str().unwrap_or_default(),
        answer["content"]
    ))
}

fn with_defaults() -> Value {
    json!({
        "message": "Please check the defaults",
        "requestedSchema": { "type": "object", "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": {
                "type": "string", "enum": ["active", "inactive", "pending"], "default": "active"
            },
            "verified": { "type": "boolean", "default": true },
        } },
    })
}

fn with_enums() -> Value {
    let options = ["option1", "option2", "option3"];
    let titled = |titles: [&str; 3]| -> Vec<Value> {
        (1..)
            .zip(titles)
            .map(|(n, title)| json!({ "const": format!("value{n}"), "title": title }))
            .collect()
    };
    json!({
        "message": "Please choose",
        "requestedSchema": { "type": "object", "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": {
                "type": "string",
                "oneOf": titled(["First Option", "Second Option", "Third Option"]),
            },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": {
                "type": "array",
                "items": { "anyOf": titled(["First Choice", "Second Choice", "Third Choice"]) },
            },
        } },
    })
}

fn argument<'a>(request: &'a CallToolRequestParams, name: &str) -> Result<&'a str, ErrorData> {
    let arguments = request.arguments.as_ref();
    arguments
        .and_then(|arguments| arguments.get(name))
        .and_then(Value::as_str)
        .ok_or_else(|| ErrorData::invalid_params(format!("{name} is missing"), None))
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn image() -> Value {
    json!({ "type": "image", "data": PNG, "mimeType": "image/png" })
}

fn resource(uri: &str, media_type: &str, text: &str) -> Value {
    json!({
        "type": "resource", "resource": { "uri": uri, "mimeType": media_type, "text": text }
    })
}

fn internal(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
