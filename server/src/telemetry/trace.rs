//! Traces: a span for each call, with its statements, exported by OpenTelemetry.

use http::{HeaderMap, HeaderName};
use opentelemetry::{
    global,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use shared::{config::TelemetryConfig, error::GrpcCode};
use tracing::{Instrument as _, Level, Span, Subscriber, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    Layer,
    filter::{Directive, Targets},
    registry::LookupSpan,
};
use url::Url;

/// The target of the spans that are exported.
const TARGET: &str = "tandem::trace";

/// Exports the remaining traces when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Exporter(Option<SdkTracerProvider>);

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "cannot export the last traces");
        }
    }
}

/// Excludes the spans of traces from the log.
pub(super) fn log_directive() -> Directive {
    format!("{TARGET}=off").parse().expect("it is a directive")
}

/// The layer that exports the traces of `program`, if an endpoint is configured.
pub(super) fn layer<S>(
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
            tracing::error!(%error, %endpoint, "cannot export traces");
            return (None, Exporter::default());
        }
    };
    let name = config.otel_service_name.clone().unwrap_or_else(|| program.to_owned());
    let resource = Resource::builder().with_service_name(name).build();
    let provider =
        SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let tracer = provider.tracer("tandem");
    // Statements are events of the call's span; they do not contain values.
    let what =
        Targets::new().with_target(TARGET, Level::INFO).with_target("sqlx::query", Level::DEBUG);
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_filter(what);
    (Some(layer), Exporter(Some(provider)))
}

tokio::task_local! {
    /// The trace span of the call that this task handles.
    static CALL: Span;
}

/// The log span and the trace span of a call, for work that another task does on its behalf.
#[derive(Clone, Debug)]
pub struct Spans {
    log: Span,
    trace: Span,
}

impl Spans {
    /// The spans of the call that this task handles, if any.
    #[must_use]
    pub fn current() -> Self {
        let trace = CALL.try_with(Clone::clone).unwrap_or_else(|_| Span::none());
        Self { log: Span::current(), trace }
    }

    /// Runs `work` in the spans.
    pub fn instrument<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        work.instrument(self.log).instrument(self.trace)
    }

    /// Links this call's trace to that of `first`, whose statement also serves this call.
    pub fn link_to(&self, first: &Self) {
        if !self.trace.is_disabled() {
            self.trace.add_link(first.trace.context().span().span_context().clone());
        }
    }

    /// The span of an HTTP GET on the call's behalf, and the headers that propagate its trace (W3C
    /// Trace Context).
    #[must_use]
    pub fn http_get(&self, url: &Url) -> (Span, HeaderMap) {
        // Entered, so that it is the parent; without a parent, a new trace begins.
        let span = self.trace.in_scope(|| {
            tracing::info_span!(
                target: TARGET,
                "request",
                otel.name = "GET",
                otel.kind = "client",
                http.request.method = "GET",
                server.address = url.host_str(),
                server.port = url.port_or_known_default(),
                // Without the user info and the query, which may contain secrets.
                url.path = url.path(),
            )
        });
        let mut headers = HeaderMap::new();
        if !span.is_disabled() {
            let to = &mut Headers(&mut headers);
            TraceContextPropagator::new().inject_context(&span.context(), to);
        }
        (span, headers)
    }
}

/// Runs the layers of a call in its trace span.
pub(crate) fn scope<F: Future>(span: Span, call: F) -> impl Future<Output = F::Output> {
    CALL.scope(span.clone(), call.instrument(span))
}

/// The trace span of a call to this path, if it is known, with the attributes of OpenTelemetry's
/// conventions for RPC. Its parent is the client's `traceparent` (W3C Trace Context). It costs
/// nothing if no traces are exported.
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
        // This fails only for a span that has started.
        let _ = span.set_parent(parent);
    }
    span
}

/// The id of the span's trace if it is exported; otherwise that of a valid `traceparent` header.
pub(crate) fn id(span: &Span, headers: &HeaderMap) -> Option<String> {
    let context = if !span.is_disabled() {
        span.context()
    } else if headers.contains_key("traceparent") {
        TraceContextPropagator::new().extract(&Headers(headers))
    } else {
        return None;
    };
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// Records the code that the call ended with.
pub(crate) fn end(span: &Span, code: GrpcCode) {
    if span.is_disabled() {
        return;
    }
    let status = code.status();
    span.record("rpc.response.status_code", &status);
    if code.is_server_fault() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", &status);
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
