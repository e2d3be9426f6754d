//! The issuer's keys: how a change of them is followed. Outages are in `issuer_away`.

use std::time::{Duration, Instant};

use shared::ids::UserId;
use test_support::{TestKey, eventually, refusal};
use tokio::{task::JoinSet, time::timeout};
use tonic::Code;

use crate::support::{App, Client, accepts, call_each, unauthenticated};

/// A client with a token of this key.
fn client_with(app: &App, key: &TestKey) -> Client {
    app.client(&key.token(UserId::generate()))
}

/// Concurrent calls with tokens of keys that the issuer does not publish.
async fn flood(app: &App, count: usize) {
    let strangers = (0..count).map(|number| {
        let client = client_with(app, &TestKey::generate(&format!("unknown {number}")));
        async move { accepts(&client).await }
    });
    let accepted = strangers.collect::<JoinSet<_>>().join_all().await;
    assert!(accepted.iter().all(|accepted| !accepted));
}

#[tokio::test]
async fn a_new_key_is_followed_by_the_first_call_that_names_it() {
    let app = App::start_with(&["--jwks-unknown-kid-seconds", "0"]).await;
    let fetches = app.issuer.fetches();
    let second = TestKey::generate("second");
    app.issuer.publish(&[&app.key, &second]);
    for (method, answer) in call_each(&client_with(&app, &second)).await {
        let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_ne!(code, Code::Unauthenticated, "{method}");
    }
    assert!(accepts(&client_with(&app, &app.key)).await);
    assert_eq!(app.issuer.fetches(), fetches + 1, "known keys need no fetch");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_one_fetch_in_each_interval() {
    let app = App::start_with(&["--jwks-unknown-kid-seconds", "1"]).await;
    let (started, fetches) = (Instant::now(), app.issuer.fetches());
    eventually("the interval is over", async || {
        flood(&app, 50).await;
        app.issuer.fetches() > fetches
    })
    .await;
    flood(&app, 200).await;
    let (caused, elapsed) = (app.issuer.fetches() - fetches, started.elapsed());
    assert!(caused as u64 <= 1 + elapsed.as_secs(), "{caused} fetches in {elapsed:?}");
}

#[tokio::test]
async fn a_flood_within_the_interval_causes_no_fetch() {
    let app = App::start_with(&["--jwks-unknown-kid-seconds", "3600"]).await;
    let fetches = app.issuer.fetches();
    flood(&app, 200).await;
    assert_eq!(app.issuer.fetches(), fetches);
}

#[tokio::test]
async fn a_token_that_is_no_token_causes_no_fetch() {
    let app = App::start_with(&["--jwks-unknown-kid-seconds", "0"]).await;
    let fetches = app.issuer.fetches();
    let key = TestKey::generate("unknown");
    let mut other_algorithm = key.header();
    other_algorithm["alg"] = "HS256".into();
    let claims = test_support::claims(UserId::generate());
    for token in ["garbage", "a.b.c", &key.sign(&other_algorithm, &claims)] {
        assert!(!accepts(&app.client(token)).await);
    }
    assert_eq!(app.issuer.fetches(), fetches);
}

#[tokio::test]
async fn a_key_that_the_issuer_removes_is_refused_after_the_next_refresh() {
    let app = App::start_with(&["--jwks-refresh-seconds", "1"]).await;
    let old = client_with(&app, &app.key);
    assert!(accepts(&old).await);
    let second = TestKey::generate("second");
    app.issuer.publish(&[&second]);
    eventually("the old key is refused", async || !accepts(&old).await).await;
    for (method, answer) in call_each(&old).await {
        assert_eq!(refusal(answer), unauthenticated("ACCESS_TOKEN_INVALID"), "{method}");
    }
    assert!(accepts(&client_with(&app, &second)).await);
}

#[tokio::test]
async fn a_key_that_changes_under_its_name_is_followed_by_the_next_refresh() {
    let app = App::start_with(&["--jwks-refresh-seconds", "1"]).await;
    let same_name = TestKey::generate("first");
    app.issuer.publish(&[&same_name]);
    let new = client_with(&app, &same_name);
    eventually("the new key is accepted", async || accepts(&new).await).await;
    assert!(!accepts(&client_with(&app, &app.key)).await);
}

#[tokio::test]
async fn a_call_that_is_cancelled_does_not_cancel_the_fetch_for_the_others() {
    let app = App::start_with(&["--jwks-unknown-kid-seconds", "2"]).await;
    let second = TestKey::generate("second");
    app.issuer.publish(&[&app.key, &second]);
    let held = app.issuer.hold().await;
    let fetches = app.issuer.fetches();
    let client = client_with(&app, &second);
    eventually("a call has caused a fetch", async || {
        let _ = timeout(Duration::from_millis(50), accepts(&client)).await;
        app.issuer.fetches() > fetches
    })
    .await;
    drop(held);
    eventually("the key is known", async || accepts(&client).await).await;
    assert_eq!(app.issuer.fetches(), fetches + 1);
}
