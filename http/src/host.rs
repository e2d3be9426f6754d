//! Rejects HTTP/1.1 requests that do not name exactly one host. For all but gRPC.

use axum::{
    extract::Request,
    http::{StatusCode, Version, header::HOST},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// HTTP's 400 for a request with several `Host` headers, or over HTTP/1.1 with none, as RFC 9112,
/// section 3.2, requires: a proxy in front could choose another host than this server.
pub async fn require_one(request: Request, next: Next) -> Response {
    if is_one(&request) { next.run(request).await } else { rejection() }
}

pub(crate) fn is_one(request: &Request) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts == 1 || hosts == 0 && request.version() != Version::HTTP_11
}

pub(crate) fn rejection() -> Response {
    (StatusCode::BAD_REQUEST, "exactly one Host header is required\n").into_response()
}
