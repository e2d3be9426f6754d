//! Access tokens: every RPC requires a valid one. `shared` tests what makes a token valid.

use serde_json::{Value, json};
use shared::ids::UserId;
use test_support::{TestKey, claims};

use crate::support::{
    App, accepts, assert_each_refuses, call_with_bytes, client_of, unauthenticated,
};

/// A token with one claim changed.
fn with_claim(key: &TestKey, name: &str, value: Value) -> String {
    let mut claims = claims(UserId::generate());
    claims[name] = value;
    key.sign(&key.header(), &claims)
}

/// A token that is valid apart from its age.
fn with_times(key: &TestKey, issued_ago: i64) -> String {
    let mut claims = claims(UserId::generate());
    for name in ["iat", "nbf", "exp"] {
        claims[name] = json!(claims[name].as_i64().expect("it is a number") - issued_ago);
    }
    key.sign(&key.header(), &claims)
}

#[tokio::test]
async fn every_rpc_rejects_a_call_without_a_token() {
    let app = App::start().await;
    for entries in [&[][..], &["Basic YWxpY2U6c2VjcmV0"], &["Bearer"], &["token"], &[""]] {
        let client = client_of(&app.service, entries);
        let expected = unauthenticated("ACCESS_TOKEN_MISSING");
        assert_each_refuses(&client, &expected, &format!("{entries:?}")).await;
    }
}

#[tokio::test]
async fn every_rpc_rejects_a_bad_token() {
    let app = App::start().await;
    let key = &app.key;
    let impostor = TestKey::generate("first");
    let good = key.token(UserId::generate());
    let padded = with_claim(key, "padding", "x".repeat(6_000).into());
    assert!(padded.len() > 8_192);
    let invalid = "ACCESS_TOKEN_INVALID";
    for (case, entries, reason) in [
        ("empty", vec![String::new()], invalid),
        ("garbage", vec!["garbage".into()], invalid),
        ("three parts of garbage", vec!["a.b.c".into()], invalid),
        ("expired", vec![with_times(key, 700)], "ACCESS_TOKEN_EXPIRED"),
        ("not yet valid", vec![with_times(key, -60)], invalid),
        ("signed by another", vec![impostor.token(UserId::generate())], invalid),
        ("wrong issuer", vec![with_claim(key, "iss", json!("http://evil"))], invalid),
        ("wrong audience", vec![with_claim(key, "aud", json!("billing"))], invalid),
        ("two entries", vec![good.clone(), good.clone()], invalid),
        ("over 8 KiB", vec![padded], invalid),
    ] {
        let entries: Vec<_> = entries.iter().map(|token| format!("Bearer {token}")).collect();
        let entries: Vec<_> = entries.iter().map(String::as_str).collect();
        let client = client_of(&app.service, &entries);
        assert_each_refuses(&client, &unauthenticated(reason), case).await;
    }
    assert!(accepts(&app.client(&good)).await);
}

#[tokio::test]
async fn two_authorization_entries_are_rejected() {
    let app = App::start().await;
    let good = format!("Bearer {}", app.key.token(UserId::generate()));
    for entries in [[good.as_str(), "Basic eA=="], ["Basic eA==", good.as_str()]] {
        let client = client_of(&app.service, &entries);
        let expected = unauthenticated("ACCESS_TOKEN_INVALID");
        assert_each_refuses(&client, &expected, entries[1]).await;
    }
}

#[tokio::test]
async fn the_scheme_is_case_insensitive() {
    let app = App::start().await;
    let token = app.key.token(UserId::generate());
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let client = client_of(&app.service, &[&format!("{scheme} {token}")]);
        assert!(accepts(&client).await, "{scheme}");
    }
}

#[tokio::test]
async fn the_token_is_checked_before_the_request() {
    let app = App::start().await;
    let anonymous = client_of(&app.service, &[]);
    let missing = unauthenticated("ACCESS_TOKEN_MISSING");
    let answer = anonymous.clone().create_task(proto::task::v1::CreateTaskRequest::default()).await;
    assert_eq!(test_support::refusal(answer), missing);
    let answer = anonymous.clone().get_task(proto::task::v1::GetTaskRequest::default()).await;
    assert_eq!(test_support::refusal(answer), missing);
    // The answer reveals neither that the message is malformed nor that the method is unknown.
    for method in ["CreateTask", "UpdateTask", "NoSuchMethod"] {
        let answer =
            call_with_bytes(&app.service.channel(), "garbage", method, vec![0xff; 100]).await;
        let expected = unauthenticated("ACCESS_TOKEN_INVALID");
        assert_eq!(test_support::refusal(answer), expected, "{method}");
    }
}

#[tokio::test]
async fn an_expired_token_is_rejected() {
    let app = App::start_with(&["--token-leeway-seconds", "0"]).await;
    let client =
        app.client(&with_claim(&app.key, "exp", json!(shared::time::now().timestamp() + 2)));
    assert!(accepts(&client).await);
    test_support::eventually("the token expires", async || !accepts(&client).await).await;
    assert_each_refuses(&client, &unauthenticated("ACCESS_TOKEN_EXPIRED"), "later").await;
}

#[tokio::test]
async fn the_audience_and_the_issuer_are_configurable() {
    let flags = ["--token-issuer", "https://login.example", "--token-audience", "billing"];
    let app = App::start_with(&flags).await;
    let mut claims = claims(UserId::generate());
    claims["iss"] = json!("https://login.example");
    claims["aud"] = json!(["other", "billing"]);
    assert!(accepts(&app.client(&app.key.sign(&app.key.header(), &claims))).await);
    let default = app.client(&app.key.token(UserId::generate()));
    assert_each_refuses(&default, &unauthenticated("ACCESS_TOKEN_INVALID"), "default").await;
}
