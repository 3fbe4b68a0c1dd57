//! `search`: one type by its search parameters.

use rmcp::model::JsonObject;

use crate::{
    client::{BodyError, Capabilities, ClientError, Interaction, Source, interaction::Parameter},
    mcp::{
        FhirServer,
        arguments::{self, Search},
        catalogue::{Answer, ToolEntry},
        cursor::{Asked, Cursors, PageSource, Position},
        exchange::{self, Document},
        failure::ToolError,
        list::{Form, List},
        reply::Reply,
        schema,
        search_parameters::{SearchParameters, resource_type},
    },
};

/// Its name.
const TOOL: &str = "search";

/// Resources on a page of the server when the caller does not say.
const PAGE_SIZE: &str = "50";

const DESCRIPTION: &str = "Searches FHIR R4 resources of one type, e.g. Patient by name and birthdate, Observation by patient, code and date. Gives at most about 8,000 tokens: total, returned, complete, and a cursor that goes on behind the last entry. Without _sort it sorts by the date of the type, newest first, where the server can. _summary=count only counts, _elements=code,effective takes fewer elements, _include adds referenced resources.\n\
Unknown search parameters are refused with near matches, nothing is ignored in silence. Resources that break rules of FHIR are withheld and counted.\n\
It does not search across types, does not compute, and does not read one resource by id (read). Search rules: https://hl7.org/fhir/R4/search.html";

/// The tool.
pub(crate) fn tool() -> ToolEntry {
    ToolEntry::new(
        TOOL,
        "Search FHIR resources",
        DESCRIPTION,
        (schema::input::<Search>(), list_schema()),
        call,
    )
}

/// The answer of everything that gives a list.
pub(crate) fn list_schema() -> JsonObject {
    schema::output(&[
        (
            "total",
            "integer",
            "Matches in all; absent when the server does not say",
        ),
        ("returned", "integer", "Matches in this answer"),
        (
            "included",
            "integer",
            "Resources added by _include or _revinclude",
        ),
        (
            "complete",
            "boolean",
            "Whether nothing follows behind this answer",
        ),
        ("sorted", "string", "The _sort in effect, or unspecified"),
        (
            "withheld",
            "integer",
            "Entries withheld as invalid; each shows its issues instead",
        ),
        ("cursor", "string", "Goes on behind the last entry"),
        ("warnings", "array of string", ""),
        (
            "omitted",
            "array of object",
            "What the view left out: element, reason, count",
        ),
        (
            "entry",
            "array of object",
            "Default view: resource, and search, exactDecimals, issues where they apply",
        ),
        ("bundle", "object", "View raw: the server's Bundle"),
        (
            "exactDecimals",
            "object",
            "Numbers whose digits JSON changes, by path",
        ),
        (
            "issues",
            "array of object",
            "View raw: issues of flagged entries",
        ),
    ])
}

fn call(server: &FhirServer, arguments: JsonObject) -> Answer<'_> {
    Box::pin(async move {
        let arguments: Search = arguments::parse(arguments)?;
        let name = resource_type(arguments.resource_type.0.trim())?;
        let form = Form::of_search(arguments.view);
        let cursors = Cursors::new(server, TOOL, name);
        let asked = Asked::new("", "", &arguments.search_param.0);
        match arguments.cursor.0.given() {
            Some(cursor) => go_on(server, (&cursors, cursor), asked, form).await,
            None => start(server, name, arguments.search_param.0, form).await,
        }
    })
}

