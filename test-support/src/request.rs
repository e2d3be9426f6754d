//! Requests with access tokens.

use tonic::Request;

/// A request with an access token.
pub fn with_token<T>(token: &str, message: T) -> Request<T> {
    with_authorization(&[&bearer(token)], message)
}

/// The value of an `authorization` entry.
#[must_use]
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A request with these `authorization` entries.
pub fn with_authorization<T>(entries: &[&str], message: T) -> Request<T> {
    let mut request = Request::new(message);
    for entry in entries {
        let entry = entry.parse().expect("the entry is ASCII");
        request.metadata_mut().append("authorization", entry);
    }
    request
}
