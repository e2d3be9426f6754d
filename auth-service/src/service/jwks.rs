//! The public keys as JSON over HTTP, where every JWT library looks for them (RFC 7517, section 5).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;

use crate::keys::SigningKeys;

/// How long a cache may keep the set. Who meets a token of another key fetches it again.
const CACHE: &str = "public, max-age=300";

/// Adds `/.well-known/jwks.json`.
pub(crate) fn add_to(router: Router, keys: Arc<SigningKeys>) -> Router {
    router.route("/.well-known/jwks.json", get(jwks).with_state(keys))
}

async fn jwks(State(keys): State<Arc<SigningKeys>>) -> Response {
    match keys.jwks() {
        Ok(keys) => {
            let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, CACHE)];
            (headers, Json(json!({ "keys": keys }))).into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response(),
    }
}
