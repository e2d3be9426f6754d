//! Tokens that were found good, so that the next call with one of them does not verify its
//! signature again. Refused ones are not kept.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use super::{Caller, KeySet};

/// How many are remembered; beyond that, those are forgotten that are least used. One takes about
/// a hundred bytes.
const MAX_TOKENS: usize = 100_000;

/// What a token is known by: the memory of the service holds nothing that can be presented.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    pub(super) fn of(token: &str) -> Self {
        let hash = digest(&SHA256, token.as_bytes());
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// What the good ones say.
pub(super) struct SeenTokens(Cache<Digest, Seen>);

#[derive(Clone, Copy)]
struct Seen {
    /// Of the set by which it was verified: with that its place here ends, since its key may not
    /// be in the next.
    key_set: u64,
    caller: Caller,
    exp: i64,
}

impl SeenTokens {
    /// Whose the token is, and its `exp`, if it was verified by these keys.
    pub(super) fn get(&self, token: &Digest, keys: &KeySet) -> Option<(Caller, i64)> {
        let seen = self.0.get(token).filter(|seen| seen.key_set == keys.number())?;
        Some((seen.caller, seen.exp))
    }

    /// Keeps a token that was verified by these keys.
    pub(super) fn insert(&self, token: Digest, keys: &KeySet, caller: Caller, exp: i64) {
        self.0.insert(token, Seen { key_set: keys.number(), caller, exp });
    }
}

impl Default for SeenTokens {
    fn default() -> Self {
        Self(Cache::new(MAX_TOKENS))
    }
}
