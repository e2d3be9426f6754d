//! What every gRPC call passes before it reaches its service: it must be gRPC, it gets a deadline,
//! and there must not be too many.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use tokio::{sync::Semaphore, time::timeout};
use tonic::Status;

use crate::error::Error;

/// Refuses what is not gRPC with HTTP's 415, as its specification asks: a browser could otherwise
/// send a form to a method without asking first.
pub(super) async fn only_grpc(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && has_grpc_content(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "this port speaks gRPC\n").into_response()
}

fn has_grpc_content(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let format = content_type.and_then(|text| text.strip_prefix(b"application/grpc"));
    format.is_some_and(|format| matches!(format.first(), None | Some(b'+' | b';')))
}

/// Ends a call at the client's deadline, or at the service's limit if that comes first.
pub(super) async fn deadline(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let asked = request.headers().get("grpc-timeout").and_then(|value| value.to_str().ok());
    // A little before tonic, which knows the client's deadline too and would answer CANCELLED.
    let asked = asked.and_then(parse_timeout).map(|asked| asked.mul_f64(0.9));
    match timeout(asked.map_or(limit, |asked| asked.min(limit)), next.run(request)).await {
        Ok(response) => response,
        Err(elapsed) => Status::from(Error::DeadlineExceeded(elapsed.into())).into_http(),
    }
}

/// Refuses a call at once while there is no place for it.
pub(super) async fn limit_calls(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Status::from(Error::Overloaded).into_http(),
    }
}

/// Answers a call whose handler panics, which otherwise would get no answer. The log has the panic.
pub(super) async fn catch_panic(request: Request, next: Next) -> Response {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| Status::from(Error::Internal("a panic".into())).into_http())
}

/// Reads `grpc-timeout`: up to eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (text, timeout) in [
            ("20m", Some(Duration::from_millis(20))),
            ("1S", Some(Duration::from_secs(1))),
            ("99999999H", Some(Duration::from_hours(99_999_999))),
            ("5n", Some(Duration::from_nanos(5))),
            ("", None),
            ("S", None),
            ("1", None),
            ("1s", None),
            ("+1S", None),
            ("100000000S", None),
            ("1é", None),
        ] {
            assert_eq!(parse_timeout(text), timeout, "{text}");
        }
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        for (content_type, is_grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("text/plain", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            assert_eq!(has_grpc_content(&headers), is_grpc, "{content_type}");
        }
        assert!(!has_grpc_content(&HeaderMap::new()));
    }
}
