//! Login and CompleteLogin of a user with a second factor.

use std::time::Instant;

use proto::auth::v1::{self as pb, complete_login_request::Factor};
use serde_json::json;
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;

use crate::support::{
    App, PASSWORD, TokenParts, credentials_invalid, login_challenge_invalid, second_factor_wrong,
};

const NEW_PASSWORD: &str = "seven-paper-lanterns-tonight";

fn code(code: &str) -> Factor {
    Factor::Code(code.to_owned())
}

fn recovery(code: &str) -> Factor {
    Factor::RecoveryCode(code.to_owned())
}

#[tokio::test]
async fn the_right_password_gives_a_challenge_and_no_session() {
    let app = App::start().await;
    let ada = app.enroll("ada").await;
    let before = shared::time::now().timestamp();
    let answer = app.try_log_in("ada", PASSWORD).await.unwrap().into_inner();
    assert_eq!(answer.user, None);
    let challenge = answer.challenge().expect("a second factor is missing");
    let lifetime = challenge.expire_time.unwrap().seconds - before;
    assert!((300..310).contains(&lifetime), "{lifetime}");
    assert!(challenge.challenge.len() <= 100);
    assert_eq!(ada.login.sessions().await.unwrap().len(), 1);
    assert_eq!(refusal(app.try_log_in("ada", "wrong-password").await), credentials_invalid());
}

#[tokio::test]
async fn a_wrong_password_takes_as_long_with_a_second_factor_as_without() {
    let app = App::with(&["--bcrypt-cost", "8"]).await;
    app.enroll("ada").await;
    app.register("bob").await;
    let time = async |name| {
        let begun = Instant::now();
        let answer = app.try_log_in(name, "wrong-password").await;
        let elapsed = begun.elapsed().as_secs_f64();
        let status = answer.unwrap_err();
        (elapsed, (status.message().to_owned(), status.details().to_owned()))
    };
    let (mut enrolled, mut others, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..15 {
        // In turns, since other tests share the machine.
        for (name, times) in [("ada", &mut enrolled), ("bob", &mut others)] {
            let (elapsed, answer) = time(name).await;
            times.push(elapsed);
            answers.push(answer);
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "byte for byte: {answers:?}");
    let [enrolled, others] = [enrolled, others].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let ratio = enrolled / others;
    assert!((0.5..2.0).contains(&ratio), "{ratio} times as long");
}

#[tokio::test]
async fn a_code_completes_the_login() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let challenge = app.challenge("ada").await;
    let answer = app.complete(&challenge, code(&ada.next_code())).await.unwrap();
    assert_eq!(answer.user, Some(ada.login.user().await.unwrap()));
    assert_eq!(answer.recovery_code_count, 10);
    let token = answer.tokens.unwrap().access_token;
    app.current_user(&token).await.unwrap();
}

#[tokio::test]
async fn session_and_token_show_how_the_user_logged_in() {
    let app = App::start().await;
    let before = shared::time::now().timestamp();
    let mut ada = app.enroll("ada").await;
    let login = app.log_in_with("ada", code(&ada.next_code())).await.unwrap();
    let both = json!(["pwd", "otp", "mfa"]);
    let first = TokenParts::of(&login.tokens.access_token).claims;
    // As if the login had been an hour ago.
    let sql = "update auth.sessions set create_time = create_time - interval '1h'";
    app.database.execute(sql).await;
    let refreshed = TokenParts::of(&login.refresh().await.unwrap().tokens.access_token).claims;
    assert_eq!((&first["amr"], &refreshed["amr"]), (&both, &both));
    let times = [&first, &refreshed].map(|claims| claims["auth_time"].as_i64().unwrap());
    assert!(times[0] >= before - 1 && times[0] <= first["iat"].as_i64().unwrap(), "{times:?}");
    assert!((3600..3610).contains(&(times[0] - times[1])), "{times:?}");

    let by_password = TokenParts::of(&ada.login.tokens.access_token).claims;
    assert_eq!(by_password["amr"], json!(["pwd"]));
    let sessions = login.sessions().await.unwrap();
    let amr: Vec<_> = sessions.iter().map(|session| (session.is_current, &session.amr)).collect();
    let expected = [["pwd", "otp", "mfa"].map(str::to_owned).to_vec(), vec!["pwd".to_owned()]];
    assert_eq!(amr, [(true, &expected[0]), (false, &expected[1])]);
}

#[tokio::test]
async fn a_code_works_once() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let (confirmed, next) = (ada.authenticator.code(ada.step), ada.next_code());
    let challenge = app.challenge("ada").await;
    let used = second_factor_wrong("code");
    assert_eq!(refusal(app.complete(&challenge, code(&confirmed)).await), used);
    app.complete(&challenge, code(&next)).await.unwrap();
    assert_eq!(refusal(app.complete(&challenge, code(&next)).await), used);
    // Another code is another login, also with the same challenge.
    app.complete(&challenge, code(&ada.next_code())).await.unwrap();
    assert_eq!(refusal(app.complete(&challenge, code(&next)).await), used, "an earlier code");
}

