//! Prompts that the suite gets.

use std::sync::atomic::Ordering;

use rmcp::{ErrorData, model::*};
use serde_json::{Value, json};

use crate::{
    fixtures::{Fixtures, PNG, built},
    input,
};

pub(crate) fn list(fixtures: &Fixtures) -> Vec<Prompt> {
    let mut prompts: Vec<(&str, &[&str])> = vec![
        ("test_simple_prompt", &[]),
        ("test_prompt_with_arguments", &["arg1", "arg2"]),
        ("test_prompt_with_embedded_resource", &["resourceUri"]),
        ("test_prompt_with_image", &[]),
        ("test_input_required_result_prompt", &[]),
    ];
    if fixtures.more_prompts.load(Ordering::SeqCst) {
        prompts.push(("test_changed_prompt", &[]));
    }
    prompts
        .into_iter()
        .map(|(name, arguments)| {
            let arguments: Vec<Value> = arguments
                .iter()
                .map(|name| json!({ "name": name, "required": true }))
                .collect();
            built(json!({
                "name": name, "description": "A prompt for testing", "arguments": arguments
            }))
        })
        .collect()
}

pub(crate) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name: &str| {
        let arguments = request.arguments.as_ref();
        let value = arguments.and_then(|arguments| arguments.get(name));
        value.and_then(Value::as_str).ok_or_else(|| {
            ErrorData::invalid_params(format!("the argument {name} is missing"), None)
        })
    };
    let contents = match request.name.as_str() {
        "test_simple_prompt" | "test_changed_prompt" => {
            vec![text("This is a simple prompt for testing.")]
        }
        "test_prompt_with_arguments" => vec![text(&format!(
            "Prompt with arguments: arg1='{}', arg2='{}'",
            argument("arg1")?,
            argument("arg2")?
        ))],
        "test_prompt_with_embedded_resource" => vec![
            json!({ "type": "resource", "resource": {
                "uri": argument("resourceUri")?,
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            } }),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image" => vec![
            json!({ "type": "image", "data": PNG, "mimeType": "image/png" }),
            text("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => {
            let responses = request.input_responses.as_ref();
            let Some(context) = input::content(responses, "user_context", "context") else {
                return Ok(input::ask(
                    &[(
                        "user_context",
                        input::form("What context should the prompt use?", "context", "string"),
                    )],
                    None,
                )
                .into());
            };
            vec![text(&format!("Prompt with the context {context}"))]
        }
        name => {
            return Err(ErrorData::invalid_params(
                format!("there is no prompt {name}"),
                None,
            ));
        }
    };
    let messages: Vec<Value> = contents
        .into_iter()
        .map(|content| json!({ "role": "user", "content": content }))
        .collect();
    let result: GetPromptResult = built(json!({
        "resultType": "complete", "description": "A prompt for testing", "messages": messages
    }));
    Ok(result.into())
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}
