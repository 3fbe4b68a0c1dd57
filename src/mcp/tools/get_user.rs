//! `get_user`: who is signed in.

use rmcp::model::JsonObject;

use super::read;
use crate::mcp::{
    FhirServer,
    arguments::GetUser,
    catalogue::{Answer, ToolEntry},
    exchange,
    failure::ToolError,
    json::Json,
    reply::Reply,
    schema,
};

const DESCRIPTION: &str = "Gives the signed-in user as the FHIR server knows them (Practitioner, Patient, RelatedPerson or Person): id, resourceType, name, gender, birthDate, telecom, address. Empty when nobody is signed in, as with a fixed access token or no authorization.\n\
It does not look up other people: use search.";

/// What is given of the user's resource.
const FIELDS: [&str; 7] = [
    "id",
    "resourceType",
    "name",
    "gender",
    "birthDate",
    "telecom",
    "address",
];

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        "get_user",
        "Get the signed-in user",
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

/// Users are known by the verified id token of their sign-in. Its reference is
/// read only below our own base: a token of ours goes nowhere else.
fn call(server: &FhirServer, _: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let grant = server.grant().await?;
        let user = grant.as_ref().and_then(|grant| grant.user.as_deref());
        let Some(user) = user else {
            return Ok(note(
                "No user is signed in, or the authorization server does not say who it is",
            ));
        };
        let parts = user.split_once('/').filter(|(_, id)| !id.contains('/'));
        let Some((resource_type, id)) = parts else {
            return Ok(note(
                "The user's record lies on another FHIR server, where this session does not reach",
            ));
        };
        let document = exchange::fetch(server, &read::interaction(resource_type, id)).await?;
        if exchange::is_withheld(&document.errors, server.options().on_invalid) {
            return Err(ToolError::Withheld {
                resource_type: resource_type.to_owned(),
                issues: document.errors,
            });
        }
        let mut answer = Json::Object(Vec::new());
        for name in FIELDS {
            if let Some(value) = document.json.get(name) {
                answer.set(name, value.clone());
            }
        }
        Ok(Reply::new(answer))
    })
}

fn note(text: &str) -> Reply {
    Reply::new(Json::object([("note", Json::text(text))]))
}
