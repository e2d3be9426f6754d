//! What every gRPC call passes before it reaches its service: it must be gRPC, it gets a deadline,
//! its request must arrive, and there must not be too many.

use std::{
    future::poll_fn, net::SocketAddr, panic::AssertUnwindSafe, pin::pin, sync::Arc, task::Poll,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Status, transport::server::TcpConnectInfo};

use super::{Calls, call, stream::Endless, waiting_room::WaitingRoom};
use crate::error::{self, Error, Outcome};

/// Before its one message, a request says in so many bytes how long it is.
const PREFIX_BYTES: usize = 5;

/// Answers a call.
///
/// What is not gRPC is refused with HTTP's 415, as its specification asks: a browser could
/// otherwise send a form to a method without asking first.
pub(super) async fn pass(
    State(calls): State<Arc<Calls>>,
    request: Request,
    next: Next,
) -> Response {
    let is_grpc = request.method() == Method::POST && has_grpc_content(request.headers());
    if !is_grpc {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "this port speaks gRPC\n").into_response();
    }
    let method = calls.metrics.method(request.uri().path());
    let is_endless = method.is_endless;
    let answer =
        |request| async move { error::complete(answer(request, next, calls.timeout).await) };
    let mut response = call::observe(method, request, answer).await;
    if is_endless {
        response.extensions_mut().insert(Endless);
    }
    response
}

/// Ends a call at the client's deadline, or at the service's `limit` if that comes first; and
/// answers it if its handler panics, which otherwise would give no answer. The log has the panic.
async fn answer(request: Request, next: Next, limit: Duration) -> Response {
    let asked = request.headers().get("grpc-timeout").and_then(|value| value.to_str().ok());
    // A little before tonic, which knows the client's deadline too and would answer CANCELLED.
    let asked = asked.and_then(parse_timeout).map(|asked| asked.mul_f64(0.9));
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    match timeout(asked.map_or(limit, |asked| asked.min(limit)), answering).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => refuse(Error::Internal("a panic".into())),
        Err(elapsed) => refuse(Error::DeadlineExceeded(elapsed.into())),
    }
}

/// How many calls there may be.
pub(super) struct Places {
    /// Whose request is still on its way.
    arriving: WaitingRoom<SocketAddr>,
    /// Whose request is there, until they have an answer.
    running: Semaphore,
}

impl Places {
    pub(super) fn new(max_calls: u32) -> Self {
        let max = max_calls as usize;
        Self { arriving: WaitingRoom::new(max), running: Semaphore::new(max) }
    }
}

/// Lets a call go on when all of its request is there, of at most `max_bytes`, and there is a place
/// for it; otherwise it is refused at once. Requests that never end keep nobody out: where too many
/// are on their way, a client with most of them loses one.
pub(super) async fn receive(
    places: &Places,
    max_bytes: usize,
    request: Request,
    next: Next,
) -> Response {
    let peer = peer(&request);
    let (head, body) = request.into_parts();
    let mut arriving = pin!(Limited::new(body, PREFIX_BYTES + max_bytes).collect());
    let arrived = match poll_fn(|cx| Poll::Ready(arriving.as_mut().poll(cx))).await {
        Poll::Ready(arrived) => arrived,
        Poll::Pending => match places.arriving.wait(peer, arriving).await {
            Some(arrived) => arrived,
            None => return refuse(Error::Overloaded),
        },
    };
    let body = match arrived {
        Ok(whole) => Body::from(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => return refuse(Error::MessageTooLarge),
        Err(_) => return Outcome::ABANDONED.into_response(),
    };
    match places.running.try_acquire() {
        Ok(_place) => next.run(Request::from_parts(head, body)).await,
        Err(_) => refuse(Error::Overloaded),
    }
}

/// The client's end of the connection.
fn peer(request: &Request) -> SocketAddr {
    let info = request.extensions().get::<TcpConnectInfo>();
    info.and_then(|info| info.remote_addr).expect("every connection says whose it is")
}

fn refuse(error: Error) -> Response {
    Status::from(error).into_http()
}

fn has_grpc_content(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let format = content_type.and_then(|text| text.strip_prefix(b"application/grpc"));
    format.is_some_and(|format| matches!(format.first(), None | Some(b'+' | b';')))
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
