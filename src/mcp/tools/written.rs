//! What the writing tools share: the payload and the stored resource before, the
//! answer after.

use rmcp::model::JsonObject;

use super::{read, search};
use crate::{
    client::{Answer, BodyError, ClientError, Interaction, Source, interaction::Parameter},
    mcp::{
        FhirServer,
        arguments::{Payload, View},
        cursor::{Asked, Cursors, PageSource, Position},
        exchange::{self, Document},
        failure::ToolError,
        json::Json,
        list::{Form, List},
        reply::Reply,
        schema,
        search_parameters::SearchParameters,
        write::{Plan, WriteError},
    },
    model::Issue,
};

/// The answer of `create` and `update`.
pub(super) fn output_schema() -> JsonObject {
    schema::output(&[
        ("status", "integer", "HTTP status: 201 created, 200 updated"),
        ("reference", "string", "Where it is now, e.g. Condition/123"),
        ("versionId", "string", ""),
        ("warnings", "array of string", ""),
        (
            "resource",
            "object",
            "What the server made of it, if it says",
        ),
        (
            "entry",
            "array of object",
            "Where an operation gave a Bundle",
        ),
        (
            "withheld",
            "integer",
            "1 when the server's answer is withheld as invalid",
        ),
        ("issues", "array of object", ""),
        ("omitted", "array of object", "What the view left out"),
        (
            "exactDecimals",
            "object",
            "Numbers whose digits JSON changes, by path",
        ),
    ])
}

/// A payload that is valid and, unless an operation takes it, of the right type.
///
/// # Errors
/// [`ToolError::InvalidPayload`] and [`ToolError::Argument`]; nothing was sent.
pub(super) fn checked(
    server: &FhirServer,
    payload: &Payload,
    resource_type: &str,
    operation: Option<&str>,
) -> Result<Json, ToolError> {
    let reading = server.validator().read(payload.text.as_bytes());
    if !reading.is_valid() {
        let issues: Vec<Issue> = reading.issues;
        return Err(ToolError::InvalidPayload { issues });
    }
    let problem = |problem: String| ToolError::Argument {
        argument: Some("payload".to_owned()),
        problem,
    };
    let json = payload
        .json()
        .ok_or_else(|| problem("expected a FHIR resource as a JSON object".to_owned()))?;
    let found = json.str("resourceType").unwrap_or_default();
    if operation.is_none() && found != resource_type {
        return Err(problem(format!(
            "expected resourceType {resource_type}, as in argument type, found {found}; nothing was sent"
        )));
    }
    Ok(json)
}

/// What people call the FHIR server.
pub(super) fn name(server: &FhirServer) -> String {
    match server.source() {
        Source::Http(client) => client.base().host(),
        Source::Fixtures(_) => "the FHIR server in memory".to_owned(),
    }
}

/// A resource as it is before a write, valid or not.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) json: Json,
    /// What stands for the version in `If-Match`.
    pub(super) etag: Option<String>,
}

impl Stored {
    /// `meta.versionId`.
    pub(super) fn version(&self) -> Option<&str> {
        version(&self.json)
    }

    /// ` (version 3)`, or nothing.
    pub(super) fn in_version(&self) -> String {
        match self.version() {
            Some(version) => format!(" (version {version})"),
            None => String::new(),
        }
    }
}

/// `meta.versionId` of a resource.
pub(super) fn version(resource: &Json) -> Option<&str> {
    resource.get("meta").and_then(|meta| meta.str("versionId"))
}

