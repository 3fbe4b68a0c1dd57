//! `validate`: a resource against FHIR R4, without writing it.

use rmcp::model::JsonObject;

use super::read;
use crate::{
    client::{BodyError, Decoded, Expectation, decode_by},
    mcp::{
        FhirServer,
        arguments::{self, Validate},
        catalogue::{Answer, ToolEntry},
        cursor::{Cursors, IssuePosition},
        failure::ToolError,
        issues,
        json::Json,
        reply::Reply,
        schema,
        search_parameters::resource_type,
    },
    model::Issue,
};

/// Its name.
const TOOL: &str = "validate";

const DESCRIPTION: &str = "Checks a resource against FHIR R4: elements, primitives, codes, constraints, references, extensions, narrative, profiles. Takes the resource, or the reference of one on the server. Issues that say the same are grouped, errors first, 20 groups at most.\n\
It does not know SNOMED CT and LOINC, nor what lies outside the document.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        TOOL,
        "Validate a FHIR resource",
        DESCRIPTION,
        (schema::input::<Validate>(), output_schema()),
        call,
    )
}

fn output_schema() -> JsonObject {
    schema::output(&[
        ("valid", "boolean", "No error"),
        ("errors", "integer", ""),
        ("warnings", "integer", ""),
        (
            "issues",
            "array of object",
            "severity, code, expression, expected, found, count; line and column where the resource came as text",
        ),
        ("remaining", "integer", "Groups that follow"),
        ("cursor", "string", ""),
        ("note", "string", ""),
    ])
}

fn call(server: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: Validate = arguments::parse(arguments)?;
        // It may go on without any argument but the cursor.
        let cursors = Cursors::new(server, TOOL, "");
        let from: Option<IssuePosition> = match arguments.cursor.given() {
            Some(cursor) => Some(cursors.open(cursor)?),
            None => None,
        };
        let earlier = from.as_ref();
        let profile = arguments.profile.given();
        let profile = profile.or(earlier.and_then(|from| from.profile.as_deref()));
        if let Some(profile) = profile.filter(|url| !server.validator().knows_profile(url)) {
            return Err(unknown_profile(profile));
        }
        let reference = arguments.reference.given();
        let reference = match arguments.resource {
            Some(_) => reference,
            None => reference.or(earlier.and_then(|from| from.reference.as_deref())),
        };
        let (found, positions) = match (&arguments.resource, reference) {
            (Some(payload), None) => {
                let reading = server.validator().read_as(payload.text.as_bytes(), profile);
                (reading.issues, payload.as_written)
            }
            (None, Some(reference)) => (issues_of(server, reference, profile).await?, false),
            _ => {
                return Err(ToolError::Argument {
                    argument: None,
                    problem: "validate wants either resource (FHIR JSON) or reference (for instance Patient/123)".to_owned(),
                });
            }
        };
        let here = IssuePosition {
            offset: earlier.map_or(0, |from| from.offset),
            fingerprint: issues::fingerprint(&found),
            reference: reference.map(str::to_owned),
            profile: profile.map(str::to_owned),
        };
        match earlier {
            Some(from) if from.fingerprint != here.fingerprint => Err(ToolError::Argument {
                argument: Some("cursor".to_owned()),
                problem: "it goes on with another resource, or this one has changed since; leave it out to validate anew".to_owned(),
            }),
            _ => Ok(report(&found, positions, here, &cursors)),
        }
    })
}

fn unknown_profile(url: &str) -> ToolError {
    ToolError::Argument {
        argument: Some("profile".to_owned()),
        problem: format!(
            "the profile {} is not known to this server; leave it out to check against FHIR R4 alone",
            issues::shortened(url)
        ),
    }
}

async fn issues_of(
    server: &FhirServer,
    reference: &str,
    profile: Option<&str>,
) -> Result<Vec<Issue>, ToolError> {
    let Some((name, id)) = reference.split_once('/') else {
        return Err(ToolError::Argument {
            argument: Some("reference".to_owned()),
            problem: "expected type and id with a slash between, for instance Patient/123"
                .to_owned(),
        });
    };
    let interaction = read::interaction(resource_type(name)?, id);
    let answer = server.send(&interaction).await?.answer;
    let decoded = decode_by(&answer, &Expectation::of(&interaction), |body| {
        server.validator().read_as(body, profile)
    });
    match decoded {
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

fn report(found: &[Issue], positions: bool, here: IssuePosition, cursors: &Cursors<'_>) -> Reply {
    let number = |number: usize| Json::Number(number.to_string());
    let errors = issues::errors(found);
    let (list, remaining) = issues::page(found, here.offset, positions);
    let mut answer = Json::object([
        ("valid", Json::Bool(errors == 0)),
        ("errors", number(errors)),
        ("warnings", number(issues::warnings(found))),
        ("issues", list),
    ]);
    if remaining > 0 {
        let again = match here.reference {
            Some(_) => "cursor",
            None => "resource and cursor",
        };
        let next = IssuePosition {
            offset: here.offset + issues::MAX_GROUPS,
            ..here
        };
        answer.set("remaining", number(remaining));
        answer.set("cursor", Json::String(cursors.seal(&next)));
        let note = format!("More kinds of issues follow: call validate with {again}");
        answer.set("note", Json::text(note));
    }
    Reply::new(answer)
}
