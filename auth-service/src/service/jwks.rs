//! The public keys as a JSON Web Key Set over HTTP, for JWT libraries (RFC 7517, section 5).

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

/// The longest that an HTTP cache may keep the set. A revoked key stays trusted for as long.
const MAX_AGE: Duration = Duration::from_mins(1);

/// `/.well-known/jwks.json`. Caches keep the set for at most `lead`, so they know each key
/// before it signs.
pub(crate) fn route(keys: Arc<SigningKeys>, lead: Duration) -> Router {
    let cache = format!("public, max-age={}", MAX_AGE.min(lead).as_secs());
    Router::new().route("/.well-known/jwks.json", get(jwks).with_state((keys, cache.into())))
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
