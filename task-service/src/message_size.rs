//! How large a request message may be: one of a batch may be larger than others. tonic knows one
//! limit for all.

use axum::{body::Body, extract::Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use shared::error::Error;
use tonic::Status;

/// Before each message gRPC says how long it is.
const PREFIX_BYTES: usize = 5;

/// Lets the body fail at more than `max` bytes, unless it is a batch's.
pub(crate) fn limit(request: Request, max: usize) -> Request {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default();
    if method.starts_with("Batch") {
        return request;
    }
    let limited = |body| {
        Body::new(Limited::new(body, max + PREFIX_BYTES).map_err(|error| {
            if error.is::<LengthLimitError>() {
                return Status::from(Error::MessageTooLarge).into();
            }
            error
        }))
    };
    request.map(limited)
}
