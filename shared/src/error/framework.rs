//! The errors that tonic makes before or after a handler runs, given our codes and reasons.

use http::HeaderMap;
use tonic::{Code, Status};

use super::{Error, FieldViolations};

/// Completes the status of a response that no handler of ours made: a request that could not be
/// decoded, was too large, or names no method. Others pass unchanged.
///
/// tonic answers these with INTERNAL, `OUT_OF_RANGE` and a bare UNIMPLEMENTED, and without
/// `ErrorInfo`.
pub(crate) fn complete<B>(mut response: http::Response<B>) -> http::Response<B> {
    if let Some(error) = framework_error(response.headers()) {
        // Only a header value that is not ASCII fails, and a status has none.
        let _ = Status::from(error).add_header(response.headers_mut());
    }
    response
}

fn framework_error(headers: &HeaderMap) -> Option<Error> {
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
        // One with a message refuses a compression and says which there are.
        Code::Unimplemented if !headers.contains_key(Status::GRPC_MESSAGE) => {
            Some(Error::MethodNotFound)
        }
        _ => None,
    }
}
