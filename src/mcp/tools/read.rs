//! `read`: one resource by its id, or an operation on it.

use rmcp::model::JsonObject;

use super::search::{capabilities, go_on, list_schema};
use crate::{
    client::{Interaction, interaction::Parameter},
    mcp::{
        FhirServer,
        arguments::{self, Read, View},
        catalogue::{Answer, ToolEntry},
        cursor::{Asked, Cursors, PageSource, Position},
        exchange::{self, Document},
        failure::ToolError,
        json::Json,
        list::{Form, List, shortened},
        reply::{HARD_CAP, Reply},
        schema,
        search_parameters::{SearchParameters, resource_type},
        view::Omissions,
    },
};

/// Its name.
pub(super) const TOOL: &str = "read";

const DESCRIPTION: &str = "Reads one FHIR R4 resource by type and id, or runs an operation on it: $everything of a Patient, _history, _history/[version]. Lists come in bounded parts with a cursor, as in search. searchParam holds parameters of the operation, or _elements and _summary.\n\
The resource is validated; one that breaks rules of FHIR is withheld and its issues are given instead. A resource too long for one answer loses its longest elements, which omitted names.\n\
It does not find resources by content (search) and does not follow references: read those by their own type and id.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        TOOL,
        "Read a FHIR resource",
        DESCRIPTION,
        (schema::input::<Read>(), output_schema()),
        call,
    )
}

fn output_schema() -> JsonObject {
    let mut schema = list_schema();
    let properties = schema.get_mut("properties").and_then(|p| p.as_object_mut());
    if let Some(properties) = properties {
        for (name, property) in [
            ("bundle", None),
            ("resource", Some("The resource, where the answer is one")),
        ] {
            match property {
                None => drop(properties.remove(name)),
                Some(text) => drop(properties.insert(
                    name.to_owned(),
                    serde_json::json!({"type": "object", "description": text}),
                )),
            }
        }
    }
    schema
}

fn call(server: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: Read = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let id = arguments::logical_id(name, &arguments.id);
        let operation = arguments.operation.given();
        let cursors = Cursors::new(server, TOOL, name);
        let asked = Asked::new(
            id.unwrap_or_default(),
            operation.unwrap_or_default(),
            &arguments.search_param.0,
        );
        if let Some(cursor) = arguments.cursor.0.given() {
            let form = Form::of_read(arguments.view);
            return go_on(server, (&cursors, cursor), asked, form).await;
        }
        let Some(id) = id else {
            return Err(ToolError::Argument {
                argument: Some("id".to_owned()),
                problem: "missing; read wants the logical id of one resource, search finds it"
                    .to_owned(),
            });
        };
        let parameters = checked(server, operation, arguments.search_param.0).await?;
        let page = PageSource::Read(
            name.to_owned(),
            id.to_owned(),
            operation.map(ToOwned::to_owned),
            parameters,
        );
        let document = exchange::fetch(server, &page.interaction()).await?;
        if document.json.str("resourceType") == Some("Bundle") && operation.is_some() {
            let position = Position {
                page,
                offset: 0,
                given: 0,
                total: None,
                sorted: None,
                resource_type: None,
                asked,
            };
            let form = Form::of_read(arguments.view);
            let list = List::new(document, position, form, server.options().on_invalid)?;
            return Ok(list.into_reply(&cursors));
        }
        Ok(one(server, document, arguments.view))
    })
}

/// Parameters of a compartment search are search parameters; those of other
/// operations are for the server to judge.
async fn checked(
    server: &FhirServer,
    operation: Option<&str>,
    mut parameters: Vec<Parameter>,
) -> Result<Vec<Parameter>, ToolError> {
    parameters.retain(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
    if let Some(Ok(searched)) = operation.map(resource_type) {
        let (capabilities, _) = capabilities(server.source()).await?;
        SearchParameters::of(searched, capabilities.as_deref()).check(&mut parameters)?;
    }
    Ok(parameters)
}

/// One resource as an answer: of a read, or of a write that gave it back.
pub(crate) fn one(server: &FhirServer, document: Document, view: View) -> Reply {
    let Document { json, errors, .. } = document;
    let withheld = exchange::is_withheld(&errors, server.options().on_invalid);
    let mut answer = Json::Object(Vec::new());
    let mut omissions = Omissions::default();
    let resource = match (withheld, view) {
        (true, _) => {
            answer.set("withheld", Json::Number("1".to_owned()));
            exchange::stand_in(&json, &errors)
        }
        (false, View::Default) => shortened(json.clone(), &mut omissions),
        (false, View::Raw) => json.clone(),
    };
    if view == View::Raw && resource.text_len() > HARD_CAP - 1_000 {
        return Reply::from(ToolError::TooLong {
            length: resource.text_len(),
            limit: HARD_CAP - 1_000,
            advice: "leave out view raw, take a part with searchParam {\"_elements\":…}, or read it as the MCP resource fhir://[type]/[id]",
        });
    }
    let text = match (withheld, view) {
        (_, View::Default) => None,
        (true, View::Raw) => Some(exchange::raw_stand_in(&json, &errors)),
        (false, View::Raw) => Some(json),
    };
    if let Some(decimals) = resource.exact_decimals() {
        answer.set("exactDecimals", decimals);
    }
    answer.set("resource", resource);
    if !withheld && !errors.is_empty() {
        answer.set("issues", exchange::listed(&errors));
    }
    if !omissions.is_empty() {
        answer.set("omitted", omissions.listed());
    }
    let reply = match text {
        None => Reply::new(answer),
        Some(text) => {
            let beside = answer
                .get("issues")
                .map(|issues| Json::object([("issues", issues.clone())]));
            let texts = [text].into_iter().chain(beside).collect();
            Reply::with_texts(answer, texts).raw(&["resource"])
        }
    };
    if withheld { reply.into_error() } else { reply }
}

/// The interaction that reads one resource.
pub(crate) fn interaction(resource_type: &str, id: &str) -> Interaction {
    Interaction::Read {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        operation: None,
        parameters: Vec::new(),
    }
}
