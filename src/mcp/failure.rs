//! Why a tool call failed, as a model can act on it: an
//! [OperationOutcome](https://hl7.org/fhir/R4/operationoutcome.html).

use super::{
    issues::{self, shortened},
    json::Json,
    write::WriteError,
};
use crate::{
    auth::compartment::Outside,
    client::{BodyError, ClientError, HttpFailure},
    model::{Issue, Reading, Resource},
};

/// Characters of an error answer at most: hosts cut longer ones.
const MAX_LENGTH: usize = 8_000;

/// Issues of the FHIR server that are passed on at most.
const MAX_SERVER_ISSUES: usize = 20;

/// Where HTTP status codes are defined.
const STATUS_SYSTEM: &str = "https://www.rfc-editor.org/rfc/rfc9110#name-status-codes";

/// Why a tool call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// An argument is missing or of the wrong kind.
    #[error("{}{problem}", argument.as_ref().map(|name| format!("argument {name}: ")).unwrap_or_default())]
    Argument {
        argument: Option<String>,
        problem: String,
    },
    /// A resource type that R4 does not have.
    #[error("{given:?} is no FHIR R4 resource type{}", near_names(.near))]
    UnknownType {
        given: String,
        near: Vec<&'static str>,
    },
    /// Search parameters that cannot be used.
    #[error("{}", .problems.join(". "))]
    Parameters {
        problems: Vec<String>,
        resource_type: String,
        /// What the type has, by name.
        valid: Vec<String>,
    },
    /// A payload that is no valid resource; nothing was sent.
    #[error(
        "the payload is not valid FHIR R4, nothing was sent to the server; correct it and call again"
    )]
    InvalidPayload { issues: Vec<Issue> },
    /// A resource with errors, kept back.
    #[error(
        "the server's {resource_type} breaks rules of FHIR R4 and is withheld: its content cannot be trusted"
    )]
    Withheld {
        resource_type: String,
        issues: Vec<Issue>,
    },
    /// A cursor that is none of ours, or not for this call.
    #[error(
        "the cursor does not hold: it is none of this server's, was changed, was made before a restart, or belongs to another user, tool or type; leave it out and start again"
    )]
    BadCursor,
    /// Too long to be shown whole.
    #[error("the answer is {length} characters long, the limit is {limit}; {advice}")]
    TooLong {
        length: usize,
        limit: usize,
        advice: &'static str,
    },
    /// Type or element that `describe` does not know.
    #[error("{given:?} is neither a type nor an element path of FHIR R4; {hint}")]
    UnknownElement { given: String, hint: String },
    /// What the server does not offer.
    #[error("{0}")]
    NotSupported(String),
    /// Nothing of the patient that the session is for.
    #[error(transparent)]
    Outside(#[from] Outside),
    /// An answer with something of others than the patient that the session is
    /// for.
    #[error(
        "this session is for one patient, Patient/{patient}: the FHIR server's answer holds records of others and is withheld as a whole; ask for records of Patient/{patient} by search"
    )]
    OfOthers { status: u16, patient: String },
    /// Not among what the authorization server granted.
    #[error(
        "the granted scopes do not allow this: {what}; nothing was sent, whoever signs in must grant it"
    )]
    NotGranted { what: String },
    /// A write that did not happen.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No usable answer.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// No usable answer to a write that took place.
    #[error("the server carried it out (HTTP {status}), so do not repeat it, but {cause}")]
    AfterWrite { status: u16, cause: String },
    /// A write was sent, and nothing tells what became of it.
    #[error(
        "{cause}, so the outcome of this write is unknown: it may have taken place. Do not repeat it before you know: read the resource, or search for it, and tell the user what you find"
    )]
    OutcomeUnknown {
        cause: String,
        failure: Option<Box<HttpFailure>>,
    },
}

impl ToolError {
    /// The error as an OperationOutcome of at most 8,000 characters.
    pub(crate) fn outcome(&self) -> Json {
        let mut first = Json::object([
            ("severity", Json::text("error")),
            ("code", Json::text(self.issue_type())),
        ]);
        if let Self::Body(BodyError::Http(failure))
        | Self::OutcomeUnknown {
            failure: Some(failure),
            ..
        } = self
        {
            first.set("details", status_details(failure.status));
        }
        first.set("diagnostics", Json::text(self.diagnostics()));
        let mut list = vec![first];
        list.extend(self.further_issues());
        bounded(list)
    }

