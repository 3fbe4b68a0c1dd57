//! One line in the log for each call: what it was, how it ended, how long it
//! took and how much went in and out. No argument but the resource type, and
//! nothing of an answer.

use std::{io, time::Instant};

use rmcp::model::JsonObject;
use tracing::{Span, field::Empty};

use crate::{client::Call, model::Resource};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// With what was asked for.
    Ok,
    /// With an error that the client is told.
    Error,
    /// Because it took too long.
    Timeout,
    /// Because the client asked for its end, or left.
    Cancelled,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A call that is being worked on. One that is dropped was cancelled.
pub(super) struct CallLog {
    /// Name of the tool, or method of the protocol.
    name: String,
    resource_type: Option<&'static str>,
    call: Call,
    begin: Instant,
    request_bytes: usize,
    span: Span,
    is_written: bool,
}

impl CallLog {
    pub(super) fn begin(name: &str, call: Call, arguments: Option<&JsonObject>) -> Self {
        let resource_type = arguments.and_then(resource_type);
        let span = tracing::info_span!(
            "call",
            name,
            resource_type,
            request_id = %call.id(),
            status = Empty,
            request_bytes = Empty,
            response_bytes = Empty,
        );
        Self {
            name: name.to_owned(),
            resource_type,
            call,
            begin: Instant::now(),
            request_bytes: arguments.map_or(0, size),
            span,
            is_written: false,
        }
    }

    /// The span that the call is worked on in.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Writes how it ended, and how long the answer is.
    pub(super) fn end(mut self, status: Status, response_bytes: usize) {
        self.write(status, response_bytes);
    }

    fn write(&mut self, status: Status, response_bytes: usize) {
        self.is_written = true;
        self.span
            .record("status", status.name())
            .record("request_bytes", self.request_bytes)
            .record("response_bytes", response_bytes);
        tracing::info!(
            name = self.name,
            resource_type = self.resource_type,
            status = status.name(),
            duration_ms = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX),
            request_bytes = self.request_bytes,
            response_bytes,
            request_id = %self.call.id(),
            "call"
        );
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        if !self.is_written {
            self.write(Status::Cancelled, 0);
        }
    }
}

/// The resource type that is asked for, if R4 has it. Any other text may be
/// anything.
fn resource_type(arguments: &JsonObject) -> Option<&'static str> {
    let name = arguments.get("type")?.as_str()?;
    Resource::TYPES.iter().copied().find(|known| *known == name)
}

/// The length of a value as JSON.
pub(super) fn size(value: &impl serde::Serialize) -> usize {
    struct Counter(usize);

    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    // Writing to a counter does not fail.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}
