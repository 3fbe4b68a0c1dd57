//! Asks the FHIR server and judges what comes back: nothing goes on to a
//! client that was not decoded and validated.

use std::collections::BTreeMap;

use super::{
    FhirServer, OnInvalid,
    failure::ToolError,
    issues,
    json::Json,
    session::{Narrowing, Sent},
};
use crate::{
    client::{Answer, BodyError, Decoded, Expectation, Interaction, decode},
    model::{Issue, Reading, Resource},
};

/// Kinds of issues that stand beside a resource at most.
const MAX_GROUPS: usize = 5;

/// Why a resource without errors may be withheld.
const UNASKED: &str = "the server gave it as a match, but another type was asked for";

/// A resource as the server sent it, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Document {
    /// The FHIR JSON of the body.
    pub(crate) json: Json,
    /// Errors only.
    pub(crate) errors: Vec<Issue>,
    /// Where less was asked for than the caller said.
    pub(crate) narrowing: Option<Narrowing>,
}

/// Decodes the answer to an interaction. No document stands for an empty body
/// where none is needed.
///
/// # Errors
/// [`ToolError::Body`].
pub(crate) fn received(
    server: &FhirServer,
    answer: &Answer,
    interaction: &Interaction,
) -> Result<Option<Document>, ToolError> {
    match decode(answer, &Expectation::of(interaction), server.validator())? {
        Decoded::Nothing => Ok(None),
        Decoded::Resource(reading) => document(answer, reading).map(Some),
    }
}

/// Sends an interaction whose answer must be a resource.
///
/// # Errors
/// [`ToolError::Client`] and [`ToolError::Body`].
pub(crate) async fn fetch(
    server: &FhirServer,
    interaction: &Interaction,
) -> Result<Document, ToolError> {
    let Sent { answer, narrowing } = server.send(interaction).await?;
    let document = received(server, &answer, interaction)?;
    let mut document = document.ok_or(ToolError::Body(BodyError::Empty))?;
    document.narrowing = narrowing;
    Ok(document)
}

fn document(answer: &Answer, reading: Reading<Resource>) -> Result<Document, ToolError> {
    let mut errors = reading.issues;
    errors.retain(|issue| issue.severity.is_error());
    // The text of the server is shown, not our own writing of it; that only
    // where the reader forgave something that is no JSON.
    let json = std::str::from_utf8(&answer.body)
        .ok()
        .and_then(|text| Json::parse(text.trim_start_matches('\u{feff}')))
        .or_else(|| Json::parse(&reading.value?.to_json()));
    match json {
        Some(json) => Ok(Document {
            json,
            errors,
            narrowing: None,
        }),
        None => Err(ToolError::Body(BodyError::NotJson { issues: errors })),
    }
}

impl Document {
    /// Takes the issues of the entries out of those of a Bundle: by index of the
    /// entry, with expressions that start at its resource. What is left is about
    /// the Bundle itself.
    pub(crate) fn take_entry_errors(&mut self) -> BTreeMap<usize, Vec<Issue>> {
        let mut by_entry: BTreeMap<usize, Vec<Issue>> = BTreeMap::new();
        let entries = self.json.list("entry");
        self.errors.retain_mut(|issue| {
            let Some((index, rest)) = entry_expression(&issue.expression) else {
                return true;
            };
            let resource = entries.get(index).and_then(|entry| entry.get("resource"));
            let root = resource.and_then(|resource| resource.str("resourceType"));
            issue.expression = format!("{}{rest}", root.unwrap_or("Resource"));
            by_entry.entry(index).or_default().push(issue.clone());
            false
        });
        by_entry
    }
}

/// Index and rest of `Bundle.entry[3].resource.status`.
fn entry_expression(expression: &str) -> Option<(usize, &str)> {
    let rest = expression.strip_prefix("Bundle.entry[")?;
    let (index, rest) = rest.split_once(']')?;
    let rest = rest.strip_prefix(".resource")?;
    (rest.is_empty() || rest.starts_with('.')).then_some(())?;
    Some((index.parse().ok()?, rest))
}

/// Whether a resource with these errors is kept back.
pub(crate) fn is_withheld(errors: &[Issue], on_invalid: OnInvalid) -> bool {
    !errors.is_empty() && on_invalid == OnInvalid::Withhold
}

/// What stands in place of a withheld resource; without errors it is one of a
/// type that was not asked for.
pub(crate) fn stand_in(resource: &Json, errors: &[Issue]) -> Json {
    let mut stand_in = Json::Object(Vec::new());
    for name in ["resourceType", "id"] {
        if let Some(Json::String(text)) = resource.get(name) {
            stand_in.set(name, Json::text(issues::shortened(text)));
        }
    }
    stand_in.set("withheld", Json::Bool(true));
    match errors {
        [] => stand_in.set("reason", Json::text(UNASKED)),
        _ => stand_in.set("issues", listed(errors)),
    }
    stand_in
}

/// What stands in place of a withheld resource where FHIR JSON is expected: an
/// OperationOutcome.
pub(crate) fn raw_stand_in(resource: &Json, errors: &[Issue]) -> Json {
    let name = |name| resource.str(name).unwrap_or("?");
    let reason = match errors {
        [] => UNASKED,
        _ => "it breaks rules of FHIR R4",
    };
    let reference = issues::shortened(&format!("{}/{}", name("resourceType"), name("id")));
    let mut list = vec![Json::object([
        ("severity", Json::text("error")),
        ("code", Json::text("invalid")),
        (
            "diagnostics",
            Json::text(format!("{reference} is withheld: {reason}")),
        ),
    ])];
    list.extend(issues::outcome(errors, MAX_GROUPS));
    Json::object([
        ("resourceType", Json::text("OperationOutcome")),
        ("issue", Json::Array(list)),
    ])
}

/// The issues that stand beside a resource.
pub(crate) fn listed(errors: &[Issue]) -> Json {
    issues::listed(errors, MAX_GROUPS, false)
}

#[cfg(test)]
mod tests {
    use super::entry_expression;

    #[test]
    fn issues_of_entries_are_told_from_those_of_the_bundle() {
        assert_eq!(
            entry_expression("Bundle.entry[12].resource.name[0].use"),
            Some((12, ".name[0].use"))
        );
        assert_eq!(entry_expression("Bundle.entry[0].resource"), Some((0, "")));
        for own in [
            "Bundle",
            "Bundle.type",
            "Bundle.entry[0].search.mode",
            "Bundle.entry[0].resourceX",
        ] {
            assert_eq!(entry_expression(own), None, "{own}");
        }
    }
}
