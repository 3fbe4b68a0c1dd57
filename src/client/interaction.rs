//! What can be asked of a FHIR server, and what it answers, before the body is
//! decoded.

use std::time::Duration;

/// A name and a value of a query, as typed: neither is encoded.
pub type Parameter = (String, String);

/// One FHIR interaction (<https://hl7.org/fhir/R4/http.html>). Types, ids and
/// operations are checked by whoever sends it; no part of it is a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// `GET [base]/metadata`
    Capabilities,
    /// `GET [base]/[type]?…`
    Search {
        /// Resource type.
        resource_type: String,
        /// Search parameters in order; repeated names mean AND.
        parameters: Vec<Parameter>,
    },
    /// `GET` of a further page: the `next` link of an earlier answer.
    NextPage {
        /// The link as the server gave it, absolute or relative.
        link: String,
    },
    /// `GET [base]/[type]/[id]`, or `[base]/[type]/[id]/[operation]?…`
    Read {
        /// Resource type.
        resource_type: String,
        /// Logical id.
        id: String,
        /// For instance `$everything` or `_history`.
        operation: Option<String>,
        /// Query parameters.
        parameters: Vec<Parameter>,
    },
    /// `POST [base]/[type]`, or `[base]/[type]/[operation]?…`
    Create {
        /// Resource type.
        resource_type: String,
        /// For instance `$validate`.
        operation: Option<String>,
        /// Query parameters.
        parameters: Vec<Parameter>,
        /// FHIR JSON.
        body: String,
    },
    /// `PUT [base]/[type]/[id]`; without an id a conditional update
    /// (`PUT [base]/[type]?…`).
    Update {
        /// Resource type.
        resource_type: String,
        /// Logical id.
        id: Option<String>,
        /// For instance `$meta-add`.
        operation: Option<String>,
        /// Query parameters.
        parameters: Vec<Parameter>,
        /// ETag of the version that is replaced: the server refuses with 412
        /// when it has another one
        /// (<https://hl7.org/fhir/R4/http.html#concurrency>).
        if_match: Option<String>,
        /// FHIR JSON.
        body: String,
    },
    /// `DELETE [base]/[type]/[id]`; without an id a conditional delete
    /// (`DELETE [base]/[type]?…`).
    Delete {
        /// Resource type.
        resource_type: String,
        /// Logical id.
        id: Option<String>,
        /// Rarely used; kept for callers of the Python server.
        operation: Option<String>,
        /// Query parameters.
        parameters: Vec<Parameter>,
        /// ETag of the only version that is deleted. R4 says nothing of it for a
        /// deletion, HTTP does
        /// ([RFC 9110 §13.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1));
        /// some servers ignore it.
        if_match: Option<String>,
    },
}

impl Interaction {
    /// The resource type that it names.
    pub fn resource_type(&self) -> Option<&str> {
        match self {
            Self::Capabilities | Self::NextPage { .. } => None,
            Self::Search { resource_type, .. }
            | Self::Read { resource_type, .. }
            | Self::Create { resource_type, .. }
            | Self::Update { resource_type, .. }
            | Self::Delete { resource_type, .. } => Some(resource_type),
        }
    }

    /// The parameters of its query.
    pub fn parameters(&self) -> &[Parameter] {
        match self {
            Self::Capabilities | Self::NextPage { .. } => &[],
            Self::Search { parameters, .. }
            | Self::Read { parameters, .. }
            | Self::Create { parameters, .. }
            | Self::Update { parameters, .. }
            | Self::Delete { parameters, .. } => parameters,
        }
    }
}

/// What a FHIR server answered: not yet decoded, not yet trusted.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type without parameters, lower case, if any was given.
    pub content_type: Option<String>,
    /// `Location` (or `Content-Location`) header.
    pub location: Option<String>,
    /// `ETag` header.
    pub etag: Option<String>,
    /// `Retry-After`, as a duration from now.
    pub retry_after: Option<Duration>,
    /// Decompressed body, at most the configured size.
    pub body: Vec<u8>,
}
