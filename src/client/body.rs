//! From the bytes of an answer to a resource, with a clear error for each way
//! in which servers answer with something else.

use std::time::Duration;

use serde::de::IgnoredAny;

use super::interaction::{Answer, Interaction};
use crate::{
    model::{Issue, Reading, Resource, Rule},
    validation::Validator,
};

/// What an interaction may be answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    resource_type: Option<String>,
    id: Option<String>,
    may_be_empty: bool,
}

impl Expectation {
    /// A resource of this type.
    pub fn resource(resource_type: impl Into<String>) -> Self {
        Self {
            resource_type: Some(resource_type.into()),
            id: None,
            may_be_empty: false,
        }
    }

    /// What the specification says of an interaction
    /// (<https://hl7.org/fhir/R4/http.html>): a search is answered with a
    /// Bundle, a read with that very resource, an operation with any resource, a
    /// write with any resource or with nothing.
    pub fn of(interaction: &Interaction) -> Self {
        let any = |may_be_empty| Self {
            resource_type: None,
            id: None,
            may_be_empty,
        };
        match interaction {
            Interaction::Capabilities => Self::resource("CapabilityStatement"),
            Interaction::Search { .. } | Interaction::NextPage { .. } => Self::resource("Bundle"),
            Interaction::Read {
                resource_type,
                id,
                operation: None,
                ..
            } => Self {
                id: Some(id.clone()),
                ..Self::resource(resource_type)
            },
            Interaction::Read { .. } => any(false),
            Interaction::Create { .. }
            | Interaction::Update { .. }
            | Interaction::Delete { .. } => any(true),
        }
    }
}

/// A body that is what was expected.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// A resource, with the issues found in it: valid only if
    /// [`Reading::is_valid`]. The value is there, whatever the issues.
    Resource(Reading<Resource>),
    /// No body, where none is needed.
    Nothing,
}

/// An answer that is not what was expected.
///
/// No message quotes the body; the fields hold what a caller may look at.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BodyError {
    /// The HTTP status says that the interaction failed.
    #[error("{0}")]
    Http(Box<HttpFailure>),
    /// No body at all.
    #[error("the answer is empty where a FHIR resource was expected")]
    Empty,
    /// A web page, most often of a proxy or a login.
    #[error(
        "the answer is an HTML page where FHIR JSON was expected; the base URL may be wrong, or a proxy or login page may stand before the server"
    )]
    Html,
    /// XML, of FHIR or else.
    #[error(
        "the answer is XML where FHIR JSON was expected; the server may not support application/fhir+json"
    )]
    Xml,
    /// JSON that ends too early.
    #[error(
        "the answer is JSON that breaks off after {length} bytes; ask again, or for less at once"
    )]
    Truncated {
        /// Bytes that came.
        length: usize,
    },
    /// Neither of these, and not JSON.
    #[error("the answer is not JSON: {}", first(issues))]
    NotJson {
        /// What the reader found.
        issues: Vec<Issue>,
    },
    /// JSON nested too deep to be read.
    #[error("the answer is JSON nested deeper than 128 levels, which no FHIR resource needs")]
    TooDeep,
    /// JSON, but no resource of R4.
    #[error("the answer is JSON but no FHIR R4 resource: {}", first(issues))]
    NotAResource {
        /// What the reader found.
        issues: Vec<Issue>,
    },
    /// Another resource type.
    #[error("the answer is of type {found} where {expected} was asked for")]
    WrongType {
        /// The type asked for.
        expected: String,
        /// The type that came.
        found: String,
    },
    /// Another resource of the right type. The ids are not in the message.
    #[error("the answer is another resource than the one asked for: its id differs or is missing")]
    WrongId {
        /// The id asked for.
        expected: String,
        /// The id that came.
        found: Option<String>,
    },
    /// A valid resource that cannot be used for its purpose.
    #[error("the answer cannot be used: {cause}")]
    Unusable {
        /// What is wrong.
        cause: String,
    },
}

/// An answer with an HTTP status that is no success.
#[derive(Clone, Debug)]
pub struct HttpFailure {
    /// The status.
    pub status: u16,
    /// The server's OperationOutcome, if the body is one.
    pub outcome: Option<Reading<Resource>>,
    /// When the server asks to come back, as a duration from now.
    pub retry_after: Option<Duration>,
    /// Media type of the body, lower case, without parameters.
    pub content_type: Option<String>,
}

