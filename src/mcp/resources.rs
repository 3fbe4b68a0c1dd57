//! MCP resources: JSON Schemas of the resource types, and records by reference.

use rmcp::{
    ErrorData,
    model::{CacheScope, MetaObject, ReadResourceResult, ResourceContents, ResourceTemplate},
};
use serde_json::json;

use super::{
    FhirServer,
    exchange::{self, is_withheld},
    failure::ToolError,
    hidden::{self, Found},
    search_parameters::resource_type,
};
use crate::{client::Interaction, model};

const SCHEMA: &str = "fhir-schema://R4/";
const RECORD: &str = "fhir://";

/// Schemas change only with the version of the server; in milliseconds.
const SCHEMA_TTL: u64 = 86_400_000;

/// The templates of all resources.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{SCHEMA}{{type}}"), "fhir-schema")
            .with_title("JSON Schema of a FHIR R4 resource type")
            .with_description("JSON Schema (2020-12) of a resource type, e.g. fhir-schema://R4/Patient. It is long: the tool describe says the same in few words.")
            .with_mime_type("application/schema+json"),
        ResourceTemplate::new(format!("{RECORD}{{type}}/{{id}}"), "fhir-record")
            .with_title("A FHIR record")
            .with_description("One resource of the FHIR server as FHIR JSON, validated, e.g. fhir://Patient/123.")
            .with_mime_type("application/fhir+json"),
    ]
}

/// Reads a resource.
///
/// # Errors
/// Resource not found for URIs that lead nowhere, with the URI; internal error
/// with an OperationOutcome when the FHIR server fails or its resource is withheld.
pub(crate) async fn read(server: &FhirServer, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    if let Some(name) = uri.strip_prefix(SCHEMA) {
        return schema(uri, name);
    }
    match uri
        .strip_prefix(RECORD)
        .and_then(|rest| rest.split_once('/'))
    {
        Some((name, id)) => record(server, uri, name, id).await,
        None => Err(not_found(
            uri,
            "no such resource; see the resource templates",
        )),
    }
}

fn schema(uri: &str, name: &str) -> Result<ReadResourceResult, ErrorData> {
    let name = resource_type(name).map_err(|error| not_found(uri, &error.to_string()))?;
    let schema = model::json_schema(name).ok_or_else(|| not_found(uri, "there is no schema"))?;
    let contents = ResourceContents::text(schema, uri).with_mime_type("application/schema+json");
    Ok(ReadResourceResult::new(vec![contents])
        .with_ttl_ms(SCHEMA_TTL)
        .with_cache_scope(CacheScope::Public))
}

async fn record(
    server: &FhirServer,
    uri: &str,
    name: &str,
    id: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let name = resource_type(name).map_err(|error| not_found(uri, &error.to_string()))?;
    let interaction = Interaction::Read {
        resource_type: name.to_owned(),
        id: id.to_owned(),
        operation: None,
        parameters: Vec::new(),
    };
    let document = exchange::fetch(server, &interaction)
        .await
        .and_then(|document| {
            if is_withheld(&document.errors, server.options().on_invalid) {
                return Err(ToolError::Withheld {
                    resource_type: name.to_owned(),
                    issues: document.errors,
                });
            }
            Ok(document)
        });
    match document {
        Ok(document) => {
            let mut json = document.json;
            let mut found = Found::default();
            found.note(&mut json, "");
            let text = json.to_text();
            let mut contents = ResourceContents::text(hidden::escaped(&text), uri)
                .with_mime_type("application/fhir+json");
            if !found.is_empty() {
                let mut meta = MetaObject::new();
                let report = found.report().to_value("", &mut Vec::new());
                meta.insert(hidden::REPORT.to_owned(), report);
                contents = contents.with_meta(meta);
            }
            Ok(ReadResourceResult::new(vec![contents])
                .with_ttl_ms(0)
                .with_cache_scope(CacheScope::Private))
        }
        Err(error) if error.is_not_found() => Err(not_found(uri, &error.to_string())),
        Err(error) => {
            let mut message = error.to_string();
            let mut outcome = error.outcome();
            let mut found = Found::default();
            found.strip_text(&mut message, "message");
            found.strip(&mut outcome, "");
            let outcome = outcome.to_value("", &mut Vec::new());
            Err(ErrorData::internal_error(message, Some(outcome)))
        }
    }
}

fn not_found(uri: &str, message: &str) -> ErrorData {
    ErrorData::resource_not_found(message.to_owned(), Some(json!({ "uri": uri })))
}
