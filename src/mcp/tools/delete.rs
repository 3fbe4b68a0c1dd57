//! `delete`: a resource by its id, or the one that search parameters select.

use futures::future::BoxFuture;
use rmcp::model::JsonObject;

use super::{read, written};
use crate::{
    client::{Interaction, interaction::Parameter},
    mcp::{
        FhirServer,
        arguments::{self, Delete, View},
        catalogue::ToolEntry,
        failure::ToolError,
        json::Json,
        reply::Reply,
        schema,
        search_parameters::resource_type,
        write::{Plan, Question, WriteError, WriteInteraction},
    },
};

const DESCRIPTION: &str = "Deletes a FHIR R4 resource by type and id, or with searchParam alone the one that they select; if they select several, nothing is deleted. The user confirms first. Answers with an OperationOutcome.\n\
It does not delete resources that refer to it, and there is no undo: the server may keep the history or not.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::writing(
        WriteInteraction::Delete,
        "Delete a FHIR resource",
        DESCRIPTION,
        (schema::input::<Delete>(), output_schema()),
        plan,
    )
}

fn output_schema() -> JsonObject {
    schema::output(&[
        ("resourceType", "string", "OperationOutcome"),
        ("issue", "array of object", "severity, code, diagnostics"),
        ("resource", "object", "Where the server gave something else"),
        ("withheld", "integer", ""),
        ("issues", "array of object", ""),
    ])
}

fn plan(server: &FhirServer, arguments: JsonObject) -> BoxFuture<'_, Result<Plan, ToolError>> {
    Box::pin(async move {
        let arguments: Delete = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let operation = arguments.operation.given();
        server.options().writes.check(name, operation)?;
        let given = arguments::logical_id(name, &arguments.id);
        let mut parameters = arguments.search_param.0;
        let id = match given {
            Some(id) => id.to_owned(),
            // The one match is deleted by its id: a condition could select
            // another, or several, a moment later.
            None => match written::selected(server, name, &mut parameters).await? {
                Some(id) => {
                    parameters.clear();
                    id
                }
                None => {
                    let reason = format!("no {name} matches the condition");
                    return Err(WriteError::Nothing(reason).into());
                }
            },
        };
        let (question, if_match) = match server.options().writes.without_confirmation {
            true => {
                written::check_patient(server, name, &id).await?;
                (Question::new(""), None)
            }
            false => question(server, name, &id, operation, &parameters).await?,
        };
        Ok(Plan {
            question,
            interaction: Interaction::Delete {
                resource_type: name.to_owned(),
                id: Some(id),
                operation: operation.map(ToOwned::to_owned),
                parameters,
                if_match,
            },
            view: None,
            warnings: Vec::new(),
        })
    })
}

/// The question, and the version that the user sees, where it is that which goes.
///
/// # Errors
/// [`WriteError::Nothing`] when there is nothing to delete, and those of an
/// exchange.
async fn question(
    server: &FhirServer,
    name: &str,
    id: &str,
    operation: Option<&str>,
    parameters: &[Parameter],
) -> Result<(Question, Option<String>), ToolError> {
    let place = written::name(server);
    let Some(stored) = written::stored(server, name, id).await? else {
        let reason = format!("there is no {name} with this id, or it was deleted before");
        return Err(WriteError::Nothing(reason).into());
    };
    let version = stored.in_version();
    let what = match operation {
        None => format!("Delete {name}/{id}{version} on {place}; there is no undo"),
        Some(operation) => format!("Delete {operation} of {name}/{id}{version} on {place}"),
    };
    let question = Question::new(&what)
        .parameters(parameters)
        .loss(&stored.json);
    Ok((question, stored.etag.filter(|_| operation.is_none())))
}

/// Sends a deletion.
///
/// # Errors
/// Those of an exchange; [`ToolError::AfterWrite`] when it took place.
pub(super) async fn perform(
    server: &FhirServer,
    interaction: &Interaction,
) -> Result<Reply, ToolError> {
    let (_, document) = written::sent(server, interaction).await?;
    Ok(match document {
        None => Reply::new(deleted()),
        Some(document)
            if document.json.str("resourceType") == Some("OperationOutcome")
                && document.errors.is_empty() =>
        {
            Reply::new(document.json)
        }
        Some(document) => read::one(server, document, View::Default).into_success(),
    })
}

/// The answer when the server says nothing but success.
fn deleted() -> Json {
    Json::object([
        ("resourceType", Json::text("OperationOutcome")),
        (
            "issue",
            Json::Array(vec![Json::object([
                ("severity", Json::text("information")),
                ("code", Json::text("informational")),
                (
                    "diagnostics",
                    Json::text("Successfully deleted resource(s)."),
                ),
            ])]),
        ),
    ])
}
