//! Makes every call visible to operators: its request id, the span that its log lines carry, its
//! metrics, and one log line at its end.

use std::{sync::Arc, thread, time::Instant};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use http_body_util::BodyExt as _;
use shared::error::GrpcCode;
use tandem_http::Protocol;
use tracing::{Instrument as _, Span, field::Empty};
use uuid::Uuid;

use crate::{metrics::Method, telemetry::trace};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id accepted from a client, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// The client's request id if it is printable ASCII, otherwise a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let usable = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    headers.get(REQUEST_ID).filter(usable).cloned().unwrap_or_else(|| {
        let mut text = Uuid::encode_buffer();
        let id: &str = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(id).expect("a UUID is ASCII")
    })
}

/// A call in flight. Dropped before its end, it counts as cancelled.
struct Call {
    method: Arc<Method>,
    span: Span,
    trace: Span,
    started: Instant,
    has_ended: bool,
}

/// Observes a call until the response of `next` is complete or dropped.
pub(crate) async fn call<F>(
    method: Arc<Method>,
    protocol: Option<Protocol>,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    // An unknown path is as long as the client likes.
    let path = method.is_known.then(|| request.uri().path());
    let id = request_id(request.headers());
    // An error span, so that log lines of errors carry it at every log level.
    let span = tracing::error_span!(
        "call",
        method = path.unwrap_or("unknown"),
        request_id = id.to_str().expect("it is ASCII"),
        user_id = Empty,
        reason = Empty,
        fields = Empty,
        token_fault = Empty,
        protocol = Empty,
        trace_id = Empty
    );
    if let Some(protocol) = protocol {
        span.record("protocol", protocol.name());
    }
    let trace = trace::call(path, request.headers());
    if let Some(id) = trace::id(&trace, request.headers()) {
        span.record("trace_id", id);
    }
    let mut call = Call::start(method, span.clone(), trace.clone());

    let mut response = trace::scope(trace, next(request).instrument(span)).await;
    response.headers_mut().insert(REQUEST_ID, id);
    // Errors are in the headers; a success is in the trailers.
    if let Some(code) = GrpcCode::of(response.headers()) {
        call.end(code);
        return response;
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            if let Some(code) = frame.trailers_ref().and_then(GrpcCode::of) {
                call.end(code);
            }
            frame
        }))
    })
}

impl Call {
    fn start(method: Arc<Method>, span: Span, trace: Span) -> Self {
        method.start();
        Self { method, span, trace, started: Instant::now(), has_ended: false }
    }

    fn end(&mut self, code: GrpcCode) {
        if self.has_ended {
            return;
        }
        self.has_ended = true;
        let duration = self.started.elapsed();
        self.method.end(code, duration);
        trace::end(&self.trace, code);
        let _in_span = self.span.enter();
        // To the microsecond: more digits are noise.
        let duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3;
        // Probes would fill the log.
        if self.method.is_probe {
            tracing::debug!(target: "tandem::call", %code, duration_ms, "call ended");
        } else if code.is_server_fault() {
            tracing::warn!(target: "tandem::call", %code, duration_ms, "call ended");
        } else {
            tracing::info!(target: "tandem::call", %code, duration_ms, "call ended");
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(if thread::panicking() { GrpcCode::INTERNAL } else { GrpcCode::CANCELLED });
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::metrics::{CallMetrics, Metrics};

    #[test]
    fn a_call_that_panics_is_counted_as_internal() {
        let metrics = Metrics::default();
        let method = CallMetrics::new(&metrics, &[]).method("/any", None);
        let call = Call::start(method, Span::none(), Span::none());
        let panicking = AssertUnwindSafe(move || {
            let _call = call;
            panic!("on purpose");
        });
        catch_unwind(panicking).unwrap_err();
        let counts = metrics.render();
        let ended = counts.lines().find(|line| line.contains("\"Internal\"")).unwrap();
        assert!(ended.ends_with(" 1"), "{ended}");
    }

    #[test]
    fn a_request_id_is_kept_if_it_is_printable_ascii() {
        let longest = "x".repeat(MAX_REQUEST_ID_BYTES);
        for good in ["1", "01890a5d-ac96-774b-bcce-b302099a8057", "a/b:c=d", &longest] {
            let headers = HeaderMap::from_iter([(REQUEST_ID, good.parse().unwrap())]);
            assert_eq!(request_id(&headers), good);
        }
        let too_long = format!("{longest}x");
        for bad in ["", "a b", "a\tb", "é", &too_long] {
            let value = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            let id = request_id(&HeaderMap::from_iter([(REQUEST_ID, value)]));
            assert!(Uuid::try_parse_ascii(id.as_bytes()).is_ok(), "{bad:?} became {id:?}");
        }
    }
}
