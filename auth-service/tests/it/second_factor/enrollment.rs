//! BeginTotpEnrollment, ConfirmTotp, DisableTotp and RegenerateRecoveryCodes.

use proto::auth::v1::{self as pb, complete_login_request::Factor};
use test_support::{Refusal, refusal, with_token};
use tonic::Code;

use crate::support::{
    App, Authenticator, PASSWORD, current_password_wrong, second_factor_wrong, unauthenticated,
};

fn code(code: &str) -> Factor {
    Factor::Code(code.to_owned())
}

fn precondition(reason: &str) -> Refusal {
    Refusal::new(Code::FailedPrecondition, reason)
}

#[tokio::test]
async fn an_enrolment_returns_the_secret_twice_and_changes_nothing_until_it_is_confirmed() {
    let app = App::with(&["--totp-issuer", "Ada & Co"]).await;
    let ada = app.new_login("ada").await;
    let begun = ada.begin_totp(PASSWORD).await.unwrap();
    let secret = &begun.secret;
    assert_eq!(secret.len(), 32, "160 bits: {secret}");
    let uri = format!("otpauth://totp/Ada%20%26%20Co:ada?secret={secret}&issuer=Ada%20%26%20Co");
    assert_eq!(begun.otpauth_uri, uri);
    assert!(!ada.user().await.unwrap().totp_enabled);
    app.log_in("ada").await;
    ada.refresh().await.unwrap();
}

#[tokio::test]
async fn confirming_enables_the_factor_and_ends_the_other_sessions() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let [other, bob] = [app.begin_session("ada").await, app.new_login("bob").await];
    let before = ada.user().await.unwrap();
    let begun = ada.begin_totp(PASSWORD).await.unwrap();
    let text = Authenticator::new(&begun.secret).code(app.step().await);
    let codes = ada.confirm_totp(&format!("{} {}", &text[..3], &text[3..])).await.unwrap();
    assert_eq!(codes.len(), 10);
    let user = ada.user().await.unwrap();
    assert!(user.totp_enabled);
    assert_ne!(user.etag, before.etag);
    assert_eq!(refusal(other.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
    ada.refresh().await.unwrap();
    bob.refresh().await.unwrap();
}

#[tokio::test]
async fn secrets_and_codes_are_stored_sealed_and_hashed() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let begun = ada.begin_totp(PASSWORD).await.unwrap();
    let bytes = Authenticator::new(&begun.secret);
    let codes = ada.confirm_totp(&bytes.code(app.step().await)).await.unwrap();
    let row = app.query("select u::text from auth.users u").await.to_lowercase();
    let hex =
        |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    for secret in [begun.secret.to_lowercase(), hex(bytes.secret())] {
        assert!(!row.contains(&secret), "{row}");
    }
    for code in codes {
        let plain = code.replace('-', "");
        let bytes = base32::decode(base32::Alphabet::Crockford, &plain).unwrap();
        assert!(!row.contains(&plain.to_lowercase()) && !row.contains(&hex(&bytes)), "{row}");
    }
}

#[tokio::test]
async fn a_second_begin_replaces_the_secret() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let [first, second] =
        [ada.begin_totp(PASSWORD).await.unwrap(), ada.begin_totp(PASSWORD).await.unwrap()];
    let step = app.step().await;
    let answer = ada.confirm_totp(&Authenticator::new(&first.secret).code(step)).await;
    assert_eq!(refusal(answer), second_factor_wrong("code"));
    ada.confirm_totp(&Authenticator::new(&second.secret).code(step)).await.unwrap();
}

#[tokio::test]
async fn each_step_of_an_enrolment_requires_the_one_before() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let any = || code("123456");
    assert_eq!(refusal(ada.confirm_totp("123456").await), precondition("TOTP_NOT_BEGUN"));
    let not_enabled = precondition("TOTP_NOT_ENABLED");
    assert_eq!(refusal(ada.disable_totp(PASSWORD, any()).await), not_enabled);
    assert_eq!(refusal(ada.regenerate_recovery_codes(PASSWORD, any()).await), not_enabled);

    let begun = ada.begin_totp(PASSWORD).await.unwrap();
    assert_eq!(refusal(ada.disable_totp(PASSWORD, any()).await), not_enabled);
    let authenticator = Authenticator::new(&begun.secret);
    let step = app.step().await;
    let wrong = ada.confirm_totp(&authenticator.wrong_code(step)).await;
    assert_eq!(refusal(wrong), second_factor_wrong("code"));
    assert!(!ada.user().await.unwrap().totp_enabled);

    ada.confirm_totp(&authenticator.code(step)).await.unwrap();
    let enabled = precondition("TOTP_ENABLED");
    assert_eq!(refusal(ada.begin_totp(PASSWORD).await), enabled);
    assert_eq!(refusal(ada.confirm_totp(&authenticator.code(step + 1)).await), enabled);
}

