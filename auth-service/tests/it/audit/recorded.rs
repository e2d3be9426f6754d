//! Which rows the audit log gets.

use auth_service::KeyCommand;
use proto::auth::v1 as pb;
use serde_json::{Value, json};
use test_support::refusal;
use tonic::Request;

use crate::support::{
    App, PASSWORD, ROOT_KEY, credentials, credentials_invalid, registration, too_many_attempts,
};

const NEW_PASSWORD: &str = "loud-heron-walks-south";

/// What a row says about the user: `[event, user_id, username, actor, actor_id, session_id]`.
fn about(row: &Value) -> [Value; 6] {
    ["event", "user_id", "username", "actor", "actor_id", "session_id"]
        .map(|name| row[name].clone())
}

#[tokio::test]
async fn each_event_of_a_call_is_a_row_with_its_user_actor_session_and_client() {
    let app = App::start().await;
    let user = app.register("ada").await;
    let (id, name) = (json!(user.id), json!("ada"));
    refusal(app.try_log_in("ada", "wrong-password").await);
    let first = app.begin_session("ada").await;
    let second = app.begin_session("ada").await;
    let third = app.begin_session("ada").await;
    let fourth = app.begin_session("ada").await;
    let stale = second.clone();
    let refreshed = second.refresh().await.unwrap().refresh().await.unwrap();
    drop(stale.refresh().await.unwrap_err());
    drop(refreshed.refresh().await.unwrap_err());
    first.revoke(&third.session_id()).await.unwrap();
    assert_eq!(first.revoke_others().await.unwrap(), 1);
    assert_eq!(first.revoke_others().await.unwrap(), 0, "without a row");
    first.change_password("wrong-password", NEW_PASSWORD).await.unwrap_err();
    first.change_password(PASSWORD, NEW_PASSWORD).await.unwrap();
    first.log_out().await.unwrap();

    let rows = app.eventually_audit_rows(12).await;
    let session = |login: &crate::support::Login| json!(login.session_id());
    let by_user = |event: &str, name: &Value, session: Value| {
        [json!(event), id.clone(), name.clone(), json!("user"), id.clone(), session]
    };
    // The caller is not authenticated.
    let by_anyone = |event: &str, session: Value| {
        [json!(event), id.clone(), name.clone(), json!("user"), Value::Null, session]
    };
    let null = Value::Null;
    let expected = [
        by_user("registered", &name, null.clone()),
        by_anyone("login_failed", null.clone()),
        by_user("login_succeeded", &name, session(&first)),
        by_user("login_succeeded", &name, session(&second)),
        by_user("login_succeeded", &name, session(&third)),
        by_user("login_succeeded", &name, session(&fourth)),
        by_anyone("refresh_token_reused", session(&second)),
        by_user("session_revoked", &null, session(&third)),
        by_user("other_sessions_revoked", &null, null.clone()),
        by_user("password_change_failed", &name, session(&first)),
        by_user("password_changed", &name, session(&first)),
        by_user("logged_out", &null, session(&first)),
    ];
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(about(row), expected);
        assert_eq!(row["ip_address"], "127.0.0.1");
        assert!(row["user_agent"].as_str().unwrap().contains("tonic/"), "{row}");
        assert_eq!(row["details"], json!({}));
    }
    let order = "select (count(*) = 0)::text
                 from (select create_time < lag(create_time) over (order by id) as is_earlier
                       from auth.events) as row
                 where is_earlier";
    assert_eq!(app.query(order).await, "true", "rows are stamped when they happened");
}

