//! A set of public keys (RFC 7517) and the checks that each passes before it verifies tokens.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwapOption, Guard};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};

/// The version of the next set.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(0);

/// The most keys in a set.
const MAX_KEYS: usize = 16;

/// A P-256 public key as a JSON Web Key (RFC 7517), as far as verification needs it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub struct Jwk {
    pub kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

/// The keys that verify access tokens.
pub struct KeySet {
    /// Unique in this process.
    version: u64,
    keys: Vec<Key>,
}

struct Key {
    kid: Option<String>,
    /// The encoded coordinates, to compare keys.
    coordinates: [String; 2],
    decoding: DecodingKey,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (&self.kid, &self.coordinates) == (&other.kid, &other.coordinates)
    }
}

/// The current key set; empty until the first is loaded.
#[derive(Default)]
pub struct Keys(ArcSwapOption<KeySet>);

impl Keys {
    /// Replaces the key set. A set with the same keys changes nothing, so that verified tokens stay
    /// cached.
    pub fn set(&self, keys: KeySet) {
        if self.0.load().as_ref().is_none_or(|current| !current.has_keys_of(&keys)) {
            self.0.store(Some(Arc::new(keys)));
        }
    }

    /// Removes the key set: every token is rejected until the next.
    pub fn clear(&self) {
        self.0.store(None);
    }

    /// The current key set.
    pub fn load(&self) -> Guard<Option<Arc<KeySet>>> {
        self.0.load()
    }
}

/// Why a key set is rejected as a whole.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum InvalidKeySet {
    #[error("not a JSON Web Key Set: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0} keys, at most {MAX_KEYS} are accepted")]
    TooManyKeys(usize),
    #[error("two keys have the same kid")]
    DuplicateKid,
    #[error("no key in it verifies ES256 signatures")]
    NoUsableKey,
}

impl KeySet {
    /// Reads a JSON Web Key Set.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidKeySet> {
        let JwkSet { keys } = serde_json::from_slice(json)?;
        if keys.len() > MAX_KEYS {
            return Err(InvalidKeySet::TooManyKeys(keys.len()));
        }
        // Anyone can sign with a key that is published with its private part, `d`. Keys of unknown
        // form are ignored (RFC 7517, section 5).
        let public = keys.into_iter().filter(|key| key.get("d").is_none());
        let known = public.filter_map(|key| serde_json::from_value(key).ok());
        Self::from_jwks(&known.collect::<Vec<_>>())
    }

    /// Keeps the keys that verify ES256 signatures. An issuer may publish keys for other uses.
    pub fn from_jwks(jwks: &[Jwk]) -> Result<Self, InvalidKeySet> {
        let keys: Vec<_> = jwks.iter().filter_map(usable).collect();
        let mut kids = HashSet::new();
        if !keys.iter().filter_map(|key| key.kid.as_ref()).all(|kid| kids.insert(kid)) {
            return Err(InvalidKeySet::DuplicateKid);
        }
        if keys.is_empty() {
            return Err(InvalidKeySet::NoUsableKey);
        }
        Ok(Self { version: NEXT_VERSION.fetch_add(1, Ordering::Relaxed), keys })
    }

    /// The number of keys.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The key with this id. For a token that names none (RFC 7515 makes `kid` optional), the only
    /// key of the set.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&DecodingKey> {
        let key = match (kid, &self.keys[..]) {
            (Some(_), keys) => keys.iter().find(|key| key.kid.as_deref() == kid)?,
            (None, [only]) => only,
            (None, _) => return None,
        };
        Some(&key.decoding)
    }

    fn has_keys_of(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len() && other.keys.iter().all(|key| self.keys.contains(key))
    }
}

/// The key, if it verifies ES256 signatures and its point is on the curve.
fn usable(jwk: &Jwk) -> Option<Key> {
    let may = |value: &Option<String>, only: &str| value.as_deref().is_none_or(|v| v == only);
    let fits = jwk.kty == "EC"
        && jwk.crv.as_deref() == Some("P-256")
        && may(&jwk.alg, "ES256")
        && may(&jwk.use_, "sig")
        && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
        && jwk.kid.as_deref() != Some("");
    if !fits {
        return None;
    }
    let (x, y) = (jwk.x.as_deref()?, jwk.y.as_deref()?);
    // An uncompressed point (SEC 1, section 2.3.3). `DecodingKey` takes one off the curve.
    let point = [&[4], &*coordinate(x)?, &*coordinate(y)?].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
    let decoding = DecodingKey::from_ec_components(x, y).ok()?;
    Some(Key { kid: jwk.kid.clone(), coordinates: [x, y].map(str::to_owned), decoding })
}

/// The coordinate, if it is 32 bytes in base64url.
fn coordinate(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32)
}
