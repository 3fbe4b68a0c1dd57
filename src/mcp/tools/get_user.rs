//! `get_user`: who is signed in.

use rmcp::model::JsonObject;

use crate::mcp::{
    FhirServer,
    arguments::GetUser,
    catalogue::{Answer, Effect, ToolEntry},
    json::Json,
    reply::Reply,
    schema,
};

const DESCRIPTION: &str = "Gives the signed-in user as the FHIR server knows them (Practitioner, Patient, RelatedPerson or Person): id, resourceType, name, gender, birthDate, telecom, address. Empty when nobody is signed in, as with a fixed access token or no authorization.\n\
It does not look up other people: use search.";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        "get_user",
        "Get the signed-in user",
        Effect::Reads,
        DESCRIPTION,
        (schema::input::<GetUser>(), output_schema()),
        call,
    )
}

fn output_schema() -> JsonObject {
    schema::output(&[
        ("id", "string", ""),
        ("resourceType", "string", ""),
        ("name", "array of object", ""),
        ("gender", "string", ""),
        ("birthDate", "string", ""),
        ("telecom", "array of object", ""),
        ("address", "array of object", ""),
        ("note", "string", "Why nothing else is here"),
    ])
}

/// Users are known by the id token of their authorization; without
/// authorization there is none, and a fixed access token says nothing of whom
/// it stands for.
fn call(_: &FhirServer, _: JsonObject) -> Answer<'_> {
    Box::pin(async {
        Ok(Reply::new(Json::object([(
            "note",
            Json::text("No user is signed in: this server runs without user authorization"),
        )])))
    })
}