/// Goes on with a list where a cursor says.
///
/// # Errors
/// [`ToolError::BadCursor`], [`ToolError::Argument`] where it was asked for with
/// other arguments than now, and all that a search can fail with.
pub(crate) async fn go_on(
    server: &FhirServer,
    (cursors, cursor): (&Cursors<'_>, &str),
    asked: Asked,
    form: Form,
) -> Result<Reply, ToolError> {
    let position: Position = cursors.open(cursor)?;
    position.asked.check(asked)?;
    let document = exchange::fetch(server, &position.page.interaction()).await?;
    if document.json.str("resourceType") != Some("Bundle") {
        return Err(ToolError::BadCursor);
    }
    Ok(List::new(document, position, form, server.options().on_invalid)?.into_reply(cursors))
}

async fn start(
    server: &FhirServer,
    name: &str,
    mut parameters: Vec<Parameter>,
    form: Form,
) -> Result<Reply, ToolError> {
    let (capabilities, warning) = capabilities(server.source()).await?;
    let asked = Asked::new("", "", &parameters);
    let known = SearchParameters::of(name, capabilities.as_deref());
    known.check(&mut parameters)?;
    let added = defaults(&known, &parameters);
    let (document, sent) = first_page(server, name, &parameters, added).await?;
    let position = Position {
        page: PageSource::Search(name.to_owned(), sent.clone()),
        offset: 0,
        given: 0,
        total: None,
        sorted: value(&sent, "_sort").map(ToOwned::to_owned),
        // With _contained the matches may be what contains a resource of the type.
        resource_type: value(&sent, "_contained")
            .is_none_or(|contained| contained == "false")
            .then(|| name.to_owned()),
        asked,
    };
    let mut used = sent;
    if let Some(narrowing) = &document.narrowing {
        used.extend(narrowing.added.iter().cloned());
    }
    let is_narrowed = document.narrowing.is_some();
    let mut list = List::new(document, position, form, server.options().on_invalid)?;
    list.check_self_link(&used);
    if let Some(warning) = warning {
        list.warn(warning);
    }
    let counts = value(&parameters, "_summary") == Some("count");
    if list.total().is_none()
        && !counts
        && let Some(total) = count(server, name, &parameters).await
    {
        list.set_total(total);
    }
    let names = selecting(&parameters);
    if list.is_empty() && !names.is_empty() && !counts {
        let of = match is_narrowed {
            true => " of this session's patient",
            false => "",
        };
        list.warn(format!(
            "No {name}{of} matches all of {}. Leave one out, or look at a resource to see which codes, systems and ids this server uses",
            names.join(", ")
        ));
    }
    Ok(list.into_reply(&Cursors::new(server, TOOL, name)))
}

/// What the server can do. A statement that cannot be had is no reason to give
/// up, a server that cannot be reached is.
///
/// # Errors
/// [`ToolError::Client`] when the server does not answer at all.
pub(crate) async fn capabilities(
    source: &Source,
) -> Result<(Option<std::sync::Arc<Capabilities>>, Option<String>), ToolError> {
    match source.capabilities().await {
        Ok(capabilities) => Ok((Some(capabilities), None)),
        Err(error @ (ClientError::Connect { .. } | ClientError::Timeout { .. })) => {
            Err(error.into())
        }
        Err(error) => Ok((
            None,
            Some(format!(
                "Search parameters were checked against R4 alone: {error}"
            )),
        )),
    }
}

/// Parameters that make the answer one to rely on: an order, and a page size.
fn defaults(known: &SearchParameters<'_>, given: &[Parameter]) -> Vec<Parameter> {
    let mut added = Vec::new();
    if value(given, "_summary") == Some("count") {
        return added;
    }
    if value(given, "_sort").is_none()
        && let Some(date) = known.date()
    {
        added.push(("_sort".to_owned(), format!("-{date}")));
    }
    if value(given, "_count").is_none() {
        added.push(("_count".to_owned(), PAGE_SIZE.to_owned()));
    }
    added
}

/// The first page, and the parameters that it was got with. A server that
/// refuses what was added is asked again without it.
async fn first_page(
    server: &FhirServer,
    name: &str,
    given: &[Parameter],
    added: Vec<Parameter>,
) -> Result<(Document, Vec<Parameter>), ToolError> {
    let sent: Vec<Parameter> = given.iter().cloned().chain(added).collect();
    let interaction = |parameters: &[Parameter]| Interaction::Search {
        resource_type: name.to_owned(),
        parameters: parameters.to_vec(),
    };
    match exchange::fetch(server, &interaction(&sent)).await {
        Ok(document) => Ok((document, sent)),
        Err(ToolError::Body(BodyError::Http(failure)))
            if matches!(failure.status, 400 | 422 | 501) && sent.len() > given.len() =>
        {
            let document = exchange::fetch(server, &interaction(given)).await?;
            Ok((document, given.to_vec()))
        }
        Err(error) => Err(error),
    }
}

/// Asks for the number of matches, where the server did not say it by itself.
async fn count(server: &FhirServer, name: &str, given: &[Parameter]) -> Option<u64> {
    let names = selecting(given);
    let mut parameters = given.to_vec();
    parameters.retain(|(name, _)| names.contains(&name.as_str()));
    parameters.push(("_summary".to_owned(), "count".to_owned()));
    let interaction = Interaction::Search {
        resource_type: name.to_owned(),
        parameters,
    };
    let document = exchange::fetch(server, &interaction).await.ok()?;
    match document.json.get("total")? {
        crate::mcp::json::Json::Number(total) => total.parse().ok(),
        _ => None,
    }
}

/// Names of the parameters that select; others shape the answer.
pub(super) fn selecting(parameters: &[Parameter]) -> Vec<&str> {
    const SHAPE: [&str; 7] = [
        "_count",
        "_sort",
        "_summary",
        "_elements",
        "_include",
        "_revinclude",
        "_total",
    ];
    let names = parameters.iter().map(|(name, _)| name.as_str());
    names
        .filter(|name| !SHAPE.contains(&name.split(':').next().unwrap_or(name)))
        .collect()
}

fn value<'a>(parameters: &'a [Parameter], name: &str) -> Option<&'a str> {
    let mut values = parameters.iter().filter(|(known, _)| known == name);
    values.next().map(|(_, value)| value.as_str())
}
