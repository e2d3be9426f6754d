//! The issuer away or talking nonsense: the last good keys go on, and for no longer than they may.

use std::time::Duration;

use serde_json::{Value, json};
use shared::ids::UserId;
use test_support::{Refusal, TestDatabase, TestIssuer, TestKey, eventually};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tonic::Code;
use tonic::codegen::http::StatusCode;

use crate::support::{App, accepts, assert_each_refuses, client_of, run};

fn keys_unavailable() -> Refusal {
    Refusal::retryable(Code::Unavailable, "KEYS_UNAVAILABLE")
}

fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// Answers that are no key set, or one that must not be trusted.
fn bad_answers(key: &TestKey) -> Vec<(&'static str, StatusCode, String)> {
    let good = key.jwk();
    let mut private = good.clone();
    private["d"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let oct = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "first", "alg": "HS256" });
    let rsa = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "first" });
    let numbered = |number: usize| {
        let mut jwk = good.clone();
        jwk["kid"] = json!(format!("key {number}"));
        jwk
    };
    let many: Vec<_> = (0..17).map(numbered).collect();
    let padding = " ".repeat(64 * 1024);
    let ok = StatusCode::OK;
    vec![
        ("an error", StatusCode::INTERNAL_SERVER_ERROR, key_set(&[numbered(1)])),
        ("a redirect", StatusCode::FOUND, key_set(&[numbered(1)])),
        ("nothing", ok, String::new()),
        ("not JSON", ok, "<html>".into()),
        ("another JSON", ok, "[]".into()),
        ("cut off", ok, key_set(&[numbered(1)])[..50].into()),
        ("no keys", ok, key_set(&[])),
        ("duplicate kids", ok, key_set(&[numbered(1), numbered(1)])),
        ("more than 16 keys", ok, key_set(&many)),
        ("more than 64 KiB", ok, key_set(&[numbered(1)]) + &padding),
        ("a private key", ok, key_set(&[private])),
        ("a shared secret", ok, key_set(&[oct])),
        ("an RSA key only", ok, key_set(&[rsa])),
    ]
}

#[tokio::test]
async fn a_bad_answer_never_replaces_good_keys() {
    let app = App::start_with(&["--jwks-unknown-kid-seconds", "0"]).await;
    let good = app.client(&app.key.token(UserId::generate()));
    let unknown = app.client(&TestKey::generate("unknown").token(UserId::generate()));
    for (case, status, body) in bad_answers(&app.key) {
        app.issuer.answer(status, body);
        let fetches = app.issuer.fetches();
        assert!(!accepts(&unknown).await, "{case}");
        assert!(app.issuer.fetches() > fetches, "{case} is fetched");
        assert!(accepts(&good).await, "{case}");
    }
    // Nor does it stop the service from asking again.
    let second = TestKey::generate("second");
    app.issuer.publish(&[&second]);
    assert!(accepts(&app.client(&second.token(UserId::generate()))).await);
}

#[tokio::test]
async fn a_bad_answer_never_makes_a_service_ready() {
    let key = TestKey::generate("first");
    let (database, issuer) = (TestDatabase::create().await, TestIssuer::start(&[]).await);
    let service = run(&database, issuer.url(), &["--jwks-unknown-kid-seconds", "0"]).await;
    let client = client_of(&service, &[&format!("Bearer {}", key.token(UserId::generate()))]);
    for (case, status, body) in bad_answers(&key) {
        issuer.answer(status, body);
        assert_each_refuses(&client, &keys_unavailable(), case).await;
        assert!(!tandem_server::is_ready(service.address()).await, "{case}");
    }
}

#[tokio::test]
async fn the_last_keys_go_on_while_the_issuer_is_down() {
    let app = App::start_with(&["--jwks-refresh-seconds", "1"]).await;
    let fetches = app.issuer.fetches();
    app.issuer.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    eventually("a refresh has failed", async || app.issuer.fetches() > fetches + 1).await;
    assert!(accepts(&app.client(&app.key.token(UserId::generate()))).await);
    assert!(tandem_server::is_ready(app.service.address()).await);
}

#[tokio::test]
async fn a_token_of_a_key_that_cannot_be_fetched_may_be_good_and_is_to_be_tried_again() {
    let app = App::start_with(&["--jwks-unknown-kid-seconds", "0"]).await;
    let second = TestKey::generate("second");
    let client = app.client(&second.token(UserId::generate()));
    app.issuer.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    assert_each_refuses(&client, &keys_unavailable(), "the issuer is down").await;
    app.issuer.publish(&[&app.key, &second]);
    eventually("the key is fetched", async || accepts(&client).await).await;
}

#[tokio::test]
async fn keys_that_are_too_old_are_not_trusted_until_newer_ones_come() {
    let flags = ["--jwks-refresh-seconds", "1", "--jwks-max-age-seconds", "1"];
    let app = App::start_with(&flags).await;
    let client = app.client(&app.key.token(UserId::generate()));
    app.issuer.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    eventually("the keys are too old", async || !accepts(&client).await).await;
    assert_each_refuses(&client, &keys_unavailable(), "too old").await;
    eventually("it is not ready", async || !tandem_server::is_ready(app.service.address()).await)
        .await;
    app.issuer.publish(&[&app.key]);
    eventually("it is ready", async || tandem_server::is_ready(app.service.address()).await).await;
    assert!(accepts(&client).await);
}

#[tokio::test]
async fn a_service_starts_while_its_issuer_is_away_and_gets_ready_when_it_comes() {
    let key = TestKey::generate("first");
    let (database, issuer) = (TestDatabase::create().await, TestIssuer::start(&[&key]).await);
    issuer.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    let service = run(&database, issuer.url(), &[]).await;
    let client = client_of(&service, &[&format!("Bearer {}", key.token(UserId::generate()))]);
    eventually("it has asked", async || issuer.fetches() > 0).await;
    assert_each_refuses(&client, &keys_unavailable(), "away").await;
    assert!(!tandem_server::is_ready(service.address()).await);
    issuer.publish(&[&key]);
    let _service = service.ready().await;
    assert!(accepts(&client).await);
}

#[tokio::test]
async fn an_issuer_that_never_answers_does_not_hang_the_calls() {
    let key = TestKey::generate("first");
    let database = TestDatabase::create().await;
    // The kernel completes connections, and the issuer never accepts them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let service = run(&database, &url, &["--jwks-timeout-ms", "200"]).await;
    let authorization = format!("Bearer {}", key.token(UserId::generate()));
    let calls = (0..50).map(|_| {
        let client = client_of(&service, &[&authorization]);
        async move { timeout(Duration::from_secs(2), accepts(&client)).await }
    });
    for answer in calls.collect::<JoinSet<_>>().join_all().await {
        assert_eq!(answer, Ok(false), "refused in time");
    }
    assert_each_refuses(&client_of(&service, &[&authorization]), &keys_unavailable(), "").await;
}
