//! The public keys as JSON over HTTP, where every JWT library looks for them (RFC 7517, section 5).

use std::{sync::Arc, time::Duration};

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

/// How long a cache may keep the set: a key that is revoked is trusted for as much longer.
const MAX_AGE: Duration = Duration::from_mins(1);

/// Adds `/.well-known/jwks.json`. A key is published `lead` before it signs, and no cache keeps the
/// set for longer.
pub(crate) fn add_to(router: Router, keys: Arc<SigningKeys>, lead: Duration) -> Router {
    let cache = format!("public, max-age={}", MAX_AGE.min(lead).as_secs());
    router.route("/.well-known/jwks.json", get(jwks).with_state((keys, cache.into())))
}

async fn jwks(State((keys, cache)): State<(Arc<SigningKeys>, Arc<str>)>) -> Response {
    match keys.jwks() {
        Ok(keys) => {
            let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, &*cache)];
            (headers, Json(json!({ "keys": keys }))).into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response(),
    }
}
