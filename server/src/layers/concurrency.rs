//! Bounds the calls in flight.

use axum::{extract::Request, middleware::Next, response::Response};
use shared::error::Error;
use tokio::sync::Semaphore;

use super::reject;

/// Runs the call if a permit is free, and otherwise rejects it at once: a call that waited would
/// only use up its deadline.
pub(crate) async fn limit(permits: &Semaphore, request: Request, next: Next) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => reject(Error::Overloaded),
    }
}
