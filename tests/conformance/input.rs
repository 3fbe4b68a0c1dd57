//! Tools that ask the client for input by their result, over one or more
//! rounds.

use rmcp::{ErrorData, model::*};
use serde_json::{Value, json};

use crate::fixtures::built;

/// Seals what a tool remembers between rounds, since the client carries it.
pub(crate) struct Rounds(RequestStateCodec);

impl Default for Rounds {
    fn default() -> Self {
        let key = b"a key for conformance tests only";
        Self(RequestStateCodec::try_new(*key).expect("the key is long enough"))
    }
}

impl Rounds {
    /// Answers a call of one of the tools; `None` if it is none of them.
    pub(crate) fn call(
        &self,
        request: &CallToolRequestParams,
        capabilities: &ClientCapabilities,
    ) -> Option<Result<CallToolResponse, ErrorData>> {
        let tool = request.name.strip_prefix("test_input_required_result_")?;
        let state = match self.state(request) {
            Ok(state) => state,
            Err(error) => return Some(Err(error)),
        };
        let responses = request.input_responses.as_ref();
        let name = content(responses, "user_name", "name");
        let answered = |key: &str| responses.and_then(|responses| responses.get(key));
        let name_form = || form("What is your name?", "name", "string");
        let response = match tool {
            "elicitation" => match name {
                Some(name) => done(&format!("Hello, {}!", plain(name))),
                None => ask(&[("user_name", name_form())], None).into(),
            },
            "sampling" => match answered("capital_question") {
                Some(answer) => done(&format!("The model says: {answer}")),
                None => ask(
                    &[(
                        "capital_question",
                        sampling("What is the capital of France?", 100),
                    )],
                    None,
                )
                .into(),
            },
            "list_roots" => match answered("client_roots") {
                Some(roots) => done(&format!("The roots are: {roots}")),
                None => ask(&[("client_roots", roots())], None).into(),
            },
            "request_state" | "tampered_state" => match (answered("confirm"), state.as_deref()) {
                (Some(_), Some("asked")) => done("state-ok"),
                _ => ask(
                    &[("confirm", form("Please confirm", "ok", "boolean"))],
                    Some(self.seal("asked")),
                )
                .into(),
            },
            "multiple_inputs" => {
                let all = ["user_name", "greeting", "client_roots"];
                if state.is_some() && all.iter().all(|key| answered(key).is_some()) {
                    done("All answers are there.")
                } else {
                    ask(
                        &[
                            ("user_name", name_form()),
                            ("greeting", sampling("Generate a greeting", 50)),
                            ("client_roots", roots()),
                        ],
                        Some(self.seal("asked")),
                    )
                    .into()
                }
            }
            "multi_round" => match (state.as_deref(), answered("step1"), answered("step2")) {
                (Some("step 2"), _, Some(_)) => done("Both steps are done."),
                (Some("step 1"), Some(_), _) => ask(
                    &[(
                        "step2",
                        form("Step 2: What is your favorite color?", "color", "string"),
                    )],
                    Some(self.seal("step 2")),
                )
                .into(),
                _ => ask(
                    &[(
                        "step1",
                        form("Step 1: What is your name?", "name", "string"),
                    )],
                    Some(self.seal("step 1")),
                )
                .into(),
            },
            "capabilities" => {
                let mut requests = Vec::new();
                if capabilities.elicitation.is_some() {
                    requests.push(("user_name", name_form()));
                }
                if capabilities.sampling.is_some() {
                    requests.push(("greeting", sampling("Generate a greeting", 50)));
                }
                if requests.is_empty() || responses.is_some() {
                    done("There is nothing to ask.")
                } else {
                    ask(&requests, None).into()
                }
            }
            _ => return None,
        };
        Some(Ok(response))
    }

    fn seal(&self, state: &str) -> String {
        self.0.seal(state.as_bytes())
    }

    fn state(&self, request: &CallToolRequestParams) -> Result<Option<String>, ErrorData> {
        let Some(sealed) = &request.request_state else {
            return Ok(None);
        };
        let opened = self.0.open(sealed).map_err(|error| {
            ErrorData::invalid_params(format!("requestState is not ours: {error}"), None)
        })?;
        Ok(String::from_utf8(opened).ok())
    }
}

/// The result that asks.
pub(crate) fn ask(requests: &[(&str, Value)], state: Option<String>) -> InputRequiredResult {
    let requests = requests
        .iter()
        .map(|(key, request)| ((*key).to_owned(), built(request.clone())))
        .collect();
    InputRequiredResult::new(Some(requests), state)
}

/// Asks the user for one value.
pub(crate) fn form(message: &str, property: &str, property_type: &str) -> Value {
    json!({ "method": "elicitation/create", "params": {
        "mode": "form",
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": { property: { "type": property_type } },
            "required": [property],
        },
    } })
}

/// What the user gave for the property of a form.
pub(crate) fn content<'a>(
    responses: Option<&'a InputResponses>,
    key: &str,
    property: &str,
) -> Option<&'a Value> {
    responses?.get(key)?.get("content")?.get(property)
}

fn sampling(text: &str, max_tokens: u32) -> Value {
    json!({ "method": "sampling/createMessage", "params": {
        "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
        "maxTokens": max_tokens,
    } })
}

fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

fn done(text: &str) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
