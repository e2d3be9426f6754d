//! JSON Web Signatures in compact form (RFC 7515), as far as access tokens need them.

use std::{collections::HashMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::{Error, KeySet};

/// Beyond this, a float does not tell one second from the next.
const MAX_EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// A token with an acceptable header. The signature is not verified yet.
pub(crate) struct Jws<'a> {
    pub(crate) header: Members,
    /// What is signed: the header, a dot and the payload, both encoded.
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    /// Header parameters that carry or locate a key (`jwk`, `jku`, `x5c`, …) are never read. No
    /// extension is known here, so that any `crit` is rejected.
    pub(crate) fn parse(token: &'a str) -> Result<Self, Error> {
        let parts = || {
            let (message, signature) = token.rsplit_once('.')?;
            let (header, payload) = message.split_once('.')?;
            Some((message, header, payload, signature))
        };
        let (message, header, payload, signature) = parts().ok_or(Error::TokenInvalid("form"))?;
        let header = Members::decode(header).ok_or(Error::TokenInvalid("header"))?;
        check("alg", header.text("alg")? == "ES256")?;
        check("crit", header.get("crit").is_none())?;
        check("kid", header.optional_text("kid")? != Some(""))?;
        Ok(Self { header, message, payload, signature })
    }

    /// The id of the key, if the header names one.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// The members of the payload, if a key of this set signed it.
    pub(crate) fn verify(&self, keys: &KeySet) -> Result<Members, Error> {
        let key = keys.find(self.kid()).ok_or(Error::TokenInvalid("kid"))?;
        let signature = URL_SAFE_NO_PAD.decode(self.signature).ok();
        signature
            .and_then(|signature| key.verify_sig(self.message.as_bytes(), &signature).ok())
            .ok_or(Error::TokenInvalid("signature"))?;
        Members::decode(self.payload).ok_or(Error::TokenInvalid("claims"))
    }
}

/// Rejects a token for its part `name` unless it `passes`.
pub(crate) fn check(name: &'static str, passes: bool) -> Result<(), Error> {
    if passes { Ok(()) } else { Err(Error::TokenInvalid(name)) }
}

/// The members of a JSON object. A name that occurs twice has no single value (RFC 7515, section
/// 4): it is kept as null, which no check accepts.
pub(crate) struct Members(HashMap<String, Value>);

impl Members {
    /// Decodes a JSON object in base64url without padding.
    fn decode(part: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<&str, Error> {
        self.optional_text(name)?.ok_or(Error::TokenInvalid(name))
    }

    pub(crate) fn optional_text(&self, name: &'static str) -> Result<Option<&str>, Error> {
        let value = self.get(name);
        value.map(|value| value.as_str().ok_or(Error::TokenInvalid(name))).transpose()
    }

    /// A NumericDate (RFC 7519, section 2), without its fraction of a second.
    pub(crate) fn time(&self, name: &'static str) -> Result<i64, Error> {
        let value = self.get(name).ok_or(Error::TokenInvalid(name))?;
        let float = || value.as_f64().filter(|seconds| seconds.abs() < MAX_EXACT_FLOAT);
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
        let whole = || float().map(|seconds| seconds.floor() as i64);
        value.as_i64().or_else(whole).ok_or(Error::TokenInvalid(name))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = HashMap::new();
        while let Some((name, value)) = map.next_entry()? {
            members.entry(name).and_modify(|twice| *twice = Value::Null).or_insert(value);
        }
        Ok(Members(members))
    }
}
