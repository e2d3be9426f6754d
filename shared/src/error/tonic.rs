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
        Code::Internal => Some(malformed(Status::from_header_map(headers)?.message()).into()),
        Code::OutOfRange => Some(Error::MessageTooLarge),
        // With a message, it rejects a compression and lists the supported ones.
        Code::Unimplemented if !headers.contains_key(Status::GRPC_MESSAGE) => {
            Some(Error::MethodNotFound)
        }
        _ => None,
    }
}

/// The violation of a request that prost could not decode, by prost's message.
fn malformed(message: &str) -> FieldViolations {
    let mut violations = FieldViolations::new();
    match text_that_is_not_utf8(message) {
        Some(field) => violations.check::<()>(&field, Err("must be valid UTF-8".into())),
        None => violations.check("request", Err("is not a message of this method".into())),
    };
    violations
}

/// The path of a text that is not UTF-8. prost names the innermost field first:
/// `…: Task.title: CreateTaskRequest.task: invalid string value: data is not UTF-8 encoded`.
fn text_that_is_not_utf8(message: &str) -> Option<String> {
    let place = message
        .strip_prefix("failed to decode Protobuf message: ")?
        .strip_suffix(": invalid string value: data is not UTF-8 encoded")?;
    let fields = place.rsplit(": ").filter_map(|field| field.split_once('.'));
    Some(fields.map(|(_, field)| field).collect::<Vec<_>>().join("."))
}
