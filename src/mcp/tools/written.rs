//! What the writing tools share: the payload before, the answer after.

use rmcp::model::JsonObject;

use super::read;
use crate::{
    client::{Answer, Interaction},
    mcp::{
        FhirServer,
        arguments::{Payload, View},
        cursor::{PageSource, Position},
        exchange::{self, Document},
        failure::ToolError,
        json::Json,
        list::{Form, List},
        reply::Reply,
        schema,
    },
    model::Issue,
};

/// The answer of `create` and `update`.
pub(super) fn output_schema() -> JsonObject {
    schema::output(&[
        ("status", "integer", "HTTP status: 201 created, 200 updated"),
        ("reference", "string", "Where it is now, e.g. Condition/123"),
        ("versionId", "string", ""),
        (
            "resource",
            "object",
            "What the server made of it, if it says",
        ),
        (
            "entry",
            "array of object",
            "Where an operation gave a Bundle",
        ),
        (
            "withheld",
            "integer",
            "1 when the server's answer is withheld as invalid",
        ),
        ("issues", "array of object", ""),
        ("omitted", "array of object", "What the view left out"),
        (
            "exactDecimals",
            "object",
            "Numbers whose digits JSON changes, by path",
        ),
    ])
}

/// A payload that is valid and, unless an operation takes it, of the right type.
///
/// # Errors
/// [`ToolError::InvalidPayload`] and [`ToolError::Argument`]; nothing was sent.
pub(super) fn checked(
    server: &FhirServer,
    payload: &Payload,
    resource_type: &str,
    operation: Option<&str>,
) -> Result<Json, ToolError> {
    let reading = server.validator().read(payload.text.as_bytes());
    if !reading.is_valid() {
        let issues: Vec<Issue> = reading.issues;
        return Err(ToolError::InvalidPayload { issues });
    }
    let problem = |problem: String| ToolError::Argument {
        argument: Some("payload".to_owned()),
        problem,
    };
    let json = payload
        .json()
        .ok_or_else(|| problem("expected a FHIR resource as a JSON object".to_owned()))?;
    let found = json.str("resourceType").unwrap_or_default();
    if operation.is_none() && found != resource_type {
        return Err(problem(format!(
            "expected resourceType {resource_type}, as in argument type, found {found}; nothing was sent"
        )));
    }
    Ok(json)
}

/// Sends a write: the answer, and its document if it has one.
///
/// # Errors
/// Those of an exchange; [`ToolError::AfterWrite`] when the write took place.
pub(super) async fn sent(
    server: &FhirServer,
    interaction: &Interaction,
) -> Result<(Answer, Option<Document>), ToolError> {
    let answer = server.send(interaction).await?;
    match exchange::received(server, &answer, interaction) {
        Ok(document) => Ok((answer, document)),
        Err(ToolError::Body(error)) if (200..300).contains(&answer.status) => {
            Err(ToolError::AfterWrite {
                status: answer.status,
                error,
            })
        }
        Err(error) => Err(error),
    }
}

/// Sends a write and shows what came of it.
///
/// # Errors
/// Those of an exchange; [`ToolError::AfterWrite`] when the write took place.
pub(super) async fn write(
    server: &FhirServer,
    interaction: Interaction,
    view: View,
) -> Result<Reply, ToolError> {
    let (answer, document) = sent(server, &interaction).await?;
    let facts = facts(&answer);
    let Some(document) = document else {
        return Ok(Reply::new(facts));
    };
    if document.json.str("resourceType") == Some("Bundle") {
        let position = Position {
            page: PageSource::Next(String::new()),
            offset: 0,
            given: 0,
            total: None,
            sorted: None,
            resource_type: None,
        };
        let form = Form::of_read(view);
        let list = List::new(document, position, form, server.options().on_invalid)?;
        return Ok(list.into_reply().beside(facts));
    }
    // The write took place, so the call is no failure even if what came back
    // had to be withheld.
    Ok(read::one(server, document, view)
        .into_success()
        .beside(facts))
}

/// Status, and where the resource is.
fn facts(answer: &Answer) -> Json {
    let mut facts = Json::object([("status", Json::Number(answer.status.to_string()))]);
    let Some(location) = &answer.location else {
        return facts;
    };
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let (record, version) = match segments.as_slice() {
        [record @ .., "_history", version] => (record, Some(*version)),
        record => (record, None),
    };
    if let [.., resource_type, id] = record {
        facts.set("reference", Json::text(format!("{resource_type}/{id}")));
    }
    if let Some(version) = version {
        facts.set("versionId", Json::text(version));
    }
    facts
}
