//! Traces: a span for each call, with the statements that it sends, exported by OpenTelemetry.

use http::HeaderMap;
use opentelemetry::{
    global,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Level, Span, Subscriber, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    Layer,
    filter::{Directive, Targets},
    registry::LookupSpan,
};

use crate::{config::TelemetryConfig, error::Outcome};

/// The target of the spans that are exported.
const TARGET: &str = "tandem::trace";

/// Sends what is left of the traces when it is dropped.
#[derive(Debug, Default)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces cannot be sent");
        }
    }
}

/// Keeps the spans of traces out of the log.
pub(super) fn not_in_the_log() -> Directive {
    format!("{TARGET}=off").parse().expect("it is a directive")
}

/// What exports the traces of `program`, if that is configured.
pub(super) fn exported<S>(
    config: &TelemetryConfig,
    program: &'static str,
) -> (Option<impl Layer<S>>, Telemetry)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(endpoint) = &config.otlp_endpoint else { return (None, Telemetry::default()) };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint.as_str()).build();
    let exporter = match exporter {
        Ok(exporter) => exporter,
        Err(error) => {
            tracing::error!(%error, %endpoint, "traces cannot be sent");
            return (None, Telemetry::default());
        }
    };
    let name = config.otel_service_name.clone().unwrap_or_else(|| program.to_owned());
    let resource = Resource::builder().with_service_name(name).build();
    let provider =
        SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let tracer = provider.tracer("tandem");
    // Statements are events of the call that sends them; values are no part of them.
    let what =
        Targets::new().with_target(TARGET, Level::INFO).with_target("sqlx::query", Level::DEBUG);
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_filter(what);
    (Some(layer), Telemetry(Some(provider)))
}

/// The span of a call to this path, a child of what the caller's `traceparent` names (W3C Trace
/// Context). It costs nothing where no traces are exported.
pub(crate) fn call(path: &str, headers: &HeaderMap) -> Span {
    let name = path.trim_start_matches('/');
    let (service, method) = name.split_once('/').unwrap_or((name, ""));
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&Headers(headers));
        // Only a span that has begun could not have one.
        let _ = span.set_parent(parent);
    }
    span
}

/// Which trace the span belongs to, if it is exported.
pub(crate) fn id(span: &Span) -> Option<String> {
    let context = (!span.is_disabled()).then(|| span.context())?;
    let id = context.span().span_context().trace_id();
    Some(id.to_string())
}

/// Notes how the call has ended.
pub(crate) fn end(span: &Span, outcome: Outcome) {
    span.record("rpc.grpc.status_code", outcome.number());
    if outcome.is_ours() {
        span.record("otel.status_code", "ERROR");
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
