//! What stands behind an interaction: a call, with one id for the log, the
//! audit and the FHIR server.

use std::sync::Arc;

use reqwest::header::HeaderValue;
use uuid::Uuid;

use super::audit::AuditLog;

/// One call of a client of ours. Whatever is asked of the FHIR server for it,
/// pages and repeats included, carries its id as
/// [`X-Request-Id`](https://hl7.org/fhir/R4/http.html#custom).
#[derive(Clone, Debug)]
pub struct Call {
    id: Uuid,
    principal: Option<Arc<str>>,
}

impl Call {
    /// A call with a new, random id. `principal` stands for the user; without
    /// one it is whoever started the program.
    pub fn new(principal: Option<&str>) -> Self {
        Self {
            id: Uuid::new_v4(),
            principal: principal.map(Arc::from),
        }
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Who makes it.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// Its id as it is sent.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.id.hyphenated().to_string()).ok()
    }
}

/// For which call a source works, and where it writes what it did.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    pub(super) call: Option<Call>,
    pub(super) audit: Option<Arc<AuditLog>>,
}

impl Trail {
    /// The call; an interaction that belongs to none is one of its own.
    pub(super) fn call(&self) -> Call {
        self.call.clone().unwrap_or_else(|| Call::new(None))
    }
}
