//! UpdateCurrentUser and DeleteCurrentUser.

use proto::auth::v1 as pb;
use test_support::{Refusal, bearer, refusal};
use tonic::Code;

use crate::support::{
    Admin, App, PASSWORD, credentials_invalid, current_password_wrong, forwarded,
    too_many_attempts, unauthenticated,
};

fn username_taken() -> Refusal {
    Refusal::new(Code::AlreadyExists, "USERNAME_TAKEN")
}

#[tokio::test]
async fn a_user_takes_another_name_and_frees_the_old_one() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let before = ada.user().await.unwrap();
    let renamed = ada.rename("Ada-1815", PASSWORD).await.unwrap();
    assert_eq!((renamed.username.as_str(), &renamed.id), ("ada-1815", &before.id));
    assert_ne!(renamed.etag, before.etag);
    assert_eq!(ada.user().await.unwrap(), renamed);
    ada.refresh().await.expect("the session continues");
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), credentials_invalid());
    app.log_in("ada-1815").await;
    app.register("ada").await;
}

#[tokio::test]
async fn a_taken_name_is_rejected_also_that_of_a_deleted_user() {
    let app = App::start().await;
    let [ada, bob] = [app.new_login("ada").await, app.new_login("bob").await];
    assert_eq!(refusal(ada.rename("BOB", PASSWORD).await), username_taken());
    bob.delete_account(PASSWORD).await.unwrap();
    assert_eq!(refusal(ada.rename("bob", PASSWORD).await), username_taken());
    assert_eq!(ada.user().await.unwrap().username, "ada");
}

#[tokio::test]
async fn every_bad_field_and_a_wrong_password_are_rejected() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let both = Refusal::invalid(&["username", "current_password"]);
    assert_eq!(refusal(ada.rename("a", "").await), both);
    assert_eq!(refusal(ada.rename("admin", PASSWORD).await), Refusal::invalid(&["username"]));
    assert_eq!(refusal(ada.rename("ada-2", "wrong-password").await), current_password_wrong());
    let empty = Refusal::invalid(&["current_password"]);
    assert_eq!(refusal(ada.delete_account("").await), empty);
    assert_eq!(refusal(ada.delete_account("wrong-password").await), current_password_wrong());
    assert_eq!(ada.user().await.unwrap().username, "ada");

    let missing = || unauthenticated("ACCESS_TOKEN_MISSING");
    let mut client = app.client();
    let update = client.update_current_user(pb::UpdateCurrentUserRequest::default()).await;
    assert_eq!(refusal(update), missing());
    let delete = client.delete_current_user(pb::DeleteCurrentUserRequest::default()).await;
    assert_eq!(refusal(delete), missing());
}

#[tokio::test]
async fn taken_names_are_found_no_faster_than_by_registrations() {
    let app = App::with(&["--trusted-proxies", "127.0.0.0/8"]).await;
    let ada = app.new_login("ada").await;
    app.register("bob").await;
    let rename = async |username: &str| {
        let (username, current_password) = (username.to_owned(), PASSWORD.to_owned());
        let request = pb::UpdateCurrentUserRequest { username, current_password };
        let mut request = forwarded("192.0.2.1", request);
        let token = bearer(&ada.tokens.access_token).parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        app.client().update_current_user(request).await
    };
    for number in 0..7 {
        rename(&format!("ada-{number}")).await.expect("free names do not count");
    }
    for _ in 0..5 {
        assert_eq!(refusal(rename("bob").await), username_taken());
    }
    assert_eq!(refusal(rename("bob").await), too_many_attempts());
}

#[tokio::test]
async fn guesses_at_the_current_password_are_throttled_together() {
    let limits = ["--login-attempts-per-source", "20", "--login-attempts-per-name", "5"];
    let app = App::with(&limits).await;
    let ada = app.new_login("ada").await;
    for _ in 0..2 {
        let wrong = current_password_wrong();
        assert_eq!(refusal(ada.delete_account("wrong-password").await), wrong);
        assert_eq!(refusal(ada.rename("ada-2", "wrong-password").await), wrong);
    }
    assert_eq!(refusal(ada.begin_totp("wrong-password").await), current_password_wrong());
    assert_eq!(refusal(ada.delete_account(PASSWORD).await), too_many_attempts());
}

#[tokio::test]
async fn a_deleted_account_has_no_sessions_and_no_login() {
    let app = App::with(&["--deleted-user-retention-seconds", "86400"]).await;
    let [ada, bob] = [app.new_login("ada").await, app.new_login("bob").await];
    let other = app.begin_session("ada").await;
    let before = shared::time::now().timestamp();
    let deleted = ada.delete_account(PASSWORD).await.unwrap();
    let retention = deleted.purge_time.unwrap().seconds - before;
    assert!((86_399..86_500).contains(&retention), "{retention}");
    for login in [&ada, &other] {
        assert_eq!(refusal(login.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
        assert_eq!(refusal(login.user().await), unauthenticated("ACCESS_TOKEN_INVALID"));
    }
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), credentials_invalid());
    let answer = app.try_register("ada", PASSWORD).await;
    assert_eq!(refusal(answer), username_taken(), "until the purge");
    bob.user().await.unwrap();
}

#[tokio::test]
async fn the_last_administrator_cannot_delete_the_own_account() {
    let app = App::start().await;
    let [ada, bob] = [app.new_admin("ada").await, app.new_admin("bob").await];
    let mut calls = tokio::task::JoinSet::new();
    for Admin { login, .. } in [ada, bob] {
        calls.spawn(async move { login.delete_account(PASSWORD).await });
    }
    let (right, wrong): (Vec<_>, Vec<_>) =
        calls.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((right.len(), wrong.len()), (1, 1));
    let last = Refusal::new(Code::FailedPrecondition, "LAST_ADMINISTRATOR");
    assert_eq!(wrong.into_iter().map(refusal).collect::<Vec<_>>(), [last]);
}

#[tokio::test]
async fn what_a_user_does_to_the_own_account_is_in_the_audit_log() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    ada.rename("ada-2", PASSWORD).await.unwrap();
    ada.delete_account(PASSWORD).await.unwrap();
    let events = "select string_agg(event || ' ' || actor || ' ' || (actor_id = user_id), ', '
                      order by id)
                  from auth.events where event in ('user_renamed', 'user_deleted')";
    assert_eq!(app.query(events).await, "user_renamed user true, user_deleted user true");
}
