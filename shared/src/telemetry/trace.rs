//! Traces: a span for each call, with the statements that it sends, exported by OpenTelemetry.

use http::{HeaderMap, HeaderName};
use opentelemetry::{
    global,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Instrument as _, Level, Span, Subscriber, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    Layer,
    filter::{Directive, Targets},
    registry::LookupSpan,
};
use url::Url;

use crate::{config::TelemetryConfig, error::Outcome};

/// The target of the spans that are exported.
const TARGET: &str = "tandem::trace";

/// Sends what is left of the traces when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Exporter(Option<SdkTracerProvider>);

impl Drop for Exporter {
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
) -> (Option<impl Layer<S>>, Exporter)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(endpoint) = &config.otlp_endpoint else { return (None, Exporter::default()) };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint.as_str()).build();
    let exporter = match exporter {
        Ok(exporter) => exporter,
        Err(error) => {
            tracing::error!(%error, %endpoint, "traces cannot be sent");
            return (None, Exporter::default());
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
    (Some(layer), Exporter(Some(provider)))
}

tokio::task_local! {
    /// The span of the call that this task answers.
    static CALL: Span;
}

/// What a call is logged and traced by: for what another task does on its behalf.
#[derive(Clone, Debug)]
pub struct Spans {
    log: Span,
    trace: Span,
}

impl Spans {
    /// Those of the call that this task answers, if it answers one.
    #[must_use]
    pub fn current() -> Self {
        let trace = CALL.try_with(Clone::clone).unwrap_or_else(|_| Span::none());
        Self { log: Span::current(), trace }
    }

    /// Does it on the call's behalf.
    pub fn instrument<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        work.instrument(self.log).instrument(self.trace)
    }

    /// Notes that what is done on this call's behalf is done together with what `first` asked for,
    /// in that one's trace.
    pub fn shares(&self, first: &Self) {
        if !self.trace.is_disabled() {
            self.trace.add_link(first.trace.context().span().span_context().clone());
        }
    }

    /// The span of an HTTP request that gets this on the call's behalf, and the headers by which
    /// its trace goes on there (W3C Trace Context).
    #[must_use]
    pub fn http_get(&self, url: &Url) -> (Self, HeaderMap) {
        // Entered, so that it is the parent; without one, a trace begins.
        let span = self.trace.in_scope(|| {
            tracing::info_span!(
                target: TARGET,
                "request",
                otel.name = "GET",
                otel.kind = "client",
                http.request.method = "GET",
                server.address = url.host_str(),
                server.port = url.port_or_known_default(),
                // Neither a password nor a key that stands in a query.
                url.path = url.path(),
            )
        });
        let mut headers = HeaderMap::new();
        if !span.is_disabled() {
            let to = &mut Headers(&mut headers);
            TraceContextPropagator::new().inject_context(&span.context(), to);
        }
        (Self { log: self.log.clone(), trace: span }, headers)
    }
}

/// Answers a call that has this span.
pub(crate) fn answer<F: Future>(span: Span, answer: F) -> impl Future<Output = F::Output> {
    CALL.scope(span.clone(), answer.instrument(span))
}

/// The span of a call to this path, if it is known, with the attributes of OpenTelemetry's
/// conventions for RPC; a child of what the caller's `traceparent` names (W3C Trace Context). It
/// costs nothing where no traces are exported.
pub(crate) fn call(path: Option<&str>, headers: &HeaderMap) -> Span {
    let method = path.map(|path| path.trim_start_matches('/'));
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = method.unwrap_or("grpc"),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = method.unwrap_or("_OTHER"),
        rpc.response.status_code = Empty,
        error.type = Empty,
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
    if span.is_disabled() {
        return;
    }
    let code = outcome.status();
    span.record("rpc.response.status_code", &code);
    if outcome.is_ours() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", &code);
    }
}

struct Headers<T>(T);

impl Extractor for Headers<&HeaderMap> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

impl Injector for Headers<&mut HeaderMap> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (key.parse::<HeaderName>(), value.parse()) {
            self.0.insert(key, value);
        }
    }
}
