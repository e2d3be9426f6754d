//! CreatePasswordResetToken, ResetPassword and ResetUserTotp.

use proto::auth::v1::{self as pb, complete_login_request::Factor};
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::Code;
use uuid::Uuid;

use crate::support::{
    Admin, App, PASSWORD, credentials_invalid, forwarded, reset_token_invalid, too_many_attempts,
    unauthenticated,
};

const NEW_PASSWORD: &str = "seven-paper-lanterns-tonight";
const OTHER_PASSWORD: &str = "brisk-lantern-over-harbour";

fn precondition(reason: &str) -> Refusal {
    Refusal::new(Code::FailedPrecondition, reason)
}

impl App {
    /// A reset token for a user that an administrator creates.
    async fn token_for(&self, user_id: &str) -> String {
        let name = format!("root-{}", &Uuid::now_v7().simple().to_string()[20..]);
        let admin = self.new_admin(&name).await;
        let created = admin.reset_token(user_id).await;
        created.expect("the token is created").reset_token
    }
}

#[tokio::test]
async fn a_reset_token_sets_a_new_password_and_ends_all_sessions() {
    let app = App::start().await;
    let (admin, ada) = (app.new_admin("root-1").await, app.new_login("ada").await);
    let user = ada.user().await.unwrap();
    let before = shared::time::now().timestamp();
    let created = admin.reset_token(&user.id).await.unwrap();
    assert_eq!(created.reset_token.len(), 80);
    let lifetime = created.expire_time.unwrap().seconds - before;
    assert!((3600..3610).contains(&lifetime), "{lifetime}");
    ada.refresh().await.expect("the token alone changes nothing");

    app.reset_password(&created.reset_token, NEW_PASSWORD).await.unwrap();
    assert_eq!(refusal(ada.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
    assert_eq!(refusal(ada.user().await), unauthenticated("ACCESS_TOKEN_INVALID"));
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), credentials_invalid());
    app.try_log_in("ada", NEW_PASSWORD).await.unwrap();
    admin.login.user().await.expect("other users keep their sessions");
}

