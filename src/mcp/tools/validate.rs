//! `validate`: a resource against FHIR R4, without writing it.

use rmcp::model::JsonObject;

use super::read;
use crate::{
    client::{BodyError, Decoded, Expectation, decode},
    mcp::{
        FhirServer,
        arguments::{self, Validate},
        catalogue::{Answer, Effect, ToolEntry},
        failure::ToolError,
        issues,
        json::Json,
        reply::Reply,
        schema,
        search_parameters::resource_type,
    },
    model::{Issue, Resource},
};

const DESCRIPTION: &str = "Checks a resource against FHIR R4: elements, cardinalities, JSON types, primitive formats, codes of required bindings, narrative. Takes the resource itself, or the reference of one on the server (Patient/123). Issues that say the same are grouped; each has path, expected and found.\n\
It changes nothing on the server, and does not check whether references lead somewhere, nor profiles or codes of bindings that are not required.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        "validate",
        "Validate a FHIR resource",
        Effect::Reads,
        DESCRIPTION,
        (schema::input::<Validate>(), output_schema()),
        call,
    )
}

fn output_schema() -> JsonObject {
    schema::output(&[
        ("valid", "boolean", "Whether there is no error"),
        ("errors", "integer", ""),
        ("warnings", "integer", ""),
        (
            "issues",
            "array of object",
            "severity, code, expression, expected, found, count; line and column where the resource came as text",
        ),
    ])
}

fn call(server: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: Validate = arguments::parse(arguments)?;
        match (&arguments.resource, arguments.reference.given()) {
            (Some(payload), None) => {
                let reading = Resource::from_slice(payload.text.as_bytes());
                Ok(report(&reading.issues, payload.as_written))
            }
            (None, Some(reference)) => {
                let issues = issues_of(server, reference).await?;
                Ok(report(&issues, false))
            }
            _ => Err(ToolError::Argument {
                argument: None,
                problem: "validate wants either resource (FHIR JSON) or reference (for instance Patient/123)".to_owned(),
            }),
        }
    })
}

async fn issues_of(server: &FhirServer, reference: &str) -> Result<Vec<Issue>, ToolError> {
    let Some((name, id)) = reference.split_once('/') else {
        return Err(ToolError::Argument {
            argument: Some("reference".to_owned()),
            problem: "expected type and id with a slash between, for instance Patient/123"
                .to_owned(),
        });
    };
    let interaction = read::interaction(resource_type(name)?, id);
    let answer = server.source().send(&interaction).await?;
    match decode(&answer, &Expectation::of(&interaction), server.validator()) {
        Ok(Decoded::Resource(reading)) => Ok(reading.issues),
        Ok(Decoded::Nothing) => Err(BodyError::Empty.into()),
        // That it is no resource at all is a finding, too.
        Err(BodyError::NotAResource { issues } | BodyError::NotJson { issues })
            if !issues.is_empty() =>
        {
            Ok(issues)
        }
        Err(error) => Err(error.into()),
    }
}

fn report(found: &[Issue], positions: bool) -> Reply {
    let number = |number: usize| Json::Number(number.to_string());
    let errors = issues::errors(found);
    Reply::new(Json::object([
        ("valid", Json::Bool(errors == 0)),
        ("errors", number(errors)),
        ("warnings", number(issues::warnings(found))),
        (
            "issues",
            issues::listed(found, issues::MAX_GROUPS, positions),
        ),
    ]))
}
