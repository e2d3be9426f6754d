//! Pages for people and programs: the OpenAPI description, and a page to read and try it.

use axum::{
    Router,
    body::Bytes,
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY},
    },
    response::{IntoResponse as _, Response},
    routing::get,
};

use crate::Api;

/// Everything comes from this server, and no other page may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// Adds `/openapi.json`, and the page `/docs` if it is wanted.
pub(crate) fn add_to(pages: Router, api: &Api, has_docs: bool) -> Router {
    let description = Bytes::from(api.openapi().to_string());
    let json = get(async move || page("application/json", description.clone()));
    let pages = pages.route("/openapi.json", json);
    if !has_docs {
        return pages;
    }
    let fixed = |kind, text: &'static str| {
        get(async move || page(kind, Bytes::from_static(text.as_bytes())))
    };
    pages
        .route("/docs", fixed("text/html; charset=utf-8", include_str!("docs/page.html")))
        .route("/docs/page.css", fixed("text/css", include_str!("docs/page.css")))
        .route("/docs/page.js", fixed("text/javascript", include_str!("docs/page.js")))
}

fn page(kind: &'static str, content: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (NO_SNIFF, "nosniff"),
    ];
    (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), content).into_response()
}
