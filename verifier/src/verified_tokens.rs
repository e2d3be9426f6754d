//! A cache of verified tokens, so that the next call with one does not verify its signature again.
//! Rejected tokens are not cached.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use crate::{Caller, KeySet};

/// The capacity, in tokens of about 100 bytes each, and the texts of their roles. At the limit, the
/// least used are evicted.
const MAX_TOKENS: usize = 100_000;

/// A token's SHA-256: the cache holds nothing that can be presented as a token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        let hash = digest(&SHA256, token.as_bytes());
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// The cache.
pub(crate) struct VerifiedTokens(Cache<Digest, Entry>);

#[derive(Clone)]
struct Entry {
    /// Key-set version that verified this token; entries of older versions are ignored.
    key_set: u64,
    caller: Caller,
    exp: i64,
}

impl VerifiedTokens {
    /// The caller and the `exp` of a token that these keys verified.
    pub(crate) fn get(&self, token: &Digest, keys: &KeySet) -> Option<(Caller, i64)> {
        let entry = self.0.get(token).filter(|entry| entry.key_set == keys.version())?;
        Some((entry.caller, entry.exp))
    }

    /// Adds a token that these keys verified.
    pub(crate) fn insert(&self, token: Digest, keys: &KeySet, caller: Caller, exp: i64) {
        self.0.insert(token, Entry { key_set: keys.version(), caller, exp });
    }
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::new(MAX_TOKENS))
    }
}
