//! The verification of an access token, with which each call of task-service begins.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use http::{HeaderMap, header};
use serde_json::json;
use shared::{
    auth::{KeySet, Keys, Verifier},
    config::{self, TokenConfig},
    ids::UserId,
};
use test_support::TestKey;

use super::{Finding, Study};
use crate::environment::owner_id;

/// Tokens that are verified once.
const NEW: u64 = 5_000;
/// Further verifications of one token.
const CACHED: u32 = 1_000_000;

pub(super) fn measure() -> anyhow::Result<Vec<Finding>> {
    let key = TestKey::generate("bench");
    let keys = KeySet::parse(json!({ "keys": [key.jwk()] }).to_string().as_bytes())?;
    let published = Arc::new(Keys::default());
    published.set(keys);
    let config: TokenConfig = config::settings([""; 0])?;
    let verifier = Verifier::new(published, (&config).into());
    let headers = |number| -> anyhow::Result<HeaderMap> {
        let token = format!("Bearer {}", key.token(UserId(owner_id(number))));
        Ok(HeaderMap::from_iter([(header::AUTHORIZATION, token.try_into()?)]))
    };
    let all = (0..NEW).map(headers).collect::<anyhow::Result<Vec<_>>>()?;
    let verify = |headers| {
        let caller = verifier.authenticate(black_box(headers), shared::time::now());
        caller.map(black_box).map_err(|error| anyhow!(error))
    };
    let start = Instant::now();
    for headers in &all {
        verify(headers)?;
    }
    let new = start.elapsed() / u32::try_from(NEW)?;
    let last = &all[all.len() - 1];
    let start = Instant::now();
    for _ in 0..CACHED {
        verify(last)?;
    }
    let cached = start.elapsed() / CACHED;
    let found = |what: &str, each: Duration| {
        Study::Verification.found(what, each.as_secs_f64() * 1e6, "µs")
    };
    Ok(vec![found("cached token", cached), found("new token", new)])
}
