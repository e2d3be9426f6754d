//! JSON Web Signatures in compact form (RFC 7515), as far as access tokens need them.

use std::{collections::HashMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, crypto};
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
        let header = decode(header).and_then(|json| Members::parse(&json));
        let header = header.ok_or(Error::TokenInvalid("header"))?;
        check("alg", header.text("alg")? == "ES256")?;
        check("crit", header.get("crit").is_none())?;
        check("kid", header.optional_text("kid")? != Some(""))?;
        Ok(Self { header, message, payload, signature })
    }

    /// The id of the key, if the header names one.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// The payload, if a key of this set signed it.
    pub(crate) fn verify(&self, keys: &KeySet) -> Result<Vec<u8>, Error> {
        let key = keys.find(self.kid()).ok_or(Error::TokenInvalid("kid"))?;
        let message = self.message.as_bytes();
        let is_signed = crypto::verify(self.signature, message, key, Algorithm::ES256);
        check("signature", is_signed.unwrap_or(false))?;
        decode(self.payload).ok_or(Error::TokenInvalid("claims"))
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Rejects a token for its part `name` unless it `passes`.
pub(crate) fn check(name: &'static str, passes: bool) -> Result<(), Error> {
    if passes { Ok(()) } else { Err(Error::TokenInvalid(name)) }
}

/// The members of a JSON object. A name that occurs twice has no single value (RFC 7515, section
/// 4): it is kept as null, which no check accepts.
pub(crate) struct Members(HashMap<String, Value>);

impl Members {
    /// Parses a JSON object.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILES: [&str; 2] = [
        include_str!("../tests/data/wycheproof/json_web_signature_test.json"),
        include_str!("../tests/data/wycheproof/json_web_key_test.json"),
    ];

    fn is_accepted(keys: &Value, token: &str) -> bool {
        let keys = KeySet::parse(keys.to_string().as_bytes());
        keys.is_ok_and(|keys| Jws::parse(token).is_ok_and(|token| token.verify(&keys).is_ok()))
    }

    #[test]
    fn signatures_and_keys_are_judged_as_by_wycheproof() {
        let (mut accepted, mut rejected) = (0, 0);
        for file in FILES {
            let file: Value = serde_json::from_str(file).unwrap();
            for group in file["testGroups"].as_array().unwrap() {
                let keys = group.get("public").unwrap_or(&group["private"]);
                let one = json!({ "keys": [keys] });
                let keys = if keys["keys"].is_array() { keys } else { &one };
                for test in group["tests"].as_array().unwrap() {
                    // Valid signatures of other algorithms are rejected here.
                    let is_es256 = keys["keys"][0]["alg"] == "ES256";
                    let expected = is_es256 && test["result"] == "valid";
                    let verdict = is_accepted(keys, test["jws"].as_str().unwrap());
                    assert_eq!(verdict, expected, "{}: {test}", group["comment"]);
                    *if verdict { &mut accepted } else { &mut rejected } += 1;
                }
            }
        }
        assert_eq!((accepted, rejected), (2, 48));
    }
}