impl std::fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the FHIR server answered with HTTP status {}",
            self.status
        )?;
        if let Some(reason) = ::http::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
        {
            write!(f, " ({reason})")?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, "; it asks to wait {} s", wait.as_secs())?;
        }
        Ok(())
    }
}

/// Decodes and validates the body of an answer.
///
/// # Errors
/// [`BodyError`]; a resource that breaks rules of FHIR is none, its issues are
/// in the reading.
pub fn decode(
    answer: &Answer,
    expectation: &Expectation,
    validator: &Validator,
) -> Result<Decoded, BodyError> {
    decode_by(answer, expectation, |body| validator.read(body))
}

/// [`decode`] with another way to read the resource.
///
/// # Errors
/// As [`decode`].
pub fn decode_by(
    answer: &Answer,
    expectation: &Expectation,
    read: impl FnOnce(&[u8]) -> Reading<Resource>,
) -> Result<Decoded, BodyError> {
    if !(200..300).contains(&answer.status) {
        return Err(BodyError::Http(Box::new(failure(answer))));
    }
    if answer.body.trim_ascii().is_empty() {
        return if expectation.may_be_empty {
            Ok(Decoded::Nothing)
        } else {
            Err(BodyError::Empty)
        };
    }
    if let Some(error) = markup(answer) {
        return Err(error);
    }
    let reading = read(&answer.body);
    let Some(resource) = &reading.value else {
        return Err(unreadable(&answer.body, reading.issues));
    };
    check_identity(resource, expectation)?;
    Ok(Decoded::Resource(reading))
}

fn failure(answer: &Answer) -> HttpFailure {
    let outcome = Some(&answer.body)
        .filter(|body| body.trim_ascii_start().starts_with(b"{"))
        .map(|body| Resource::from_slice(body))
        .filter(|reading| {
            let value = reading.value.as_ref();
            value.is_some_and(|resource| resource.resource_type() == "OperationOutcome")
        });
    HttpFailure {
        status: answer.status,
        outcome,
        retry_after: answer.retry_after,
        content_type: answer.content_type.clone(),
    }
}

/// HTML and XML, by their first bytes or, where these say nothing, by the media
/// type: servers label FHIR JSON with all kinds of types.
fn markup(answer: &Answer) -> Option<BodyError> {
    let body = answer.body.trim_ascii_start();
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if !body.starts_with(b"<") {
        return None;
    }
    let start = body[..body.len().min(512)].to_ascii_lowercase();
    let html = [&b"<!doctype html"[..], b"<html", b"<head", b"<body"]
        .iter()
        .any(|tag| start.starts_with(tag));
    let media_type = answer.content_type.as_deref().unwrap_or_default();
    if html || matches!(media_type, "text/html" | "application/xhtml+xml") {
        Some(BodyError::Html)
    } else {
        Some(BodyError::Xml)
    }
}

/// Why no resource could be built at all.
fn unreadable(body: &[u8], issues: Vec<Issue>) -> BodyError {
    let has = |rule| issues.iter().any(|issue| issue.rule == rule);
    if has(Rule::JsonDepth) {
        return BodyError::TooDeep;
    }
    let syntax = serde_json::from_slice::<IgnoredAny>(body).err();
    if syntax.as_ref().is_some_and(serde_json::Error::is_eof) {
        let length = body.len();
        BodyError::Truncated { length }
    } else if syntax.is_some() || has(Rule::JsonSyntax) || has(Rule::JsonEncoding) {
        BodyError::NotJson { issues }
    } else {
        BodyError::NotAResource { issues }
    }
}

/// Words for the first issue, without what the body has in its place.
fn first(issues: &[Issue]) -> String {
    match issues.first() {
        Some(issue) => format!(
            "expected {} at line {}, column {}",
            issue.expected, issue.line, issue.column
        ),
        None => "it could not be read".to_owned(),
    }
}

fn check_identity(resource: &Resource, expectation: &Expectation) -> Result<(), BodyError> {
    let found = resource.resource_type();
    if let Some(expected) = expectation.resource_type.as_deref()
        && expected != found
    {
        return Err(BodyError::WrongType {
            expected: expected.to_owned(),
            found: found.to_owned(),
        });
    }
    let found = resource.id();
    if expectation.id.is_some() && found != expectation.id {
        return Err(BodyError::WrongId {
            expected: expectation.id.clone().unwrap_or_default(),
            found,
        });
    }
    Ok(())
}