#[tokio::test]
async fn a_reset_token_works_once() {
    let app = App::start().await;
    let ada = app.register("ada").await;
    let token = app.token_for(&ada.id).await;
    app.reset_password(&token, NEW_PASSWORD).await.unwrap();
    let answer = app.reset_password(&token, OTHER_PASSWORD).await;
    assert_eq!(refusal(answer), reset_token_invalid());
    app.try_log_in("ada", NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn of_concurrent_resets_with_one_token_one_succeeds() {
    let app = App::start().await;
    let ada = app.register("ada").await;
    let token = app.token_for(&ada.id).await;
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let (mut client, reset_token) = (app.client(), token.clone());
        let new_password = NEW_PASSWORD.to_owned();
        let request = pb::ResetPasswordRequest { reset_token, new_password };
        calls.spawn(async move { client.reset_password(request).await });
    }
    let answers = calls.join_all().await.into_iter();
    let (right, wrong): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
    assert_eq!((right.len(), wrong.len()), (1, 7));
    for answer in wrong {
        assert_eq!(refusal(answer), reset_token_invalid());
    }
}

#[tokio::test]
async fn every_change_of_the_account_voids_older_tokens() {
    let app = App::start().await;
    let admin = app.new_admin("root-1").await;
    let mut ada = app.enroll("ada").await;
    let id = ada.login.user().await.unwrap().id;
    let token = async || admin.reset_token(&id).await.unwrap().reset_token;
    let is_void = async |token: &str| {
        let answer = app.reset_password(token, OTHER_PASSWORD).await;
        assert_eq!(refusal(answer), reset_token_invalid());
    };
    let [changed, used] = [token().await, token().await];
    ada.login.change_password(PASSWORD, NEW_PASSWORD).await.unwrap();
    is_void(&changed).await;
    is_void(&used).await;

    let disabled = token().await;
    let code = Factor::Code(ada.next_code());
    ada.login.disable_totp(NEW_PASSWORD, code).await.unwrap();
    is_void(&disabled).await;

    let [first, second] = [token().await, token().await];
    app.reset_password(&first, PASSWORD).await.unwrap();
    is_void(&second).await;

    let deleted = token().await;
    app.begin_session("ada").await.delete_account(PASSWORD).await.unwrap();
    is_void(&deleted).await;
}

#[tokio::test]
async fn a_reset_keeps_the_second_factor() {
    let app = App::start().await;
    let mut ada = app.enroll("ada").await;
    let token = app.token_for(&ada.login.user().await.unwrap().id).await;
    app.reset_password(&token, NEW_PASSWORD).await.unwrap();
    let answer = app.try_log_in("ada", NEW_PASSWORD).await.unwrap().into_inner();
    let challenge = answer.challenge().expect("a second factor is missing").challenge;
    app.complete(&challenge, Factor::Code(ada.next_code())).await.unwrap();
}

#[tokio::test]
async fn a_disabled_user_cannot_reset_the_password() {
    let app = App::start().await;
    let ada = app.register("ada").await;
    let token = app.token_for(&ada.id).await;
    let sql = "update auth.users set disabled = true where username = 'ada'";
    app.database.execute(sql).await;
    let answer = app.reset_password(&token, NEW_PASSWORD).await;
    assert_eq!(refusal(answer), reset_token_invalid());
}

#[tokio::test]
async fn an_expired_token_and_one_of_another_kind_are_rejected() {
    let app = App::with(&["--password-reset-lifetime-seconds", "1"]).await;
    let ada = app.enroll("ada").await;
    let token = app.token_for(&ada.login.user().await.unwrap().id).await;
    let end = shared::time::now().timestamp() + 1;
    test_support::eventually("the token expires", async || shared::time::now().timestamp() > end)
        .await;
    let challenge = app.challenge("ada").await;
    for token in [&token, &challenge, &ada.login.tokens.refresh_token, &token[1..]] {
        let answer = app.reset_password(token, NEW_PASSWORD).await;
        assert_eq!(refusal(answer), reset_token_invalid(), "{token}");
    }
    app.challenge("ada").await;
}

#[tokio::test]
async fn bad_fields_are_named_and_leave_the_token_usable() {
    let app = App::start().await;
    let ada = app.register("ada").await;
    let token = app.token_for(&ada.id).await;
    let both = Refusal::invalid(&["reset_token", "new_password"]);
    assert_eq!(refusal(app.reset_password("", "").await), both);
    for weak in ["short", "password1234", "ada-ada-ada"] {
        let answer = app.reset_password(&token, weak).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["new_password"]), "{weak}");
    }
    app.reset_password(&token, NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn rejected_passwords_count_for_the_source() {
    let flags = ["--trusted-proxies", "127.0.0.0/8", "--login-attempts-per-source", "3"];
    let app = App::with(&flags).await;
    let ada = app.register("ada").await;
    let token = app.token_for(&ada.id).await;
    let reset = async |new_password: &str| {
        let (reset_token, new_password) = (token.clone(), new_password.to_owned());
        let request = pb::ResetPasswordRequest { reset_token, new_password };
        refusal(app.client().reset_password(forwarded("192.0.2.1", request)).await)
    };
    for _ in 0..3 {
        assert_eq!(reset("password").await, Refusal::invalid(&["new_password"]));
    }
    assert_eq!(reset(NEW_PASSWORD).await, too_many_attempts());
    app.reset_password(&token, NEW_PASSWORD).await.expect("another source");
}

#[tokio::test]
async fn an_administrator_resets_the_second_factor() {
    let app = App::start().await;
    let admin = app.new_admin("root-1").await;
    let ada = app.enroll("ada").await;
    let id = ada.login.user().await.unwrap().id;
    let challenge = app.challenge("ada").await;
    admin.reset_totp(&id).await.unwrap();
    assert_eq!(refusal(ada.login.user().await), unauthenticated("ACCESS_TOKEN_INVALID"));
    let factor = Factor::RecoveryCode(ada.recovery_codes[0].clone());
    assert_eq!(refusal(app.complete(&challenge, factor).await).reason, "LOGIN_CHALLENGE_INVALID");
    assert!(!app.begin_session("ada").await.user().await.unwrap().totp_enabled);
    assert_eq!(refusal(admin.reset_totp(&id).await), precondition("TOTP_NOT_ENABLED"));
    let event = "select event || ' ' || username || ' ' || actor from auth.events
                 where event = 'totp_reset'";
    assert_eq!(app.query(event).await, "totp_reset ada administrator");
}

#[tokio::test]
async fn only_administrators_reset_and_only_users_that_exist() {
    let app = App::start().await;
    let admin = app.new_admin("root-1").await;
    let [ada, bob] = [app.new_login("ada").await, app.new_login("bob").await];
    let id = bob.user().await.unwrap().id;
    let denied = || Refusal::new(Code::PermissionDenied, "ADMIN_REQUIRED");
    let member = Admin { login: ada, ..admin.clone() };
    assert_eq!(refusal(member.reset_token(&id).await), denied());
    assert_eq!(refusal(member.reset_totp(&id).await), denied());
    bob.delete_account(PASSWORD).await.unwrap();
    let missing = Refusal::new(Code::NotFound, "USER_NOT_FOUND");
    let stranger = Uuid::now_v7().to_string();
    let invalid = Refusal::invalid(&["user_id"]);
    for (id, expected) in
        [(&id, &precondition("USER_DELETED")), (&stranger, &missing), (&"x".to_owned(), &invalid)]
    {
        assert_eq!(&refusal(admin.reset_token(id).await), expected);
        assert_eq!(&refusal(admin.reset_totp(id).await), expected);
    }
}

#[tokio::test]
async fn resets_are_counted_and_audited() {
    let app = App::start().await;
    let ada = app.register("ada").await;
    let token = app.token_for(&ada.id).await;
    app.reset_password(&token, NEW_PASSWORD).await.unwrap();
    app.reset_password(&token, NEW_PASSWORD).await.unwrap_err();
    for outcome in ["token_created", "reset", "rejected"] {
        let metric = format!("tandem_auth_password_resets_total{{outcome=\"{outcome}\"}}");
        assert_eq!(app.service.count(&metric).await, 1, "{outcome}");
    }
    let event = "select username || ' ' || actor || ' ' || details from auth.events
                 where event = 'password_reset_token_created'";
    assert_eq!(app.query(event).await, "ada administrator {}", "never the token");
}