    /// Whether there is no such resource, or can be none.
    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            Self::Client(ClientError::InvalidId) => true,
            Self::Body(BodyError::Http(failure)) => matches!(failure.status, 404 | 410),
            _ => false,
        }
    }

    /// The code of the value set
    /// [issue-type](https://hl7.org/fhir/R4/valueset-issue-type.html).
    fn issue_type(&self) -> &'static str {
        match self {
            Self::Argument { problem, .. } if problem.contains("missing") => "required",
            Self::Argument { .. } | Self::BadCursor => "value",
            Self::UnknownType { given, .. } if given.is_empty() => "required",
            Self::UnknownType { .. } | Self::Parameters { .. } | Self::NotSupported(_) => {
                "not-supported"
            }
            Self::UnknownElement { .. } => "not-found",
            Self::InvalidPayload { .. } | Self::Withheld { .. } => "invalid",
            Self::TooLong { .. } => "too-long",
            Self::Outside(_) | Self::OfOthers { .. } | Self::NotGranted { .. } => "forbidden",
            Self::Write(error) => error.issue_type(),
            Self::Client(error) => client_issue_type(error),
            Self::Body(BodyError::Http(failure)) => status_issue_type(failure.status),
            Self::Body(BodyError::TooDeep) => "too-costly",
            Self::Body(_) | Self::AfterWrite { .. } => "structure",
            Self::OutcomeUnknown { .. } => "incomplete",
        }
    }

    fn diagnostics(&self) -> String {
        match self {
            Self::Parameters {
                problems,
                resource_type,
                valid,
            } => format!(
                "{}. Nothing was sent. Search parameters of {resource_type}: {}. For every type: _id, _lastUpdated, _tag, _profile, _security, _has, _sort, _count, _include, _revinclude, _summary, _elements, _total",
                problems.join(". "),
                valid.join(", ")
            ),
            Self::UnknownType { .. } => format!(
                "{self}. Nothing was sent. Types are case sensitive; all are listed at https://hl7.org/fhir/R4/resourcelist.html"
            ),
            Self::Body(BodyError::Http(failure)) => http_advice(failure),
            other => other.to_string(),
        }
    }

    /// Issues of the reader or of the FHIR server, behind our own.
    fn further_issues(&self) -> Vec<Json> {
        match self {
            Self::InvalidPayload { issues }
            | Self::Withheld { issues, .. }
            | Self::Body(BodyError::NotAResource { issues }) => {
                issues::outcome(issues, issues::MAX_GROUPS)
            }
            Self::Write(WriteError::Changed(failure))
            | Self::Body(BodyError::Http(failure))
            | Self::OutcomeUnknown {
                failure: Some(failure),
                ..
            } => failure
                .outcome
                .as_ref()
                .map(server_issues)
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// ` (near: A, B)`, or nothing.
pub(crate) fn near_names<T: AsRef<str>>(near: &[T]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = near.iter().map(AsRef::as_ref).collect();
    format!(" (near: {})", names.join(", "))
}

fn client_issue_type(error: &ClientError) -> &'static str {
    match error {
        ClientError::InvalidType | ClientError::InvalidId | ClientError::InvalidOperation => {
            "value"
        }
        ClientError::OutsideBase | ClientError::Redirect { .. } => "security",
        ClientError::Timeout { .. } => "timeout",
        ClientError::Credential(_) => "login",
        ClientError::TooLarge { .. } | ClientError::UrlTooLong { .. } => "too-long",
        ClientError::Connect { .. } | ClientError::Interrupted { .. } => "transient",
        _ => "exception",
    }
}

fn status_issue_type(status: u16) -> &'static str {
    match status {
        401 => "login",
        403 => "forbidden",
        404 => "not-found",
        405 | 501 => "not-supported",
        409 | 412 => "conflict",
        410 => "deleted",
        413 => "too-long",
        422 => "processing",
        429 => "throttled",
        503 | 504 => "transient",
        400..=499 => "invalid",
        _ => "exception",
    }
}

fn status_details(status: u16) -> Json {
    let reason = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("without a registered meaning");
    Json::object([
        (
            "coding",
            Json::Array(vec![Json::object([
                ("system", Json::text(STATUS_SYSTEM)),
                ("code", Json::text(status.to_string())),
            ])]),
        ),
        ("text", Json::text(format!("HTTP {status} {reason}"))),
    ])
}

