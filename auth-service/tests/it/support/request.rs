//! Requests, and the errors that several tests expect.

use proto::auth::v1 as pb;
use test_support::Refusal;
use tonic::{Code, Request};

/// A registration without a request id.
pub(crate) fn registration(username: &str, password: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        username: username.to_owned(),
        password: password.to_owned(),
        ..Default::default()
    }
}

/// A login.
pub(crate) fn credentials(username: &str, password: &str) -> pb::LoginRequest {
    pb::LoginRequest { username: username.to_owned(), password: password.to_owned() }
}

/// A request that a proxy forwards from `source`.
pub(crate) fn forwarded<T>(source: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let source = source.parse().expect("an address is ASCII");
    request.metadata_mut().insert("x-forwarded-for", source);
    request
}

/// UNAUTHENTICATED for this reason.
pub(crate) fn unauthenticated(reason: &str) -> Refusal {
    Refusal::new(Code::Unauthenticated, reason)
}

pub(crate) fn credentials_invalid() -> Refusal {
    unauthenticated("CREDENTIALS_INVALID")
}

pub(crate) fn current_password_wrong() -> Refusal {
    let fields = vec!["current_password".to_owned()];
    Refusal { fields, ..Refusal::new(Code::InvalidArgument, "CURRENT_PASSWORD_WRONG") }
}

pub(crate) fn overloaded() -> Refusal {
    Refusal::retryable(Code::ResourceExhausted, "OVERLOADED")
}

pub(crate) fn too_many_attempts() -> Refusal {
    Refusal::retryable(Code::ResourceExhausted, "TOO_MANY_ATTEMPTS")
}

pub(crate) fn database_unavailable() -> Refusal {
    Refusal::retryable(Code::Unavailable, "DATABASE_UNAVAILABLE")
}

pub(crate) fn second_factor_wrong(field: &str) -> Refusal {
    let fields = vec![field.to_owned()];
    Refusal { fields, ..Refusal::new(Code::InvalidArgument, "SECOND_FACTOR_WRONG") }
}

pub(crate) fn login_challenge_invalid() -> Refusal {
    unauthenticated("LOGIN_CHALLENGE_INVALID")
}

pub(crate) fn reset_token_invalid() -> Refusal {
    unauthenticated("RESET_TOKEN_INVALID")
}
