//! Rejects HTTP/1.1 requests that do not name exactly one host. For the HTTP routes beside gRPC.

use axum::{
    extract::Request,
    http::{StatusCode, Version, header::HOST},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// HTTP's 400 for a request with several `Host` headers, or over HTTP/1.1 with none, as RFC 9112,
/// section 3.2, requires: a proxy in front could choose another host than this server.
pub async fn require_one(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || hosts == 0 && request.version() == Version::HTTP_11 {
        return (StatusCode::BAD_REQUEST, "exactly one Host header is required\n").into_response();
    }
    next.run(request).await
}