fn http_advice(failure: &HttpFailure) -> String {
    let advice = match failure.status {
        400 | 422 => "correct what the server names and call again",
        401 => {
            "the server wants a valid access token, which is a matter of this server's configuration"
        }
        403 => "the access token does not allow this",
        404 => "there is no such resource; find ids with search",
        405 | 501 => "the server does not offer this; get_capabilities says what it does",
        409 | 412 => {
            "it conflicts with the state on the server; read the resource and decide again"
        }
        410 => "the resource was deleted; read it with operation _history to see earlier versions",
        413 => "ask for less at once",
        429 | 503 => "the server is busy; try later",
        _ => "the fault lies with the server; the same call may work later",
    };
    let mut text = format!("{failure}; {advice}");
    if let Some(wait) = failure.retry_after {
        text.push_str(&format!(". Retry-After: {} s", wait.as_secs()));
    }
    match (&failure.outcome, failure.content_type.as_deref()) {
        (None, Some(media_type)) => {
            text.push_str(&format!(
                ". The server gave no OperationOutcome but {}",
                shortened(media_type)
            ));
        }
        (None, None) => text.push_str(". The server gave no OperationOutcome"),
        (Some(_), _) => {}
    }
    text
}

/// The issues of the server's OperationOutcome with what tells something.
/// The outcome may break rules of FHIR itself: it is an explanation, not data,
/// so what can be read of it is passed on.
fn server_issues(outcome: &Reading<Resource>) -> Vec<Json> {
    let Some(json) = outcome
        .value
        .as_ref()
        .and_then(|resource| Json::parse(&resource.to_json()))
    else {
        return Vec::new();
    };
    json.list("issue")
        .iter()
        .take(MAX_SERVER_ISSUES)
        .map(|issue| {
            let mut kept = Json::Object(Vec::new());
            for name in [
                "severity",
                "code",
                "details",
                "diagnostics",
                "location",
                "expression",
            ] {
                match issue.get(name) {
                    Some(Json::String(text)) => kept.set(name, Json::text(limited(text, 1_000))),
                    Some(value) if value.text_len() < 1_000 => kept.set(name, value.clone()),
                    _ => {}
                }
            }
            kept
        })
        .collect()
}

/// As many issues as fit, and a remark when that is not all.
fn bounded(list: Vec<Json>) -> Json {
    let mut kept = Vec::new();
    // Leaves room for a remark on hidden characters.
    let mut length = 900;
    let count = list.len();
    for mut issue in list {
        if kept.is_empty()
            && let Some(text) = issue
                .str("diagnostics")
                .map(|text| limited(text, MAX_LENGTH - 1_000))
        {
            issue.set("diagnostics", Json::String(text));
        }
        length += issue.text_len() + 1;
        if length > MAX_LENGTH && !kept.is_empty() {
            break;
        }
        kept.push(issue);
    }
    if kept.len() < count {
        kept.push(Json::object([
            ("severity", Json::text("information")),
            ("code", Json::text("informational")),
            (
                "diagnostics",
                Json::text(format!("{} more issues are not shown", count - kept.len())),
            ),
        ]));
    }
    Json::object([
        ("resourceType", Json::text("OperationOutcome")),
        ("issue", Json::Array(kept)),
    ])
}

fn limited(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_http_failure_keeps_status_and_retry_after() {
        let error = ToolError::Body(BodyError::Http(Box::new(HttpFailure {
            status: 429,
            outcome: None,
            retry_after: Some(Duration::from_secs(7)),
            content_type: Some("text/html".to_owned()),
        })));
        let outcome = error.outcome();
        let issue = &outcome.list("issue")[0];
        assert_eq!(issue.str("code"), Some("throttled"));
        let details = issue.get("details").unwrap();
        assert_eq!(details.list("coding")[0].str("code"), Some("429"));
        let diagnostics = issue.str("diagnostics").unwrap();
        assert!(diagnostics.contains("Retry-After: 7 s"), "{diagnostics}");
        assert!(diagnostics.contains("text/html"), "{diagnostics}");
    }

    #[test]
    fn an_error_answer_is_bounded() {
        let error = ToolError::Parameters {
            problems: vec!["x".repeat(30_000)],
            resource_type: "Patient".to_owned(),
            valid: Vec::new(),
        };
        assert!(error.outcome().to_text().chars().count() <= 8_000);
    }
}