#[tokio::test]
async fn of_concurrent_logins_with_one_code_one_succeeds() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let next = ada.next_code();
    for factor in [code(&next), recovery(&ada.recovery_codes[0])] {
        let challenge = app.challenge("ada").await;
        let mut calls = JoinSet::new();
        for _ in 0..10 {
            let (challenge, factor) = (challenge.clone(), Some(factor.clone()));
            let mut client = app.client();
            let request = pb::CompleteLoginRequest { challenge, factor };
            calls.spawn(async move { client.complete_login(request).await });
        }
        let answers = calls.join_all().await;
        let field = if matches!(factor, Factor::Code(_)) { "code" } else { "recovery_code" };
        let (right, wrong): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((right.len(), wrong.len()), (1, 9), "{field}");
        for answer in wrong {
            assert_eq!(refusal(answer), second_factor_wrong(field));
        }
    }
}

#[tokio::test]
async fn a_clock_may_differ_by_one_step() {
    let app = App::start().await;
    let ada = app.enroll("ada").await;
    let challenge = app.challenge("ada").await;
    for (distance, is_accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        // As if no code had been used.
        app.database.execute("update auth.users set totp_last_step = 0").await;
        let text = ada.authenticator.code(app.step().await + distance);
        let answer = app.complete(&challenge, code(&text)).await;
        assert_eq!(answer.is_ok(), is_accepted, "{distance} steps: {answer:?}");
    }
}

#[tokio::test]
async fn a_recovery_code_works_once_in_any_spelling() {
    let app = App::start().await;
    let ada = app.enroll("ada").await;
    let challenge = app.challenge("ada").await;
    let [first, second, ..] = &ada.recovery_codes[..] else { panic!("there are ten") };
    let answer = app.complete(&challenge, recovery(first)).await.unwrap();
    assert_eq!(answer.recovery_code_count, 9);
    let wrong = second_factor_wrong("recovery_code");
    for text in [first.clone(), first.to_lowercase(), first.replace('-', "")] {
        assert_eq!(refusal(app.complete(&challenge, recovery(&text)).await), wrong, "{text}");
    }
    let typed = second.to_lowercase().replace('-', " ");
    assert_eq!(app.complete(&challenge, recovery(&typed)).await.unwrap().recovery_code_count, 8);
}

#[tokio::test]
async fn a_code_of_another_user_is_wrong() {
    let app = App::start().await;
    let (_ada, mut bob) = (app.enroll("ada").await, app.enroll("bob").await);
    let challenge = app.challenge("ada").await;
    let answer = app.complete(&challenge, code(&bob.next_code())).await;
    assert_eq!(refusal(answer), second_factor_wrong("code"));
    let answer = app.complete(&challenge, recovery(&bob.recovery_codes[0])).await;
    assert_eq!(refusal(answer), second_factor_wrong("recovery_code"));
}