#[tokio::test]
async fn a_username_is_recorded_only_if_a_user_has_it() {
    let app = App::with(&["--login-attempts-per-name", "1"]).await;
    let user = app.register("ada").await;
    // The second name may be a password in the wrong field.
    for name in ["ada", "hunter2"] {
        assert_eq!(refusal(app.try_log_in(name, "wrong").await), credentials_invalid());
        assert_eq!(refusal(app.try_log_in(name, "wrong").await), too_many_attempts());
    }
    let rows = app.eventually_audit_rows(5).await;
    let null = Value::Null;
    let (id, name) = (json!(user.id), json!("ada"));
    let row = |event: &str, id: &Value, name: &Value| {
        [json!(event), id.clone(), name.clone(), json!("user"), null.clone(), null.clone()]
    };
    let found: Vec<_> = rows[1..].iter().map(about).collect();
    let expected = [
        row("login_failed", &id, &name),
        row("login_throttled", &id, &name),
        row("login_failed", &null, &null),
        row("login_throttled", &null, &null),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_throttled_password_change_and_registration_are_rows() {
    let flags = ["--login-attempts-per-name", "1", "--registrations-per-hour", "1"];
    let app = App::with(&[&flags[..], &["--trusted-proxies", "127.0.0.0/8"]].concat()).await;
    let user = app.register("ada").await;
    let login = app.begin_session("ada").await;
    login.change_password("wrong-password", NEW_PASSWORD).await.unwrap_err();
    login.change_password("wrong-password", NEW_PASSWORD).await.unwrap_err();
    let register = |name| crate::support::forwarded("192.0.2.1", registration(name, PASSWORD));
    app.client().register(register("bob")).await.unwrap();
    app.client().register(register("eve")).await.unwrap_err();
    let rows = app.eventually_audit_rows(6).await;
    let (id, name) = (json!(user.id), json!("ada"));
    let change = [json!("login_throttled"), id.clone(), name, json!("user"), id, Value::Null];
    assert_eq!(about(&rows[3]), change);
    assert_eq!(rows[5]["event"], "register_throttled");
    assert_eq!((&rows[5]["ip_address"], &rows[5]["user_id"]), (&json!("192.0.2.1"), &Value::Null));
}

#[tokio::test]
async fn a_change_of_the_signing_keys_is_a_row_of_its_statement() {
    let app = App::start().await;
    let flags = ["--database-url", app.database.url(), "--root-key", ROOT_KEY];
    let config: auth_service::Config = shared::config::settings(flags).unwrap();
    let kid = app.key().await.kid;
    let rotate = KeyCommand::Rotate { now: false };
    auth_service::run_key_command(&config, rotate).await.unwrap();
    let revoke = KeyCommand::Revoke { kid: kid.clone(), lost_root_key: false };
    auth_service::run_key_command(&config, revoke).await.unwrap();
    let rows =
        "select json_agg(json_build_array(event, actor, details->>'reason') order by id)::text
                from auth.events";
    let rows: Value = serde_json::from_str(&app.query(rows).await).unwrap();
    let expected = json!([
        ["signing_key_rotated", "service", "first"],
        ["signing_key_rotated", "command", "command"],
        ["signing_key_revoked", "command", "command"],
        ["signing_key_rotated", "command", "revocation"],
    ]);
    assert_eq!(rows, expected);
    let revoked = "select details->>'kid' from auth.events where event = 'signing_key_revoked'";
    assert_eq!(app.query(revoked).await, kid);
}

#[tokio::test]
async fn no_secret_is_in_a_row() {
    let app = App::start().await;
    let login = app.new_login("ada").await;
    login.change_password("wrong-secret", NEW_PASSWORD).await.unwrap_err();
    let mut request = Request::new(credentials("ada", "other-secret"));
    request.metadata_mut().insert("authorization", "Bearer third-secret".parse().unwrap());
    app.client().login(request).await.unwrap_err();
    let refresh_token = "fourth-secret".to_owned();
    let request = pb::RefreshTokenRequest { refresh_token };
    app.client().refresh_token(request).await.unwrap_err();
    let rows = serde_json::to_string(&app.eventually_audit_rows(4).await).unwrap();
    let tokens = [&login.tokens.access_token, &login.tokens.refresh_token];
    for secret in ["secret", PASSWORD, NEW_PASSWORD].into_iter().chain(tokens.map(|t| &**t)) {
        assert!(!rows.contains(secret), "{secret} is in {rows}");
    }
}
