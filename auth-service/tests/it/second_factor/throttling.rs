//! Rate limits on codes and on the tokens that the service makes.

use proto::auth::v1::{self as pb, complete_login_request::Factor};
use test_support::refusal;

use crate::support::{
    Answer, App, PASSWORD, credentials, forwarded, login_challenge_invalid, reset_token_invalid,
    second_factor_wrong, too_many_attempts,
};

/// The default limits; the harness sets higher ones.
const LIMITS: [&str; 4] = ["--login-attempts-per-source", "20", "--login-attempts-per-name", "5"];
/// Trusts the address of the tests as a proxy.
const PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.0/8"];

impl App {
    async fn complete_from(
        &self,
        source: &str,
        challenge: &str,
        code: &str,
    ) -> Answer<pb::CompleteLoginResponse> {
        let (challenge, factor) = (challenge.to_owned(), Some(Factor::Code(code.to_owned())));
        let request = pb::CompleteLoginRequest { challenge, factor };
        self.client().complete_login(forwarded(source, request)).await
    }
}

#[tokio::test]
async fn after_five_wrong_codes_the_user_is_throttled_at_every_source() {
    let app = App::with(&[&LIMITS[..], &PROXY].concat()).await;
    let mut ada = app.enroll("ada").await;
    let wrong = ada.authenticator.wrong_code(ada.step);
    let challenge = app.challenge("ada").await;
    for number in 0..5 {
        let answer = app.complete_from(&format!("192.0.2.{number}"), &challenge, &wrong).await;
        assert_eq!(refusal(answer), second_factor_wrong("code"));
    }
    let right = ada.next_code();
    let answer = app.complete_from("192.0.2.9", &challenge, &right).await;
    assert_eq!(refusal(answer), too_many_attempts(), "even the right code, from anywhere");

    let mut bob = app.enroll("bob").await;
    let challenge = app.challenge("bob").await;
    app.complete_from("192.0.2.0", &challenge, &bob.next_code()).await.expect("another user");
}

#[tokio::test]
async fn the_right_password_does_not_clear_wrong_codes() {
    let app = App::with(&LIMITS).await;
    let mut ada = app.enroll("ada").await;
    let wrong = ada.authenticator.wrong_code(ada.step);
    for _ in 0..5 {
        // As an attacker with the password would guess: a fresh challenge for each code.
        let challenge = app.challenge("ada").await;
        let answer = app.complete(&challenge, Factor::Code(wrong.clone())).await;
        assert_eq!(refusal(answer), second_factor_wrong("code"));
    }
    let challenge = app.challenge("ada").await;
    let answer = app.complete(&challenge, Factor::Code(ada.next_code())).await;
    assert_eq!(refusal(answer), too_many_attempts());
}

#[tokio::test]
async fn wrong_codes_of_every_call_count_together() {
    let app = App::with(&LIMITS).await;
    let ada = app.enroll("ada").await;
    let challenge = app.challenge("ada").await;
    let wrong = || Factor::Code(ada.authenticator.wrong_code(ada.step));
    let unused = || Factor::RecoveryCode("0000-0000-0000-0000".to_owned());
    let is_wrong = |answer| refusal(answer).reason == "SECOND_FACTOR_WRONG";
    assert!(is_wrong(app.complete(&challenge, wrong()).await.map(drop)));
    assert!(is_wrong(app.complete(&challenge, unused()).await.map(drop)));
    assert!(is_wrong(ada.login.disable_totp(PASSWORD, wrong()).await));
    assert!(is_wrong(ada.login.disable_totp(PASSWORD, unused()).await));
    assert!(is_wrong(ada.login.regenerate_recovery_codes(PASSWORD, wrong()).await.map(drop)));
    let answer = app.complete(&challenge, wrong()).await;
    assert_eq!(refusal(answer), too_many_attempts());
}

#[tokio::test]
async fn a_right_code_clears_the_wrong_ones() {
    let app = App::with(&LIMITS).await;
    let mut ada = app.enroll("ada").await;
    let challenge = app.challenge("ada").await;
    let wrong = ada.authenticator.wrong_code(ada.step);
    for _ in 0..2 {
        for _ in 0..4 {
            let answer = app.complete(&challenge, Factor::Code(wrong.clone())).await;
            assert_eq!(refusal(answer), second_factor_wrong("code"));
        }
        app.complete(&challenge, Factor::Code(ada.next_code())).await.unwrap();
    }
}

#[tokio::test]
async fn guesses_at_the_code_of_an_enrolment_are_throttled() {
    let app = App::with(&LIMITS).await;
    let ada = app.new_login("ada").await;
    ada.begin_totp(PASSWORD).await.unwrap();
    for number in 0..5 {
        // One is right by chance once in 66,000 runs.
        let answer = ada.confirm_totp(&format!("{number:06}")).await;
        assert_eq!(refusal(answer), second_factor_wrong("code"));
    }
    assert_eq!(refusal(ada.confirm_totp("000005").await), too_many_attempts());
}

#[tokio::test]
async fn forged_tokens_count_for_their_source() {
    let app = App::with(&[&LIMITS[..], &PROXY].concat()).await;
    app.register("ada").await;
    for number in 0..10 {
        let answer = app.complete_from("192.0.2.1", &format!("forged-{number}"), "123456").await;
        assert_eq!(refusal(answer), login_challenge_invalid());
        let (reset_token, new_password) = (format!("forged-{number}"), PASSWORD.to_owned());
        let request = pb::ResetPasswordRequest { reset_token, new_password };
        let answer = app.client().reset_password(forwarded("192.0.2.1", request)).await;
        assert_eq!(refusal(answer), reset_token_invalid());
    }
    let answer = app.complete_from("192.0.2.1", "forged", "123456").await;
    assert_eq!(refusal(answer), too_many_attempts());
    let request = forwarded("192.0.2.1", credentials("ada", PASSWORD));
    assert_eq!(refusal(app.client().login(request).await), too_many_attempts());
    let answer = app.complete_from("192.0.2.2", "forged", "123456").await;
    assert_eq!(refusal(answer), login_challenge_invalid(), "another source");
}

#[tokio::test]
async fn concurrent_guesses_do_not_exceed_the_limit() {
    let app = App::with(&LIMITS).await;
    let ada = app.enroll("ada").await;
    let challenge = app.challenge("ada").await;
    let wrong = ada.authenticator.wrong_code(ada.step);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (mut client, challenge) = (app.client(), challenge.clone());
        let factor = Some(Factor::Code(wrong.clone()));
        let request = pb::CompleteLoginRequest { challenge, factor };
        calls.spawn(async move { client.complete_login(request).await });
    }
    let answers = calls.join_all().await.into_iter().map(refusal);
    assert_eq!(answers.filter(|error| *error == second_factor_wrong("code")).count(), 5);
}
