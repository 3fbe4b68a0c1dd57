//! `create`: a new resource.

use futures::future::BoxFuture;
use rmcp::model::JsonObject;

use super::written;
use crate::{
    client::Interaction,
    mcp::{
        FhirServer,
        arguments::{self, Create},
        catalogue::ToolEntry,
        failure::ToolError,
        schema,
        search_parameters::resource_type,
        write::{Plan, Question, WriteInteraction},
    },
};

const DESCRIPTION: &str = "Creates a FHIR R4 resource on the server; the server gives it an id, which reference in the answer holds. The payload is validated first: with errors nothing is sent, and they are given with path, expected and found. Then the user confirms. describe tells the elements of a type, validate checks without writing.\n\
It does not change an existing resource (update), and repeating the call creates a second one.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::writing(
        WriteInteraction::Create,
        "Create a FHIR resource",
        DESCRIPTION,
        (schema::input::<Create>(), written::output_schema()),
        plan,
    )
}

fn plan(server: &FhirServer, arguments: JsonObject) -> BoxFuture<'_, Result<Plan, ToolError>> {
    Box::pin(async move {
        let arguments: Create = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let operation = arguments.operation.given();
        server.options().writes.check(name, operation)?;
        let payload = written::checked(server, &arguments.payload, name, operation)?;
        let place = written::name(server);
        let what = match operation {
            None => format!("Create a new {name} on {place}"),
            Some(operation) => {
                format!("Call operation {operation} on {name} on {place}, with this payload")
            }
        };
        Ok(Plan {
            question: Question::new(&what)
                .parameters(&arguments.search_param.0)
                .summary(&payload),
            interaction: Interaction::Create {
                resource_type: name.to_owned(),
                operation: operation.map(ToOwned::to_owned),
                parameters: arguments.search_param.0,
                body: payload.to_text(),
            },
            view: Some(arguments.view),
            warnings: Vec::new(),
        })
    })
}
