//! Writes: which are allowed, what the user is asked, and the seal on the
//! answer.
//!
//! A write is planned first: its arguments are checked, the stored resource is
//! read, and what will happen is put into words. Unless the operator said
//! otherwise the user is then asked by
//! [elicitation](https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation).
//! Only a confirmation of this user, for these arguments and for what they were
//! shown lets the write happen, once, and for a few minutes.

mod confirmation;
mod difference;
mod question;
pub(crate) mod seal;

use std::time::Duration;

pub(crate) use confirmation::{Outcome, run};
pub(crate) use question::Question;
pub(crate) use seal::Seal;

use futures::future::BoxFuture;
use rmcp::model::JsonObject;

use super::{FhirServer, arguments::View, failure::ToolError};
use crate::client::{HttpFailure, Interaction, Secret};

/// How long a confirmation counts when the operator does not say.
const CONFIRM_WITHIN: Duration = Duration::from_secs(300);

/// How writes are treated, where they are allowed at all.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The resource types that may be written; all when empty.
    pub types: Vec<String>,
    /// What may be done; everything when empty.
    pub interactions: Vec<WriteInteraction>,
    /// Whether writes happen without asking the user.
    pub without_confirmation: bool,
    /// How long a confirmation counts; 5 minutes when not given.
    pub confirm_within: Option<Duration>,
    /// What several instances of the server seal confirmations with, at least 32
    /// bytes; each its own when not given.
    pub seal_key: Option<Secret>,
}

/// A kind of write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteInteraction {
    /// A new resource.
    Create,
    /// Another content of a resource.
    Update,
    /// Its removal.
    Delete,
    /// An operation by one of the writing tools, whatever it does.
    Operation,
}

impl WriteInteraction {
    /// Name of the tool, and in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Operation => "operation",
        }
    }
}

impl WriteOptions {
    /// Whether this kind of write is allowed.
    pub(crate) fn offers(&self, interaction: WriteInteraction) -> bool {
        self.interactions.is_empty() || self.interactions.contains(&interaction)
    }

    /// Whether a type may be written, and an operation on it called.
    ///
    /// # Errors
    /// [`WriteError::NotAllowed`].
    pub(crate) fn check(
        &self,
        resource_type: &str,
        operation: Option<&str>,
    ) -> Result<(), WriteError> {
        if !self.types.is_empty() && !self.types.iter().any(|known| known == resource_type) {
            return Err(WriteError::NotAllowed(format!(
                "writing {resource_type}; it allows {}",
                self.types.join(", ")
            )));
        }
        let Some(operation) = operation else {
            return Ok(());
        };
        if !self.offers(WriteInteraction::Operation) {
            let allowed = self.interactions.iter().map(|known| known.as_str());
            let allowed: Vec<&str> = allowed.collect();
            return Err(WriteError::NotAllowed(format!(
                "operations that may write; it allows {}",
                allowed.join(", ")
            )));
        }
        // Behind a type stands what else a path can name: another type.
        if !self.types.is_empty() && !operation.starts_with('$') {
            return Err(WriteError::NotAllowed(
                "writing below a resource other than by an operation, whose name begins with $"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// How long a confirmation counts.
    fn confirm_within(&self) -> Duration {
        self.confirm_within.unwrap_or(CONFIRM_WITHIN)
    }
}

/// A write that can be done, and what is to be said of it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) interaction: Interaction,
    /// What the user is asked.
    pub(crate) question: Question,
    /// How the answer of the FHIR server is shown; a deletion has no view.
    pub(crate) view: Option<View>,
    /// What the answer says beside it.
    pub(crate) warnings: Vec<String>,
}

/// Why a write did not happen. Nothing was written by this call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The operator does not allow it.
    #[error("this server does not allow {0}. Nothing was sent")]
    NotAllowed(String),
    /// There is nobody to ask.
    #[error(
        "a write needs the confirmation of the user, and this client offers no way to ask for it: it does not declare elicitation, or cannot be asked over this connection (over HTTP that takes protocol version 2026-07-28, or a server with --legacy-sessions). Nothing was sent. Do not try again; tell the user that the operator of this server can allow writes without confirmation with --no-confirm"
    )]
    NoElicitation,
    /// The user, or their client, did not agree.
    #[error("{0}. Nothing was written. Do not call again unless the user asks for it")]
    NotConfirmed(&'static str),
    /// The user was asked, and the time was over.
    #[error(
        "the user did not answer in time: a confirmation of this call is waited for {} seconds. Nothing was written. Tell the user, and call again when they are there", .0.as_secs()
    )]
    Unanswered(Duration),
    /// A confirmation that does not hold. One message for all reasons, so that
    /// it says nothing to whoever tries; one that was used says so, as its seal
    /// was opened by the user and for the call that it was made for.
    #[error(
        "the confirmation does not hold: it is none of this server's, belongs to another call or user, or has expired. This call wrote nothing. If it was confirmed before, look first whether that write took place; else call the tool anew to have the user asked again"
    )]
    BadConfirmation,
    /// A confirmation that was used before: the same call came twice.
    #[error(
        "this confirmation was used before, by an earlier call whose answer may have been lost: unless it was declined then, the write may have taken place. This call wrote nothing. Do not call the tool anew before you know: read the resource, or search for it, and tell the user what you find"
    )]
    Spent,
    /// So many confirmations were used of late that no more can be remembered.
    #[error(
        "too many writes were confirmed of late, and this confirmation was not taken. Nothing was written. Call the tool anew in a few minutes"
    )]
    TooMany,
    /// It changed again and again while the user was asked.
    #[error(
        "the stored resource changed each time while the user was asked. Nothing was written; read it and decide again"
    )]
    KeepsChanging,
    /// The payload was made from another version than the current one.
    #[error(
        "the payload was made from version {base} (its meta.versionId), but the server now has version {current}: someone changed the resource meanwhile. Nothing was written. Read it again with view raw, make the change there, and call again"
    )]
    Outdated { base: String, current: String },
    /// The server has another version than the one that was read.
    #[error(
        "someone else changed the resource after it was read: the server refuses to replace or delete a version that is no longer the current one (HTTP 412). Nothing was written. Read it again with view raw, make the change there, and call again"
    )]
    Changed(Box<HttpFailure>),
    /// There is nothing to delete.
    #[error("{0}. Nothing was written")]
    Nothing(String),
    /// A condition that does not select one resource.
    #[error("{0}. Nothing was written")]
    Condition(String),
}

impl WriteError {
    /// The code of the value set
    /// [issue-type](https://hl7.org/fhir/R4/valueset-issue-type.html).
    pub(crate) fn issue_type(&self) -> &'static str {
        match self {
            Self::NotAllowed(_) | Self::NoElicitation => "forbidden",
            Self::NotConfirmed(_) => "suppressed",
            Self::Unanswered(_) => "timeout",
            Self::BadConfirmation => "security",
            Self::Spent => "duplicate",
            Self::TooMany => "throttled",
            Self::KeepsChanging | Self::Outdated { .. } | Self::Changed(_) => "conflict",
            Self::Nothing(_) => "not-found",
            Self::Condition(_) => "multiple-matches",
        }
    }
}

/// What a writing tool makes of its arguments.
pub(crate) type PlanCall =
    for<'a> fn(&'a FhirServer, JsonObject) -> BoxFuture<'a, Result<Plan, ToolError>>;
