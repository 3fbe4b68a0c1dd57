//! Logging to standard error.
//!
//! Our own events hold no identifier, query value or body of a patient's record
//! above `trace`. The libraries below us make no such promise (the MCP library
//! logs whole requests and answers at `debug`, the HTTP clients log URLs), so
//! their levels are capped whatever level is asked for.

#[cfg(feature = "otel")]
mod telemetry;

use std::{
    io::{self, IsTerminal},
    panic,
};

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogFormat, LogLevel};

/// Our own target: the name of this library.
const OURS: &str = env!("CARGO_CRATE_NAME");
/// The MCP library; its warnings quote what handlers answered.
const MCP_LIBRARY: &str = "rmcp";

/// Starts logging. A second call changes nothing.
pub fn start(level: LogLevel, format: LogFormat) {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Fails only when logging has been started before.
    let lines = lines.with_filter(targets(level));
    #[cfg(feature = "otel")]
    let (export, failure) = match telemetry::start() {
        Ok(export) => (export, None),
        Err(error) => (None, Some(error)),
    };
    #[cfg(not(feature = "otel"))]
    let export: Option<tracing_subscriber::layer::Identity> = None;
    let _ = tracing_subscriber::registry()
        .with(export)
        .with(lines)
        .try_init();
    #[cfg(feature = "otel")]
    if let Some(error) = failure {
        tracing::error!(%error, "no spans are exported");
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!("{}", fault(place.as_deref()));
    }));
}

/// Hands over what waits to be exported. Not to be called from a runtime, which
/// it would hold up.
pub fn end() {
    #[cfg(feature = "otel")]
    telemetry::end();
}

/// What is said of a fault of our own. Its message is not: the system's own quote
/// the text that was worked on.
fn fault(place: Option<&str>) -> String {
    let place = place.unwrap_or("an unknown place");
    format!("a fault in the program itself, at {place}: please report it")
}

/// What is logged at a level.
pub fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::from_level(Level::WARN)))
        .with_target(MCP_LIBRARY, LevelFilter::ERROR)
        .with_target(OURS, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_capped_whatever_the_level() {
        for level in [LogLevel::Trace, LogLevel::Debug, LogLevel::Info] {
            let targets = targets(level);
            for library in ["hyper::proto", "reqwest::connect", "fhir_sdk::client", "h2"] {
                assert!(!targets.would_enable(library, &Level::INFO), "{library}");
                assert!(targets.would_enable(library, &Level::WARN), "{library}");
            }
            assert!(!targets.would_enable("rmcp::service", &Level::WARN));
        }
        let quiet = targets(LogLevel::Error);
        assert!(!quiet.would_enable("hyper::proto", &Level::WARN));
    }

    #[test]
    fn our_own_level_is_the_one_asked_for() {
        let targets = targets(LogLevel::Debug);
        assert!(targets.would_enable("fhir_mcp_server::client::http", &Level::DEBUG));
        assert!(!targets.would_enable("fhir_mcp_server::client::http", &Level::TRACE));
    }
}
