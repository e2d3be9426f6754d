//! The layers of a call, one file each. [`stack`](crate::stack) puts them in order.

use axum::response::Response;
use shared::error::Error;
use tonic::Status;

pub(crate) mod body;
pub(crate) mod concurrency;
pub(crate) mod deadline;
pub(crate) mod observe;

/// Ends a call with an error of ours.
fn reject(error: Error) -> Response {
    Status::from(error).into_http()
}
