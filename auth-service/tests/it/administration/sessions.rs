//! ListUserSessions and RevokeUserSessions, and the audit log of all changes.

use proto::auth::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;

use crate::support::{App, TokenParts, new_user, unauthenticated};

fn of(user_id: &str) -> pb::ListUserSessionsRequest {
    pb::ListUserSessionsRequest { user_id: user_id.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn the_sessions_of_a_user_are_listed_in_pages() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    assert_eq!(admin.sessions(of(&bob.id)).await.unwrap().sessions, []);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, app.begin_session("bob").await.session_id());
    }
    let first = pb::ListUserSessionsRequest { page_size: 2, ..of(&bob.id) };
    let first = admin.sessions(first).await.unwrap();
    let page_token = first.next_page_token.clone();
    let rest = pb::ListUserSessionsRequest { page_token: page_token.clone(), ..of(&bob.id) };
    let rest = admin.sessions(rest).await.unwrap();
    let listed: Vec<_> = first.sessions.into_iter().chain(rest.sessions).collect();
    assert!(listed.iter().map(|session| &session.id).eq(&ids));
    assert!(listed.iter().all(|session| !session.is_current));
    let own = admin.sessions(of(&admin.id)).await.unwrap().sessions;
    assert!(own.iter().all(|session| session.is_current) && own.len() == 1);

    let other = pb::ListUserSessionsRequest { page_token, ..of(&admin.id) };
    let invalid = Refusal::new(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    assert_eq!(refusal(admin.sessions(other).await), invalid);
    let bad = pb::ListUserSessionsRequest { page_size: -1, ..of("x") };
    let answer = admin.sessions(bad).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["user_id", "page_size"]));
}

#[tokio::test]
async fn revoking_ends_all_sessions_of_the_user_and_of_no_other() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    let logins = [app.begin_session("bob").await, app.begin_session("bob").await];
    let etag = admin.get(&bob.id).await.unwrap().etag;
    assert_eq!(admin.revoke_sessions(&bob.id).await.unwrap(), 2);
    for login in logins {
        assert_eq!(refusal(login.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
        assert_eq!(refusal(login.sessions().await), unauthenticated("ACCESS_TOKEN_INVALID"));
    }
    assert_eq!(admin.revoke_sessions(&bob.id).await.unwrap(), 0);
    assert_eq!(admin.get(&bob.id).await.unwrap().etag, etag);
    app.begin_session("bob").await;
    assert_eq!(admin.revoke_sessions(&admin.id).await.unwrap(), 1);
    let answer = admin.get(&bob.id).await;
    assert_eq!(refusal(answer), unauthenticated("ACCESS_TOKEN_INVALID"));
}

#[tokio::test]
async fn every_change_writes_its_row_of_the_audit_log() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &["editor"])).await.unwrap();
    let all = pb::User { username: "robert".to_owned(), disabled: true, ..bob.clone() };
    admin.update(pb::User { roles: vec![], ..all }, &["*"]).await.unwrap();
    admin.set_disabled(&bob.id, false).await.unwrap();
    // Changes nothing.
    admin.set_disabled(&bob.id, false).await.unwrap();
    admin.revoke_sessions(&bob.id).await.unwrap();
    admin.delete(&bob.id, "").await.unwrap();
    admin.delete(&bob.id, "").await.unwrap_err();
    admin.undelete(&bob.id).await.unwrap();
    let rows = format!(
        "select string_agg(event || ' ' || username || ' ' || details::text, E'\\n' order by id)
         from auth.events
         where user_id = '{}' and actor = 'administrator' and actor_id = '{}'
             and session_id = '{}' and ip_address = '127.0.0.1' and user_agent like 'tonic%'",
        bob.id,
        admin.id,
        admin.login.session_id(),
    );
    let expected = [
        r#"user_created bob {"roles": "editor"}"#,
        r#"user_renamed robert {"previous_username": "bob"}"#,
        r#"user_roles_changed robert {"roles": ""}"#,
        "user_disabled robert {}",
        "user_enabled robert {}",
        "user_sessions_revoked robert {}",
        "user_deleted robert {}",
        "user_undeleted robert {}",
    ];
    assert_eq!(app.query(&rows).await.split('\n').collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_change_whose_row_cannot_be_written_is_not_made() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    let login = app.begin_session("bob").await;
    app.database
        .execute("alter table auth.events add constraint full_disk check (false) not valid")
        .await;
    for answer in [
        admin.create(new_user("eve", &[])).await.map(drop),
        admin.set_roles(&bob.id, &["editor"]).await.map(drop),
        admin.delete(&bob.id, "").await.map(drop),
        admin.revoke_sessions(&bob.id).await.map(drop),
    ] {
        assert_eq!(refusal(answer), Refusal::new(Code::Internal, "INTERNAL"));
    }
    assert_eq!(admin.get(&bob.id).await.unwrap(), bob);
    login.refresh().await.unwrap();
    assert_eq!(app.users().await, "2");
}

#[tokio::test]
async fn the_largest_set_of_roles_fits_into_a_token() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let roles: Vec<_> = (0..16).map(|i| format!("role{i:0>28}")).collect();
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    admin.create(new_user("bob", &roles)).await.unwrap();
    let login = app.begin_session("bob").await;
    for tokens in [&login, &login.refresh().await.unwrap()].map(|login| login.tokens.clone()) {
        let token = tokens.access_token;
        assert!(token.len() < 2_048, "{} bytes", token.len());
        let claims = TokenParts::of(&token).claims;
        assert_eq!(claims["roles"].as_array().unwrap().len(), 16);
        let user = app.current_user(&token).await.unwrap().into_inner().user.unwrap();
        assert_eq!(user.roles, roles);
    }
    let claims = TokenParts::of(&admin.login.refresh().await.unwrap().tokens.access_token).claims;
    assert_eq!(claims["roles"], serde_json::json!(["admin"]));
}
