//! Rejects requests that are not gRPC.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};

/// HTTP's 415 for a request that is not gRPC, as its specification asks. Otherwise a browser could
/// send a form to a method without a CORS preflight.
pub(crate) fn rejection(request: &Request) -> Option<Response> {
    let is_grpc = request.method() == Method::POST && has_grpc_content(request.headers());
    let rejection = || (StatusCode::UNSUPPORTED_MEDIA_TYPE, "this port speaks gRPC\n");
    (!is_grpc).then(|| rejection().into_response())
}

fn has_grpc_content(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let format = content_type.and_then(|text| text.strip_prefix(b"application/grpc"));
    format.is_some_and(|format| matches!(format.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_recognized_by_its_content_type() {
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
