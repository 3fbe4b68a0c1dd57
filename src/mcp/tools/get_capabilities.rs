//! `get_capabilities`: what the server offers for one type.

use rmcp::model::JsonObject;

use crate::{
    client::capability::ResourceCapabilities,
    mcp::{
        FhirServer,
        arguments::{self, GetCapabilities},
        catalogue::{Answer, ToolEntry},
        failure::ToolError,
        issues::shortened,
        json::Json,
        reply::{BUDGET, Reply},
        schema,
        search_parameters::resource_type,
    },
    model,
};

const DESCRIPTION: &str = "Says what the FHIR server supports for one resource type, from its CapabilityStatement: search parameters, operations, interactions, values for _include and _revinclude. Useful before a search by something unusual, or when a search was refused.\n\
It does not give records, and does not describe elements and codes of a type (describe).";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        "get_capabilities",
        "Get FHIR server capabilities",
        DESCRIPTION,
        (schema::input::<GetCapabilities>(), output_schema()),
        call,
    )
}

fn output_schema() -> JsonObject {
    schema::output(&[
        ("type", "string", "Resource type"),
        (
            "searchParam",
            "array of object",
            "name, type, documentation",
        ),
        ("operation", "array of object", "name, documentation"),
        ("interaction", "array of object", "code"),
        ("searchInclude", "array of string", "Values for _include"),
        (
            "searchRevInclude",
            "array of string",
            "Values for _revinclude",
        ),
        ("fhirVersion", "string", ""),
        ("software", "string", ""),
    ])
}

fn call(server: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: GetCapabilities = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let capabilities = server.source().capabilities().await?;
        let Some(resource) = capabilities.resource(name) else {
            let offered: Vec<&str> = capabilities
                .resources
                .iter()
                .map(|resource| resource.resource_type.as_str())
                .collect();
            return Err(ToolError::NotSupported(format!(
                "the FHIR server does not support {name}; it supports {}",
                offered.join(", ")
            )));
        };
        let mut answer = describe(name, resource, true);
        if answer.text_len() > BUDGET {
            answer = describe(name, resource, false);
        }
        if !capabilities.fhir_version.is_empty() {
            answer.set("fhirVersion", Json::text(&capabilities.fhir_version));
        }
        if let Some(software) = &capabilities.software {
            let version = capabilities.software_version.as_deref().unwrap_or_default();
            answer.set(
                "software",
                Json::text(format!("{software} {version}").trim()),
            );
        }
        Ok(Reply::new(answer))
    })
}

fn describe(name: &str, resource: &ResourceCapabilities, documented: bool) -> Json {
    let documentation = |text: Option<&str>| match text {
        Some(text) if documented && !text.is_empty() => Json::text(shortened(text)),
        _ => Json::Null,
    };
    let search_params = resource.search_params.iter().map(|known| {
        let own = model::search_parameters(name).find(|own| own.code == known.name);
        let text = known.documentation.as_deref();
        let text = text.filter(|text| !text.is_empty());
        Json::object([
            ("name", Json::text(&known.name)),
            ("type", Json::text(&known.kind)),
            (
                "documentation",
                documentation(text.or(own.map(|own| own.description(name)))),
            ),
        ])
    });
    let operations = resource.operations.iter().map(|operation| {
        Json::object([
            ("name", Json::text(&operation.name)),
            (
                "documentation",
                documentation(operation.documentation.as_deref()),
            ),
        ])
    });
    let interactions = resource
        .interactions
        .iter()
        .map(|interaction| Json::object([("code", Json::text(&interaction.code))]));
    let texts = |list: &[String]| Json::Array(list.iter().map(Json::text).collect());
    Json::object([
        ("type", Json::text(name)),
        ("searchParam", Json::Array(search_params.collect())),
        ("operation", Json::Array(operations.collect())),
        ("interaction", Json::Array(interactions.collect())),
        ("searchInclude", texts(&resource.search_include)),
        ("searchRevInclude", texts(&resource.search_rev_include)),
    ])
}
