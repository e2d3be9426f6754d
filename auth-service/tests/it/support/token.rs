//! Access tokens: sent, taken apart and put together again.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tonic::Request;

/// A request with an access token.
pub(crate) fn with_token<T>(token: &str, message: T) -> Request<T> {
    with_authorization(&[&bearer(token)], message)
}

/// What an `authorization` entry says.
pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A request with these `authorization` entries.
pub(crate) fn with_authorization<T>(entries: &[&str], message: T) -> Request<T> {
    let mut request = Request::new(message);
    for entry in entries {
        let entry = entry.parse().expect("the entry is ASCII");
        request.metadata_mut().append("authorization", entry);
    }
    request
}

/// The three parts of a token.
pub(crate) struct TokenParts {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) signature: String,
}

impl TokenParts {
    pub(crate) fn of(token: &str) -> Self {
        let parts: Vec<_> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("not three parts: {token}") };
        Self { header: decode(header), claims: decode(claims), signature: signature.to_owned() }
    }

    /// The token with these parts; the signature fits only if they were not changed.
    pub(crate) fn join(&self) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}.{}", encode(&self.header), encode(&self.claims), self.signature)
    }
}

fn decode(part: &str) -> Value {
    let json = URL_SAFE_NO_PAD.decode(part).expect("it is base64url without padding");
    serde_json::from_slice(&json).expect("it is JSON")
}
