//! `create`: a new resource.

use rmcp::model::JsonObject;

use super::written;
use crate::{
    client::Interaction,
    mcp::{
        FhirServer,
        arguments::{self, Create},
        catalogue::{Answer, Effect, ToolEntry},
        schema,
        search_parameters::resource_type,
    },
};

const DESCRIPTION: &str = "Creates a FHIR R4 resource on the server; the server gives it an id, which reference in the answer holds. The payload is validated first: with errors nothing is sent, and the errors are given with path, expected and found. describe tells the elements of a type, validate checks without writing.\n\
It does not change an existing resource (update), and repeating the call creates a second one.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        "create",
        "Create a FHIR resource",
        Effect::Adds,
        DESCRIPTION,
        (schema::input::<Create>(), written::output_schema()),
        call,
    )
}

fn call(server: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: Create = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let operation = arguments.operation.given();
        let payload = written::checked(server, &arguments.payload, name, operation)?;
        let interaction = Interaction::Create {
            resource_type: name.to_owned(),
            operation: operation.map(ToOwned::to_owned),
            parameters: arguments.search_param.0,
            body: payload.to_text(),
        };
        written::write(server, interaction, arguments.view).await
    })
}
