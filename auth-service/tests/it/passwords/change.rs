//! ChangePassword.

use test_support::{Refusal, refusal};

use crate::support::{App, PASSWORD, credentials_invalid, current_password_wrong, unauthenticated};

const NEW_PASSWORD: &str = "seven-paper-lanterns-tonight";

#[tokio::test]
async fn the_new_password_replaces_the_old_one() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    ada.change_password(PASSWORD, NEW_PASSWORD).await.unwrap();
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), credentials_invalid());
    app.try_log_in("ada", NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn every_other_session_ends_and_the_callers_continues() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let bob = app.new_login("bob").await;
    let thief = app.begin_session("ada").await;
    ada.change_password(PASSWORD, NEW_PASSWORD).await.unwrap();
    let ended = unauthenticated("REFRESH_TOKEN_INVALID");
    assert_eq!(refusal(thief.refresh().await), ended);
    assert_eq!(ada.sessions().await.unwrap().len(), 1);
    ada.refresh().await.unwrap();
    bob.refresh().await.unwrap();
}

#[tokio::test]
async fn a_wrong_current_password_changes_nothing() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let other = app.begin_session("ada").await;
    let answer = ada.change_password("not-the-password", NEW_PASSWORD).await;
    assert_eq!(refusal(answer), current_password_wrong());
    app.begin_session("ada").await;
    other.refresh().await.unwrap();
}

#[tokio::test]
async fn both_fields_are_checked() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    for (current, new, fields) in [
        ("", "short", &["current_password", "new_password"][..]),
        (PASSWORD, "password1", &["new_password"]),
        ("", NEW_PASSWORD, &["current_password"]),
    ] {
        let answer = ada.change_password(current, new).await;
        assert_eq!(refusal(answer), Refusal::invalid(fields), "{current} {new}");
    }
    app.begin_session("ada").await;
}

#[tokio::test]
async fn a_session_that_began_with_the_old_password_during_the_change_has_ended() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let late = app.begin_session("ada").await;
    // As if it had begun between the statement that changed the password and its commit.
    app.database.execute("update auth.users set password_version = password_version + 1").await;
    let ended = unauthenticated("REFRESH_TOKEN_INVALID");
    assert_eq!(refusal(late.refresh().await), ended);
    assert!(ada.sessions().await.is_err());
}
