//! Spans of calls and of requests to the FHIR server, by
//! [OTLP](https://opentelemetry.io/docs/specs/otlp/) over HTTP.
//!
//! Only our own spans go out, and of them only what our log says as well: names,
//! types, status, durations, sizes, the request id. Their fields are chosen
//! where they are made; events, whose texts are many, do not go out at all.

use std::sync::OnceLock;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::OURS;

/// Variables that say where spans go. They are those of the specification, which
/// the library reads, with all its others
/// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// What exports, where an endpoint is set.
///
/// # Errors
/// When what is set cannot be used.
pub(super) fn start<S>() -> Result<Option<impl Layer<S>>, ExporterBuildError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let is_set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if !ENDPOINTS.iter().any(|name| is_set(name)) {
        return Ok(None);
    }
    let exporter = SpanExporter::builder().with_http().build()?;
    let name = std::env::var("OTEL_SERVICE_NAME");
    let name = name.unwrap_or_else(|_unset| env!("CARGO_PKG_NAME").to_owned());
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(name).build())
        .build();
    let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
    // Only the first is ever in use: a second start changes nothing.
    let _ = PROVIDER.set(provider);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_ours));
    Ok(Some(layer))
}

pub(super) fn end() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown()
    {
        tracing::warn!(%error, "the last spans were not exported");
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let rest = target.strip_prefix(OURS);
    metadata.is_span() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
