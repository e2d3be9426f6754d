//! The harness: a verifier at a fixed time, and tokens that are good but for what a test changes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tandem_verifier::{Error, KeySet, Keys, UserId, Verifier, VerifierConfig};
use test_support::TestKey;

/// When the tokens are made and looked at, in seconds since 1970.
pub(crate) const NOW: i64 = 1_800_000_000;

/// What a verifier says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Invalid,
    Expired,
}

/// A key that is known to a verifier.
pub(crate) struct Trust {
    pub(crate) key: TestKey,
    verifier: Verifier,
}

impl Trust {
    /// A verifier with the default settings and one key, "first".
    pub(crate) fn new() -> Self {
        let key = TestKey::generate("first");
        let verifier = verifier(&key_set(&[key.jwk()]));
        Self { key, verifier }
    }

    /// What the verifier says of this text.
    pub(crate) fn verdict(&self, token: &str) -> Verdict {
        verdict(&self.verifier, token)
    }

    /// What it says of a token with these claims.
    pub(crate) fn verdict_of_claims(&self, claims: &Value) -> Verdict {
        self.verdict(&self.key.sign(&self.key.header(), claims))
    }

    /// The part of a token with these claims that it refuses, if any.
    pub(crate) fn fault_of_claims(&self, claims: &Value) -> Option<&'static str> {
        fault(&self.verifier, &self.key.sign(&self.key.header(), claims))
    }

    /// The part of a token with this header that it refuses, if any.
    pub(crate) fn fault_of_header(&self, header: &Value) -> Option<&'static str> {
        fault(&self.verifier, &self.key.sign(header, &claims()))
    }

    /// What it says of a token with this header.
    pub(crate) fn verdict_of_header(&self, header: &Value) -> Verdict {
        self.verdict(&self.key.sign(header, &claims()))
    }

    /// A good token.
    pub(crate) fn token(&self) -> String {
        self.key.sign(&self.key.header(), &claims())
    }
}

/// The claims of a token that is made at [`NOW`].
pub(crate) fn claims() -> Value {
    with(
        test_support::claims(UserId::generate()),
        &[("iat", json!(NOW)), ("nbf", json!(NOW)), ("exp", json!(NOW + 600))],
    )
}

/// These members changed or added.
pub(crate) fn with(mut object: Value, members: &[(&str, Value)]) -> Value {
    for (name, value) in members {
        object[*name] = value.clone();
    }
    object
}

/// Without this member.
pub(crate) fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().expect("it is an object").remove(name);
    object
}

/// A set of these keys, as an issuer publishes it.
pub(crate) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// A verifier with the default settings and these keys.
pub(crate) fn verifier(key_set: &str) -> Verifier {
    let keys = Keys::default();
    keys.set(parse(key_set));
    verifier_by(Arc::new(keys))
}

/// A key set that is good.
pub(crate) fn parse(key_set: &str) -> KeySet {
    KeySet::parse(key_set.as_bytes()).expect("the test's key set is good")
}

/// A verifier with this key that expects another issuer.
pub(crate) fn verifier_of(jwk: &Value, issuer: &str) -> Verifier {
    let keys = Keys::default();
    keys.set(parse(&key_set(std::slice::from_ref(jwk))));
    let config = VerifierConfig { issuer: issuer.to_owned(), ..VerifierConfig::default() };
    Verifier::new(Arc::new(keys), config)
}

/// A verifier with the default settings and keys that may change.
pub(crate) fn verifier_by(keys: Arc<Keys>) -> Verifier {
    Verifier::new(keys, VerifierConfig::default())
}

/// What a verifier says of a token at [`NOW`].
pub(crate) fn verdict(verifier: &Verifier, token: &str) -> Verdict {
    match verifier.verify(token, now()) {
        Ok(_) => Verdict::Good,
        Err(Error::TokenInvalid(_)) => Verdict::Invalid,
        Err(Error::TokenExpired) => Verdict::Expired,
        Err(error) => panic!("not about the token: {error}"),
    }
}

/// The part of a token that a verifier refuses at [`NOW`], if any.
pub(crate) fn fault(verifier: &Verifier, token: &str) -> Option<&'static str> {
    match verifier.verify(token, now()) {
        Ok(_) => None,
        Err(Error::TokenInvalid(part)) => Some(part),
        Err(error) => panic!("not about a part: {error}"),
    }
}

/// [`NOW`], almost a second later: fractions must not matter.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 999_999_000).expect("it is a time")
}
