//! Register without a request id.

use test_support::{Refusal, refusal};
use tonic::Code;

use crate::support::{App, PASSWORD, credentials_invalid};

#[tokio::test]
async fn a_new_user_gets_an_id_and_a_lower_case_name() {
    let app = App::start().await;
    let user = app.register("Ada-1815").await;
    assert_eq!(user.username, "ada-1815");
    assert_eq!(user.id, uuid::Uuid::parse_str(&user.id).unwrap().hyphenated().to_string());
    assert!(user.create_time.is_some());
    assert_eq!(user.create_time, user.update_time);
}

#[tokio::test]
async fn the_returned_user_is_the_stored_one() {
    let app = App::start().await;
    let user = app.register("ada").await;
    let token = app.log_in("ada").await;
    let stored = app.current_user(&token).await.unwrap().into_inner().user;
    assert_eq!(stored, Some(user));
}

#[tokio::test]
async fn every_invalid_field_is_named_and_nothing_is_written() {
    let app = App::start().await;
    let (long_name, long_password) = ("a".repeat(33), format!("{PASSWORD}{PASSWORD}{PASSWORD}xxx"));
    assert_eq!(long_password.len(), 72);
    let both = ["username", "password"].as_slice();
    let (username, password) = (&both[..1], &both[1..]);
    for (name, secret, fields) in [
        ("", "", both),
        ("ab", "short", both),
        (&long_name, &long_password, both),
        ("ad\0a", "quiet\0otter-sails-north", both),
        ("-ada", PASSWORD, username),
        ("ada.", PASSWORD, username),
        ("a da", PASSWORD, username),
        ("аda", PASSWORD, username), // a Cyrillic first letter
        ("ada@home", PASSWORD, username),
        ("Admin", PASSWORD, username),
        ("ada", "seven!7", password),
        ("ada", "password1234", password),
        ("ada-lovelace", "ada-lovelace", password),
        ("ada", "aaaaaaaaaaaaaaaaaaaaaaaa", password),
        ("ada", &long_password, password),
    ] {
        let answer = app.try_register(name, secret).await;
        assert_eq!(refusal(answer), Refusal::invalid(fields), "{name:?} {secret:?}");
    }
    assert_eq!(app.users().await, "0");
}

#[tokio::test]
async fn a_taken_name_is_rejected_in_any_case_and_its_user_does_not_change() {
    let app = App::start().await;
    app.register("ada").await;
    let before = app.query("select u::text from auth.users u").await;
    let answer = app.try_register("ADA", "another-fine-password-91").await;
    assert_eq!(refusal(answer), Refusal::new(Code::AlreadyExists, "USERNAME_TAKEN"));
    assert_eq!(app.query("select u::text from auth.users u").await, before);
}

#[tokio::test]
async fn one_of_ten_concurrent_registrations_of_a_name_succeeds() {
    let app = App::start().await;
    let calls: Vec<_> = (0..10).map(|_| app.spawn_register("ada")).collect();
    let mut winners = 0;
    for call in calls {
        let answer = call.await.unwrap();
        if answer.is_ok() {
            winners += 1;
        } else {
            assert_eq!(refusal(answer), Refusal::new(Code::AlreadyExists, "USERNAME_TAKEN"));
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(app.users().await, "1");
}

#[tokio::test]
async fn only_a_bcrypt_hash_of_the_configured_cost_is_stored() {
    let app = App::with(&["--bcrypt-cost", "5"]).await;
    app.register("ada").await;
    let row = app.query("select u::text from auth.users u").await;
    assert!(!row.contains(PASSWORD), "{row}");
    let hash = app.query("select password_hash from auth.users").await;
    assert!(hash.starts_with("$2b$05$"), "{hash}");
    assert!(bcrypt::non_truncating_verify(PASSWORD, &hash).unwrap());
}

#[tokio::test]
async fn every_byte_of_the_longest_password_is_significant() {
    let app = App::start().await;
    let longest = "quiet otter sails north by the light of seven paper lanterns tonight ok";
    assert_eq!(longest.len(), 71);
    app.try_register("ada", longest).await.unwrap();
    app.try_log_in("ada", longest).await.unwrap();
    let wrong = format!("{}!", &longest[..70]);
    let answer = app.try_log_in("ada", &wrong).await;
    assert_eq!(refusal(answer), credentials_invalid());
}