#[tokio::test]
async fn disabling_removes_the_factor_and_ends_the_other_sessions() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let other = app.log_in_with("ada", code(&ada.next_code())).await.unwrap();
    let next = ada.next_code();
    ada.login.disable_totp(PASSWORD, code(&next)).await.unwrap();
    assert!(!ada.login.user().await.unwrap().totp_enabled);
    assert_eq!(refusal(other.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
    app.log_in("ada").await;
    let left = "select (totp_sealed_secret, totp_enable_time, recovery_code_hashes)::text
                from auth.users";
    assert_eq!(app.query(left).await, "(,,{})");
    // Without the secret, the old codes are worth nothing to a new enrolment.
    ada.login.begin_totp(PASSWORD).await.unwrap();
    let old = ada.authenticator.code(ada.step);
    assert_eq!(refusal(ada.login.confirm_totp(&old).await), second_factor_wrong("code"));
}

#[tokio::test]
async fn a_recovery_code_disables_the_factor_too() {
    let app = App::start().await;
    let ada = app.enroll("ada").await;
    let factor = Factor::RecoveryCode(ada.recovery_codes[3].clone());
    ada.login.disable_totp(PASSWORD, factor).await.unwrap();
    app.log_in("ada").await;
}

#[tokio::test]
async fn new_recovery_codes_replace_the_old_ones() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let next = ada.next_code();
    let codes = ada.login.regenerate_recovery_codes(PASSWORD, code(&next)).await.unwrap();
    assert_eq!(codes.len(), 10);
    let challenge = app.challenge("ada").await;
    let recovery = |code: &String| Factor::RecoveryCode(code.clone());
    let old = app.complete(&challenge, recovery(&ada.recovery_codes[0])).await;
    assert_eq!(refusal(old), second_factor_wrong("recovery_code"));
    let used = app.complete(&challenge, code(&next)).await;
    assert_eq!(refusal(used), second_factor_wrong("code"), "it renewed the recovery codes");
    app.complete(&challenge, recovery(&codes[0])).await.unwrap();

    // A recovery code renews them as well, and is used up with the others.
    let again = ada.login.regenerate_recovery_codes(PASSWORD, recovery(&codes[1])).await.unwrap();
    let replaced = app.complete(&challenge, recovery(&codes[1])).await;
    assert_eq!(refusal(replaced), second_factor_wrong("recovery_code"));
    let left = app.complete(&challenge, recovery(&again[0])).await.unwrap();
    assert_eq!(left.recovery_code_count, 9);
}

#[tokio::test]
async fn a_wrong_password_or_factor_changes_nothing() {
    let app = App::start().await;
    let bob = app.new_login("bob").await;
    assert_eq!(refusal(bob.begin_totp("wrong-password").await), current_password_wrong());
    let mut ada = app.enroll("ada").await;
    let (login, next) = (ada.login.clone(), ada.next_code());
    let wrong = ada.authenticator.wrong_code(ada.step);
    for (password, text, expected) in [
        ("wrong-password", &next, current_password_wrong()),
        (PASSWORD, &wrong, second_factor_wrong("code")),
    ] {
        assert_eq!(refusal(login.disable_totp(password, code(text)).await), expected);
        let answer = login.regenerate_recovery_codes(password, code(text)).await;
        assert_eq!(refusal(answer), expected);
    }
    assert!(login.user().await.unwrap().totp_enabled);
    app.log_in_with("ada", code(&next)).await.unwrap();
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let bad = || code("12345");
    let both = Refusal::invalid(&["current_password", "code"]);
    assert_eq!(refusal(ada.disable_totp("", bad()).await), both);
    assert_eq!(refusal(ada.regenerate_recovery_codes("", bad()).await), both);
    assert_eq!(refusal(ada.confirm_totp("12345").await), Refusal::invalid(&["code"]));
    assert_eq!(refusal(ada.begin_totp("").await), Refusal::invalid(&["current_password"]));
    let request = pb::DisableTotpRequest::default();
    let request = with_token(&ada.tokens.access_token, request);
    assert_eq!(refusal(app.client().disable_totp(request).await), both);
}

#[tokio::test]
async fn each_call_requires_a_token() {
    let app = App::start().await;
    let mut client = app.client();
    let missing = || unauthenticated("ACCESS_TOKEN_MISSING");
    let begin = client.begin_totp_enrollment(pb::BeginTotpEnrollmentRequest::default()).await;
    assert_eq!(refusal(begin), missing());
    let confirm = client.confirm_totp(pb::ConfirmTotpRequest::default()).await;
    assert_eq!(refusal(confirm), missing());
    assert_eq!(refusal(client.disable_totp(pb::DisableTotpRequest::default()).await), missing());
    let renew = pb::RegenerateRecoveryCodesRequest::default();
    assert_eq!(refusal(client.regenerate_recovery_codes(renew).await), missing());
}
