//! All that is logged while a test runs, and canaries that must not be in it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use base64::{Engine as _, engine::general_purpose};
use fhir_mcp_server::{config::LogLevel, logging};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::{Dispatch, level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};

/// Takes in what this thread logs, at the level TRACE by the filter of the
/// product. A `#[tokio::test]` has one thread, so that is the whole test.
pub(crate) struct Log {
    lines: Lines,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn start() -> Self {
        // With one subscriber alone, a line that a thread without any comes to
        // first counts as one that nobody wants, on all threads.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry().with(LevelFilter::OFF)));
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .with_writer(lines.clone());
        let subscriber = tracing_subscriber::registry()
            .with(logging::targets(LogLevel::Trace))
            .with(layer);
        Self {
            lines,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.lines.get().clone()).unwrap()
    }

    /// That something was logged, and none of the canaries, in no encoding.
    pub(crate) fn assert_without(&self, canaries: &[&str]) {
        let text = self.text();
        assert!(!text.is_empty(), "nothing was logged");
        assert_eq!(hits(&text, canaries), Vec::<String>::new());
    }
}

/// The canaries in a text: as they are, percent-encoded, as JSON, in base64.
pub(crate) fn hits(text: &str, canaries: &[&str]) -> Vec<String> {
    let mut hits = Vec::new();
    for canary in canaries {
        let escaped = serde_json::to_string(canary).unwrap();
        let forms = [
            (*canary).to_owned(),
            utf8_percent_encode(canary, NON_ALPHANUMERIC).to_string(),
            escaped.trim_matches('"').to_owned(),
            general_purpose::STANDARD_NO_PAD.encode(canary),
            general_purpose::URL_SAFE_NO_PAD.encode(canary),
        ];
        for form in forms {
            if let Some(at) = text.find(&form) {
                let line = text[..at].lines().count();
                hits.push(format!("{canary} as {form} near line {line}"));
            }
        }
    }
    hits
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn get(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.get().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
