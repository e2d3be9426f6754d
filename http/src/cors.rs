//! Which sites may read responses in a browser (CORS).

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, request::Parts};
use shared::config::Origins;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may cache a preflight response. Browsers cap it at this.
const MAX_AGE: Duration = Duration::from_hours(2);

/// What every site may read: public keys.
const PUBLIC: [&str; 2] = ["/.well-known/jwks.json", "/v1/keys"];

const REQUEST_HEADERS: [&str; 10] = [
    "authorization",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-type",
    "grpc-timeout",
    "traceparent",
    "tracestate",
    "x-grpc-web",
    "x-request-id",
    "x-user-agent",
];
const RESPONSE_HEADERS: [&str; 6] = [
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

/// Permits these origins to read responses, without cookies. Public keys are for all origins.
pub(crate) fn layer(origins: Origins) -> CorsLayer {
    let allow = move |origin: &HeaderValue, request: &Parts| {
        PUBLIC.contains(&request.uri.path()) || origins.allow(origin)
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allow))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(REQUEST_HEADERS.map(HeaderName::from_static))
        .expose_headers(RESPONSE_HEADERS.map(HeaderName::from_static))
        .max_age(MAX_AGE)
}
