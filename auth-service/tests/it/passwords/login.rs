//! Login: the right password succeeds, and every failure looks the same.

use std::time::{Duration, Instant};

use test_support::{Refusal, refusal};

use crate::support::{App, PASSWORD, credentials_invalid};

#[tokio::test]
async fn the_right_password_returns_a_token_and_the_user() {
    let app = App::start().await;
    let user = app.register("ada").await;
    let answer = app.try_log_in("ada", PASSWORD).await.unwrap().into_inner();
    assert_eq!(answer.user, Some(user));
    assert!(!answer.tokens().unwrap().access_token.is_empty());
}

#[tokio::test]
async fn the_name_matches_in_any_case() {
    let app = App::start().await;
    let user = app.register("ada-1815").await;
    for name in ["ADA-1815", "Ada-1815", "ada-1815"] {
        let answer = app.try_log_in(name, PASSWORD).await.unwrap().into_inner();
        assert_eq!(answer.user.as_ref(), Some(&user), "{name}");
    }
}

#[tokio::test]
async fn every_wrong_name_or_password_gets_the_same_answer_byte_for_byte() {
    let app = App::start().await;
    app.register("ada").await;
    let overlong = "x".repeat(100);
    let prolonged = format!("{PASSWORD}{}", "x".repeat(100));
    let mut answers = Vec::new();
    for (name, password) in [
        ("ada", "wrong-password"),
        ("ada", &PASSWORD.to_uppercase()),
        ("ada", &format!("{PASSWORD} ")),
        ("ada", &overlong),
        ("ada", &prolonged),
        ("ada", "quiet\0otter"),
        ("ada", &format!("{PASSWORD}\0")),
        ("ada", "\0"),
        ("bob", PASSWORD),
        ("bob", &overlong),
        ("admin", PASSWORD),
    ] {
        let answer = app.try_log_in(name, password).await;
        let status = answer.as_ref().unwrap_err();
        answers.push((status.message().to_owned(), status.details().to_owned()));
        assert_eq!(refusal(answer), credentials_invalid(), "{name:?} {password:?}");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_name_that_no_user_can_have_and_an_empty_password_are_named() {
    let app = App::start().await;
    app.register("ada").await;
    for (name, password, fields) in [
        ("", "", ["username", "password"].as_slice()),
        ("", PASSWORD, &["username"]),
        ("ada", "", &["password"]),
        (" ada", PASSWORD, &["username"]),
        ("ada\n", PASSWORD, &["username"]),
        ("ada@example.com", PASSWORD, &["username"]),
        ("ada\0", PASSWORD, &["username"]),
        (&"a".repeat(5000), PASSWORD, &["username"]),
    ] {
        let answer = app.try_log_in(name, password).await;
        assert_eq!(refusal(answer), Refusal::invalid(fields), "{name:?} {password:?}");
    }
}

#[tokio::test]
async fn a_stored_hash_that_is_malformed_or_out_of_range_matches_no_password_and_fails_fast() {
    let app = App::start().await;
    app.register("ada").await;
    let hash = app.query("select password_hash from auth.users").await;
    for stored in [
        String::new(),
        "x".to_owned(),
        PASSWORD.to_owned(),
        hash.replace("$04$", "$31$"),
        hash.replace("$04$", "$16$"),
        hash.replace("$04$", "$xx$"),
        hash[..hash.len() - 1].to_owned(),
    ] {
        app.store_password_hash(&stored).await;
        let begun = Instant::now();
        let answer = app.try_log_in("ada", PASSWORD).await;
        assert_eq!(refusal(answer), credentials_invalid(), "{stored}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{stored}");
    }
    app.store_password_hash(&hash).await;
    app.log_in("ada").await;
}

#[tokio::test]
async fn a_hash_of_another_cost_matches() {
    let app = App::start().await;
    app.register("ada").await;
    app.store_password_hash(&bcrypt::non_truncating_hash(PASSWORD, 6).unwrap()).await;
    app.log_in("ada").await;
}

#[tokio::test]
async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let app = App::with(&["--bcrypt-cost", "8"]).await;
    app.register("ada").await;
    let time = async |name, password| {
        let begun = Instant::now();
        app.try_log_in(name, password).await.unwrap_err();
        begun.elapsed().as_secs_f64()
    };
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        wrong.push(time("ada", "wrong-password").await);
        unknown.push(time("bob", "wrong-password").await);
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let ratio = median(unknown) / median(wrong);
    assert!((0.5..2.0).contains(&ratio), "{ratio} times as long");
}
