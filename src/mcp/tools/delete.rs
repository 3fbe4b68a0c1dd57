//! `delete`: a resource by its id, or the one that search parameters select.

use rmcp::model::JsonObject;

use super::{read, update::check_condition, written};
use crate::{
    client::Interaction,
    mcp::{
        FhirServer,
        arguments::{self, Delete, View},
        catalogue::{Answer, Effect, ToolEntry},
        json::Json,
        reply::Reply,
        schema,
        search_parameters::resource_type,
    },
};

const DESCRIPTION: &str = "Deletes a FHIR R4 resource by type and id, or with searchParam alone the one that they select (conditional delete; a server may refuse that, or delete several). Answers with an OperationOutcome.\n\
It does not delete resources that refer to it, and there is no undo: the server may keep the history or not.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        "delete",
        "Delete a FHIR resource",
        Effect::Changes,
        DESCRIPTION,
        (schema::input::<Delete>(), output_schema()),
        call,
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

fn call(server: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: Delete = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let id = arguments::logical_id(name, &arguments.id);
        let mut parameters = arguments.search_param.0;
        if id.is_none() {
            check_condition(server, name, &mut parameters).await?;
        }
        let interaction = Interaction::Delete {
            resource_type: name.to_owned(),
            id: id.map(ToOwned::to_owned),
            operation: arguments.operation.given().map(ToOwned::to_owned),
            parameters,
        };
        let (_, document) = written::sent(server, &interaction).await?;
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
