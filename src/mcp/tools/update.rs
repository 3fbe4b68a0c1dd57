//! `update`: a resource with a known id, whole.

use rmcp::model::JsonObject;

use super::{search::capabilities, written};
use crate::{
    client::Interaction,
    mcp::{
        FhirServer,
        arguments::{self, Update},
        catalogue::{Answer, Effect, ToolEntry},
        failure::ToolError,
        json::Json,
        schema,
        search_parameters::{SearchParameters, resource_type},
    },
};

const DESCRIPTION: &str = "Replaces a FHIR R4 resource as a whole: what the payload lacks is gone afterwards. Read it with view raw first, change it, and give it back complete. The payload is validated first: with errors nothing is sent, and the errors are given with path, expected and found. The id in the payload is set to the argument id.\n\
It does not patch single elements, and does not check whether someone else changed the resource meanwhile.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        "update",
        "Replace a FHIR resource",
        Effect::Changes,
        DESCRIPTION,
        (schema::input::<Update>(), written::output_schema()),
        call,
    )
}

fn call(server: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: Update = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let operation = arguments.operation.given();
        let id = arguments::logical_id(name, &arguments.id);
        let mut parameters = arguments.search_param.0;
        if id.is_none() {
            check_condition(server, name, &mut parameters).await?;
        }
        let mut payload = written::checked(server, &arguments.payload, name, operation)?;
        if operation.is_none() {
            set_id(&mut payload, id);
        }
        let interaction = Interaction::Update {
            resource_type: name.to_owned(),
            id: id.map(ToOwned::to_owned),
            operation: operation.map(ToOwned::to_owned),
            parameters,
            body: payload.to_text(),
        };
        written::write(server, interaction, arguments.view).await
    })
}

/// What selects the resource of a conditional write: at least one parameter, and
/// none that the server could ignore.
///
/// # Errors
/// [`ToolError::Argument`] and [`ToolError::Parameters`].
pub(super) async fn check_condition(
    server: &FhirServer,
    name: &str,
    parameters: &mut Vec<crate::client::interaction::Parameter>,
) -> Result<(), ToolError> {
    let (capabilities, _) = capabilities(server.source()).await?;
    SearchParameters::of(name, capabilities.as_deref()).check(parameters)?;
    if parameters.is_empty() {
        return Err(ToolError::Argument {
            argument: Some("id".to_owned()),
            problem: "missing; give the id, or searchParam that selects one resource".to_owned(),
        });
    }
    Ok(())
}

/// The id in the body is the one in the path; with a condition the server finds it.
fn set_id(payload: &mut Json, id: Option<&str>) {
    if let (Some(id), Json::Object(members)) = (id, payload) {
        members.retain(|(name, _)| name != "id");
        members.insert(1.min(members.len()), ("id".to_owned(), Json::text(id)));
    }
}
