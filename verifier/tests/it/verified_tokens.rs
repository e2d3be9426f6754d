//! Tokens that come again: their signature is not verified anew, and nothing else is forgiven.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use tandem_verifier::{Error, Keys, Verifier};
use test_support::TestKey;

use crate::support::{
    Trust,
    Verdict::{Good, Invalid},
    claims, key_set, now, parse, verdict, verifier_by,
};

/// A verifier, the keys that it follows, and a token that it has seen.
fn seen() -> (Verifier, Arc<Keys>, TestKey, String) {
    let key = TestKey::generate("first");
    let keys = Arc::new(Keys::default());
    keys.set(parse(&key_set(&[key.jwk()])));
    let verifier = verifier_by(keys.clone());
    let token = key.sign(&key.header(), &claims());
    assert_eq!(verdict(&verifier, &token), Good);
    (verifier, keys, key, token)
}

#[test]
fn a_seen_token_names_its_caller_again() {
    let (verifier, _, _, token) = seen();
    assert_eq!(verifier.verify(&token, now()).unwrap(), verifier.verify(&token, now()).unwrap());
}

#[test]
fn a_seen_token_expires_to_the_second() {
    let (verifier, _, _, token) = seen();
    let exp_and_leeway = TimeDelta::seconds(600 + 30);
    let last = now() + exp_and_leeway - TimeDelta::seconds(1);
    assert!(verifier.verify(&token, last).is_ok());
    let over = verifier.verify(&token, now() + exp_and_leeway);
    assert!(matches!(over, Err(Error::TokenExpired)), "{over:?}");
}

#[test]
fn a_seen_token_ends_with_its_key() {
    let (verifier, keys, _, token) = seen();
    keys.set(parse(&key_set(&[TestKey::generate("second").jwk()])));
    assert_eq!(verdict(&verifier, &token), Invalid);
    // Of the same name, it is another key all the same.
    keys.set(parse(&key_set(&[TestKey::generate("first").jwk()])));
    assert_eq!(verdict(&verifier, &token), Invalid);
    keys.clear();
    assert!(matches!(verifier.verify(&token, now()), Err(Error::KeysUnavailable)));
}

#[test]
fn a_seen_token_outlives_other_keys() {
    let (verifier, keys, key, token) = seen();
    keys.set(parse(&key_set(&[key.jwk(), TestKey::generate("second").jwk()])));
    assert_eq!(verdict(&verifier, &token), Good);
}

#[test]
fn a_refused_token_stays_refused_and_does_not_spoil_the_good_one() {
    let (verifier, _, _, token) = seen();
    let (message, _) = token.rsplit_once('.').unwrap();
    let foreign = TestKey::generate("first").sign(&Trust::new().key.header(), &claims());
    let (_, signature) = foreign.rsplit_once('.').unwrap();
    let forged = format!("{message}.{signature}");
    for _ in 0..2 {
        assert_eq!(verdict(&verifier, &forged), Invalid);
        assert_eq!(verdict(&verifier, &token), Good);
    }
}

/// The bound is wide, since tests run unoptimised and side by side: a signature costs at least
/// thirty times as much as looking the token up.
#[test]
fn a_seen_token_costs_no_signature() {
    let (verifier, keys, key, token) = seen();
    let time = |work: &dyn Fn()| {
        let runs = (0..50).map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        });
        runs.min().unwrap_or(Duration::MAX)
    };
    let again = time(&|| {
        let _ = black_box(verifier.verify(&token, now()));
    });
    let anew = time(&|| {
        keys.clear();
        keys.set(parse(&key_set(&[key.jwk()])));
        let _ = black_box(verifier.verify(&token, now()));
    });
    assert!(again * 4 < anew, "{again:?} again, {anew:?} anew");
}
