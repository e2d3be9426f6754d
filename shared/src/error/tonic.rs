//! Gives our codes and reasons to the errors that tonic creates before or after a handler.

use ::tonic::{Code, Status};
use http::HeaderMap;

use super::{Error, FieldViolations};

/// Replaces the status of a response that tonic created: for a request that could not be decoded,
/// was too large, or names an unknown method. Other responses pass unchanged.
///
/// tonic responds with INTERNAL, `OUT_OF_RANGE` and a bare UNIMPLEMENTED, without `ErrorInfo`.
pub fn complete<B>(mut response: http::Response<B>) -> http::Response<B> {
    if let Some(error) = tonic_error(response.headers()) {
        // This fails only for header values that are not ASCII; a status has none.
        let _ = Status::from(error).add_header(response.headers_mut());
    }
    response
}

fn tonic_error(headers: &HeaderMap) -> Option<Error> {
    let code = Code::from_bytes(headers.get(Status::GRPC_STATUS)?.as_bytes());
    if headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return None;
    }
    match code {
        Code::Internal => {
            let mut violations = FieldViolations::new();
            violations.check::<()>("request", Err("is not a message of this method".into()));
            Some(violations.into())
        }
        Code::OutOfRange => Some(Error::MessageTooLarge),
        // With a message, it rejects a compression and lists the supported ones.
        Code::Unimplemented if !headers.contains_key(Status::GRPC_MESSAGE) => {
            Some(Error::MethodNotFound)
        }
        _ => None,
    }
}
