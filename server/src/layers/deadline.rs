//! Ends a call at its deadline, and answers it if its handler panics.

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{extract::Request, http::HeaderMap, response::Response};
use futures_util::FutureExt as _;
use shared::error::Error;
use tokio::time::timeout;

use super::reject;

/// Ends the call at the client's deadline or after `limit`, whichever comes first. A panic ends it
/// with INTERNAL; without this, the client would get no answer. The panic itself is logged.
pub(crate) async fn apply<F>(
    limit: Duration,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let limit = client_timeout(request.headers()).map_or(limit, |timeout| timeout.min(limit));
    match timeout(limit, AssertUnwindSafe(next(request)).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => reject(Error::Internal("a panic".into())),
        Err(elapsed) => reject(Error::DeadlineExceeded(elapsed.into())),
    }
}

/// The client's time-out, a tenth shorter: at its end tonic would answer CANCELLED.
fn client_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    Some(parse_timeout(text)?.mul_f64(0.9))
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
}