#[tokio::test]
async fn a_challenge_is_void_after_a_change_of_password_factor_or_account() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let changed = app.challenge("ada").await;
    ada.login.change_password(PASSWORD, NEW_PASSWORD).await.unwrap();
    let next = ada.next_code();
    let answer = app.complete(&changed, code(&next)).await;
    assert_eq!(refusal(answer), login_challenge_invalid());

    ada.login.change_password(NEW_PASSWORD, PASSWORD).await.unwrap();
    let disabled = app.challenge("ada").await;
    ada.login.disable_totp(PASSWORD, code(&next)).await.unwrap();
    let answer = app.complete(&disabled, code(&ada.next_code())).await;
    assert_eq!(refusal(answer), login_challenge_invalid());

    for change in ["disabled = true", "delete_time = now(), purge_time = now()"] {
        let bob = app.enroll(&format!("bob-{}", change.len())).await;
        let challenge = app.challenge(&bob.login.user().await.unwrap().username).await;
        app.database.execute(format!("update auth.users set {change}")).await;
        let answer = app.complete(&challenge, recovery(&bob.recovery_codes[0])).await;
        assert_eq!(refusal(answer), login_challenge_invalid(), "{change}");
    }
}

#[tokio::test]
async fn a_forged_challenge_is_rejected() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let (good, next) = (app.challenge("ada").await, ada.next_code());
    let first = if good.starts_with('A') { "B" } else { "A" };
    let refresh_token = &ada.login.tokens.refresh_token;
    for forged in [&format!("{first}{}", &good[1..]), &good[1..], "x", refresh_token] {
        let answer = app.complete(forged, code(&next)).await;
        assert_eq!(refusal(answer), login_challenge_invalid(), "{forged}");
    }
    app.complete(&good, code(&next)).await.expect("the code is unused");
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let app = App::start().await;
    for (challenge, factor, fields) in [
        ("", None, &["challenge", "code"][..]),
        ("", Some(code("12345")), &["challenge", "code"]),
        ("x", Some(code("12345a")), &["code"]),
        ("x", Some(recovery("123456")), &["recovery_code"]),
        ("", Some(code("123456")), &["challenge"]),
    ] {
        let request = pb::CompleteLoginRequest { challenge: challenge.to_owned(), factor };
        let answer = app.client().complete_login(request.clone()).await;
        assert_eq!(refusal(answer), Refusal::invalid(fields), "{request:?}");
    }
}

#[tokio::test]
async fn a_secret_that_the_root_key_does_not_open_is_a_fault_and_recovery_codes_still_work() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    // Sealed for another user.
    let bob = app.enroll("bob").await;
    let sql = "update auth.users set totp_sealed_secret = (
                   select totp_sealed_secret from auth.users where username = 'bob')";
    app.database.execute(sql).await;
    let challenge = app.challenge("ada").await;
    let answer = app.complete(&challenge, code(&ada.next_code())).await;
    assert_eq!(refusal(answer).reason, "INTERNAL");
    let step = bob.step + 1;
    let answer = app.complete(&challenge, code(&bob.authenticator.code(step))).await;
    assert_eq!(refusal(answer).reason, "INTERNAL");
    app.complete(&challenge, recovery(&ada.recovery_codes[0])).await.unwrap();
}

#[tokio::test]
async fn logins_with_a_second_factor_are_counted() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let challenge = app.challenge("ada").await;
    let wrong = ada.authenticator.wrong_code(ada.step);
    app.complete(&challenge, code(&wrong)).await.unwrap_err();
    app.complete(&challenge, code(&ada.next_code())).await.unwrap();
    app.complete(&challenge, recovery(&ada.recovery_codes[0])).await.unwrap();
    for outcome in ["challenged", "code", "recovery_code", "rejected"] {
        let metric = format!("tandem_auth_second_factor_total{{outcome=\"{outcome}\"}}");
        assert_eq!(app.service.count(&metric).await, 1, "{outcome}");
    }
}
