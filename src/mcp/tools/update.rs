//! `update`: a resource with a known id, whole.

use futures::future::BoxFuture;
use rmcp::model::JsonObject;

use super::written::{self, Stored};
use crate::{
    client::Interaction,
    mcp::{
        FhirServer,
        arguments::{self, Update},
        catalogue::ToolEntry,
        failure::ToolError,
        json::Json,
        schema,
        search_parameters::resource_type,
        write::{Plan, Question, WriteError, WriteInteraction},
    },
};

const DESCRIPTION: &str = "Replaces a FHIR R4 resource as a whole: what the payload lacks is gone afterwards. Read it with view raw first, change it, and give it back complete with its meta.versionId, so that a change by someone else is noticed. As in create the payload is validated first; then the user confirms the difference.\n\
It does not patch single elements.";

/// What an answer says where nothing tells versions apart.
const NO_VERSION: &str = "The FHIR server gives no version of this resource (neither ETag nor meta.versionId): a change by someone else between reading and writing could not be noticed";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::writing(
        WriteInteraction::Update,
        "Replace a FHIR resource",
        DESCRIPTION,
        (schema::input::<Update>(), written::output_schema()),
        plan,
    )
}

fn plan(server: &FhirServer, arguments: JsonObject) -> BoxFuture<'_, Result<Plan, ToolError>> {
    Box::pin(async move {
        let arguments: Update = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let operation = arguments.operation.given();
        server.options().writes.check(name, operation)?;
        let payload = written::checked(server, &arguments.payload, name, operation)?;
        let mut id = arguments::logical_id(name, &arguments.id).map(ToOwned::to_owned);
        let mut parameters = arguments.search_param.0;
        if id.is_none() {
            // The one match is updated by its id, so that the resource that the
            // user sees is the one that is replaced.
            id = written::selected(server, name, &mut parameters).await?;
            if id.is_some() {
                parameters.clear();
            }
        }
        let place = written::name(server);
        if let Some(operation) = operation {
            if let Some(id) = &id {
                written::check_patient(server, name, id).await?;
            }
            let on = id.as_ref().map(|id| format!("/{id}")).unwrap_or_default();
            let what =
                format!("Call operation {operation} on {name}{on} on {place}, with this payload");
            return Ok(Plan {
                question: Question::new(&what)
                    .parameters(&parameters)
                    .summary(&payload),
                interaction: Interaction::Update {
                    resource_type: name.to_owned(),
                    id,
                    operation: Some(operation.to_owned()),
                    parameters,
                    if_match: None,
                    body: payload.to_text(),
                },
                view: Some(arguments.view),
                warnings: Vec::new(),
            });
        }
        let stored = match &id {
            Some(id) => written::stored(server, name, id).await?,
            None => None,
        };
        let payload = with_id(payload, id.as_deref());
        let (question, warnings) = asked(&place, name, id.as_deref(), stored.as_ref(), &payload)?;
        Ok(Plan {
            question: question.parameters(&parameters),
            interaction: Interaction::Update {
                resource_type: name.to_owned(),
                id,
                operation: None,
                parameters,
                if_match: stored.and_then(|stored| stored.etag),
                body: payload.to_text(),
            },
            view: Some(arguments.view),
            warnings,
        })
    })
}

/// The question, and what the answer will have to say.
///
/// # Errors
/// [`WriteError::Outdated`] when the payload was made from an older version.
fn asked(
    place: &str,
    name: &str,
    id: Option<&str>,
    stored: Option<&Stored>,
    payload: &Json,
) -> Result<(Question, Vec<String>), WriteError> {
    let Some(stored) = stored else {
        let what = match id {
            Some(id) => format!("Create {name}/{id} on {place}: there is none with this id"),
            None => format!("Create a new {name} on {place}: none matches the condition"),
        };
        return Ok((Question::new(&what).summary(payload), Vec::new()));
    };
    if let (Some(base), Some(current)) = (written::version(payload), stored.version())
        && base != current
    {
        return Err(WriteError::Outdated {
            base: base.to_owned(),
            current: current.to_owned(),
        });
    }
    let id = id.unwrap_or_default();
    let version = stored.in_version();
    let what = format!("Replace {name}/{id}{version} on {place}, with these changes");
    let question = Question::new(&what).difference(&stored.json, payload);
    Ok(match stored.etag {
        Some(_) => (question, Vec::new()),
        None => (question.remark(NO_VERSION), vec![NO_VERSION.to_owned()]),
    })
}

/// The id in the body is the one in the path; with a condition the server finds it.
fn with_id(mut payload: Json, id: Option<&str>) -> Json {
    if let (Some(id), Json::Object(members)) = (id, &mut payload) {
        members.retain(|(name, _)| name != "id");
        members.insert(1.min(members.len()), ("id".to_owned(), Json::text(id)));
    }
    payload
}
