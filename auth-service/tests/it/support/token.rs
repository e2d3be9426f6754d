//! Access tokens, taken apart and put together again.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

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

    /// The token of these parts. The signature is valid only if no part was changed.
    pub(crate) fn join(&self) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}.{}", encode(&self.header), encode(&self.claims), self.signature)
    }
}

fn decode(part: &str) -> Value {
    let json = URL_SAFE_NO_PAD.decode(part).expect("a part is base64url without padding");
    serde_json::from_slice(&json).expect("a part is JSON")
}