/// Reads what a write will replace or remove; `None` where there is nothing.
///
/// # Errors
/// Those of an exchange: who may not read a resource cannot see what a write
/// would do to it.
pub(super) async fn stored(
    server: &FhirServer,
    resource_type: &str,
    id: &str,
) -> Result<Option<Stored>, ToolError> {
    let interaction = read::interaction(resource_type, id);
    let answer = server.send(&interaction).await?.answer;
    match exchange::received(server, &answer, &interaction) {
        Ok(Some(document)) => {
            let etag = answer.etag.or_else(|| {
                let version = version(&document.json)?;
                let plain = |char: char| char.is_ascii_alphanumeric() || "-.".contains(char);
                version
                    .chars()
                    .all(plain)
                    .then(|| format!("W/\"{version}\""))
            });
            Ok(Some(Stored {
                json: document.json,
                etag,
            }))
        }
        Ok(None) => Err(ToolError::Body(BodyError::Empty)),
        Err(ToolError::Body(BodyError::Http(failure))) if matches!(failure.status, 404 | 410) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Refuses a write to a record of another patient than the one that the session
/// is for: whose it is shows only when it is read.
///
/// # Errors
/// [`ToolError::OfOthers`], and those of an exchange; nothing was written.
pub(super) async fn check_patient(
    server: &FhirServer,
    resource_type: &str,
    id: &str,
) -> Result<(), ToolError> {
    if server.is_for_one_patient().await? {
        stored(server, resource_type, id).await?;
    }
    Ok(())
}

/// What the condition of a write selects: the id of the one match, or nothing.
///
/// # Errors
/// [`ToolError::Argument`] and [`ToolError::Parameters`] for a condition that
/// selects nothing or that the server could ignore, [`WriteError::Condition`]
/// when there are several matches.
pub(super) async fn selected(
    server: &FhirServer,
    resource_type: &str,
    parameters: &mut Vec<Parameter>,
) -> Result<Option<String>, ToolError> {
    let (capabilities, _) = search::capabilities(server.source()).await?;
    SearchParameters::of(resource_type, capabilities.as_deref()).check(parameters)?;
    let selecting: Vec<String> = search::selecting(parameters)
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    parameters.retain(|(name, _)| selecting.contains(name));
    if parameters.is_empty() {
        return Err(ToolError::Argument {
            argument: Some("id".to_owned()),
            problem: "missing; give the id, or searchParam that selects one resource".to_owned(),
        });
    }
    let mut searched = parameters.clone();
    searched.push(("_count".to_owned(), "2".to_owned()));
    let interaction = Interaction::Search {
        resource_type: resource_type.to_owned(),
        parameters: searched,
    };
    let found = exchange::fetch(server, &interaction).await?.json;
    one_of(resource_type, &found)
}

/// The id of the one match of a Bundle.
fn one_of(resource_type: &str, found: &Json) -> Result<Option<String>, ToolError> {
    let is_match = |entry: &&Json| {
        let mode = entry.get("search").and_then(|search| search.str("mode"));
        matches!(mode, None | Some("match"))
    };
    let matches: Vec<&Json> = found
        .list("entry")
        .iter()
        .filter(is_match)
        .filter_map(|entry| entry.get("resource"))
        .collect();
    let goes_on = found
        .list("link")
        .iter()
        .any(|link| link.str("relation") == Some("next"));
    let total = match found.get("total") {
        Some(Json::Number(total)) => total.parse().ok(),
        _ => None,
    };
    let total = total.unwrap_or(matches.len()).max(matches.len());
    let refused = |reason: String| Err(WriteError::Condition(reason).into());
    match matches.as_slice() {
        [] if total == 0 && !goes_on => Ok(None),
        [one] if total == 1 && !goes_on => {
            let id = one
                .str("id")
                .filter(|_| one.str("resourceType") == Some(resource_type));
            match id {
                Some(id) => Ok(Some(id.to_owned())),
                None => refused(format!(
                    "the FHIR server answers the condition with something that is no {resource_type} with an id"
                )),
            }
        }
        _ => {
            let several = match total {
                0 | 1 => "several resources".to_owned(),
                total => format!("{total} resources"),
            };
            refused(format!(
                "the condition selects {several} of type {resource_type}, and a conditional write must select one; find the id with search and give that"
            ))
        }
    }
}

/// Sends a planned write, and shows what came of it.
///
/// # Errors
/// Those of an exchange; [`ToolError::AfterWrite`] when the write took place;
/// [`WriteError::Changed`] when the version is no longer the one that was read.
pub(crate) async fn perform(server: &FhirServer, plan: Plan) -> Result<Reply, ToolError> {
    let is_bound = matches!(
        plan.interaction,
        Interaction::Update {
            if_match: Some(_),
            ..
        } | Interaction::Delete {
            if_match: Some(_),
            ..
        }
    );
    let reply = match plan.view {
        Some(view) => write(server, &plan.interaction, view, &plan.warnings).await,
        None => super::delete::perform(server, &plan.interaction).await,
    };
    match reply {
        Err(ToolError::Body(BodyError::Http(failure))) if is_bound && failure.status == 412 => {
            Err(WriteError::Changed(failure).into())
        }
        other => other,
    }
}

/// Sends a write: the answer, and its document if it has one.
///
/// # Errors
/// Those of an exchange; [`ToolError::AfterWrite`] when the write took place,
/// [`ToolError::OutcomeUnknown`] when it may have.
pub(super) async fn sent(
    server: &FhirServer,
    interaction: &Interaction,
) -> Result<(Answer, Option<Document>), ToolError> {
    server.begins_write();
    let answer = match server.send(interaction).await {
        Err(ToolError::Client(error)) => return Err(unanswered(error)),
        Err(error @ ToolError::OfOthers { status, .. }) if (200..300).contains(&status) => {
            let cause = error.to_string();
            return Err(ToolError::AfterWrite { status, cause });
        }
        other => other?.answer,
    };
    match exchange::received(server, &answer, interaction) {
        Ok(document) => Ok((answer, document)),
        Err(ToolError::Body(error)) if (200..300).contains(&answer.status) => {
            Err(ToolError::AfterWrite {
                status: answer.status,
                cause: error.to_string(),
            })
        }
        Err(ToolError::Body(BodyError::Http(failure))) if !is_refusal(failure.status) => {
            Err(ToolError::OutcomeUnknown {
                cause: failure.to_string(),
                failure: Some(failure),
            })
        }
        Err(error) => Err(error),
    }
}

/// A write that was on its way when this happened may have arrived.
fn unanswered(error: ClientError) -> ToolError {
    let cause = match &error {
        ClientError::Timeout { after } => {
            let after = after.as_secs_f32();
            format!("the FHIR server did not answer within {after} s")
        }
        ClientError::TooLarge { limit } => {
            format!("the FHIR server's answer is larger than {limit} bytes")
        }
        ClientError::Interrupted { .. } | ClientError::Protocol { .. } => error.to_string(),
        _ => return ToolError::Client(error),
    };
    ToolError::OutcomeUnknown {
        cause,
        failure: None,
    }
}

/// Whether a status says that nothing was done. A server that failed, or one
/// between that got no answer, may have done it before.
fn is_refusal(status: u16) -> bool {
    status < 500 && status != 408 || matches!(status, 501 | 503 | 505)
}

/// Sends a write that is answered with a resource.
async fn write(
    server: &FhirServer,
    interaction: &Interaction,
    view: View,
    warnings: &[String],
) -> Result<Reply, ToolError> {
    let (answer, document) = sent(server, interaction).await?;
    let mut facts = facts(&answer);
    if !warnings.is_empty() {
        let warnings = warnings.iter().map(Json::text);
        facts.set("warnings", Json::Array(warnings.collect()));
    }
    let Some(document) = document else {
        return Ok(Reply::new(facts));
    };
    if document.json.str("resourceType") == Some("Bundle") {
        let position = Position {
            page: PageSource::Next(String::new()),
            offset: 0,
            given: 0,
            total: None,
            sorted: None,
            resource_type: None,
            asked: Asked::default(),
        };
        let form = Form::of_read(view);
        let list = List::new(document, position, form, server.options().on_invalid)?;
        // Its further pages are got by reading.
        let resource_type = interaction.resource_type().unwrap_or_default();
        let cursors = Cursors::new(server, read::TOOL, resource_type);
        return Ok(list.into_reply(&cursors).beside(facts));
    }
    // The write took place, so the call is no failure even if what came back
    // had to be withheld.
    Ok(read::one(server, document, view)
        .into_success()
        .beside(facts))
}

/// Status, and where the resource is.
fn facts(answer: &Answer) -> Json {
    let mut facts = Json::object([("status", Json::Number(answer.status.to_string()))]);
    let Some(location) = &answer.location else {
        return facts;
    };
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let (record, version) = match segments.as_slice() {
        [record @ .., "_history", version] => (record, Some(*version)),
        record => (record, None),
    };
    if let [.., resource_type, id] = record {
        facts.set("reference", Json::text(format!("{resource_type}/{id}")));
    }
    if let Some(version) = version {
        facts.set("versionId", Json::text(version));
    }
    facts
}
