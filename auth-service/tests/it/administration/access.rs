//! Access to AdminService: only with a live session of a current administrator.

use proto::auth::v1::{self as pb, admin_service_client::AdminServiceClient};
use test_support::{Refusal, refusal, with_token};
use tonic::{Code, Status, transport::Channel};

use crate::support::{Admin, App, PASSWORD, TokenParts, new_user, unauthenticated};

fn admin_required() -> Refusal {
    Refusal::new(Code::PermissionDenied, "ADMIN_REQUIRED")
}

/// The answer of each RPC with this token, to requests without fields.
async fn of_every_rpc(
    client: &AdminServiceClient<Channel>,
    token: &str,
) -> Vec<Result<(), Status>> {
    let client = || client.clone();
    vec![
        client().list_users(with_token(token, pb::ListUsersRequest::default())).await.map(drop),
        client().get_user(with_token(token, pb::GetUserRequest::default())).await.map(drop),
        client().create_user(with_token(token, pb::CreateUserRequest::default())).await.map(drop),
        client()
            .batch_create_users(with_token(token, pb::BatchCreateUsersRequest::default()))
            .await
            .map(drop),
        client().update_user(with_token(token, pb::UpdateUserRequest::default())).await.map(drop),
        client().delete_user(with_token(token, pb::DeleteUserRequest::default())).await.map(drop),
        client()
            .undelete_user(with_token(token, pb::UndeleteUserRequest::default()))
            .await
            .map(drop),
        client()
            .list_user_sessions(with_token(token, pb::ListUserSessionsRequest::default()))
            .await
            .map(drop),
        client()
            .revoke_user_sessions(with_token(token, pb::RevokeUserSessionsRequest::default()))
            .await
            .map(drop),
    ]
}

async fn assert_every_rpc_is(app: &App, token: &str, expected: &Refusal) {
    for answer in of_every_rpc(&app.admin_client(), token).await {
        assert_eq!(&refusal(answer), expected);
    }
}

#[tokio::test]
async fn a_user_who_is_no_administrator_is_denied_every_rpc() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    assert_every_rpc_is(&app, &app.new_token("bob").await, &admin_required()).await;
    let eve = admin.create(new_user("eve", &["administrator", "root"])).await.unwrap();
    assert_every_rpc_is(&app, &app.log_in("eve").await, &admin_required()).await;
    assert_eq!(admin.get(&eve.id).await.unwrap(), eve);
}

#[tokio::test]
async fn every_rpc_requires_a_valid_token() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let answer = app.admin_client().list_users(pb::ListUsersRequest::default()).await;
    assert_eq!(refusal(answer), unauthenticated("ACCESS_TOKEN_MISSING"));
    let mut forged = TokenParts::of(&app.new_token("bob").await);
    forged.claims["roles"] = serde_json::json!(["admin"]);
    let invalid = unauthenticated("ACCESS_TOKEN_INVALID");
    assert_every_rpc_is(&app, &forged.join(), &invalid).await;
    admin.login.log_out().await.unwrap();
    assert_every_rpc_is(&app, &admin.login.tokens.access_token, &invalid).await;
}

#[tokio::test]
async fn an_administrator_gets_other_errors() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let token = &admin.login.tokens.access_token;
    let mut answers = of_every_rpc(&app.admin_client(), token).await.into_iter();
    assert!(answers.next().is_some_and(|list| list.is_ok()), "a list needs no field");
    for answer in answers {
        assert_eq!(refusal(answer).reason, "INVALID_FIELD");
    }
}

#[tokio::test]
async fn a_former_administrator_is_rejected_at_once() {
    let app = App::start().await;
    let root = app.new_admin("root-1").await;
    let deny: [(&str, &str); 3] = [("ada", "demoted"), ("bob", "disabled"), ("eve", "deleted")];
    for (username, how) in deny {
        let former = app.new_admin(username).await;
        let answer = match how {
            "demoted" => root.set_roles(&former.id, &["editor"]).await,
            "disabled" => root.set_disabled(&former.id, true).await,
            _ => root.delete(&former.id, "").await,
        };
        answer.unwrap();
        assert_eq!(
            refusal(former.get(&root.id).await),
            unauthenticated("ACCESS_TOKEN_INVALID"),
            "{how}"
        );
    }
    let back = app.begin_session("ada").await;
    assert_every_rpc_is(&app, &back.tokens.access_token, &admin_required()).await;
}

#[tokio::test]
async fn the_account_decides_even_if_the_token_has_the_role() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    // By hand, so that the session goes on.
    app.database.execute("update auth.users set roles = '{editor}'").await;
    assert_every_rpc_is(&app, &admin.login.tokens.access_token, &admin_required()).await;
    app.database.execute("update auth.users set roles = '{admin}'").await;
    admin.get(&admin.id).await.unwrap();
}

#[tokio::test]
async fn a_promoted_user_is_an_administrator_from_the_next_login_on() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = app.new_login("bob").await;
    let id =
        { app.current_user(&bob.tokens.access_token).await.unwrap().into_inner().user }.unwrap().id;
    let user = admin.set_roles(&id, &["editor", "admin"]).await.unwrap();
    assert_eq!(user.roles, ["admin", "editor"]);
    assert_eq!(refusal(bob.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
    let bob: Admin = app.begin_admin_session("bob").await;
    assert_eq!(bob.get(&id).await.unwrap(), user);
}

#[tokio::test]
async fn a_batch_of_a_user_who_is_no_administrator_is_rejected_before_its_body() {
    let app = App::start().await;
    let token = app.new_token("bob").await;
    let requests = vec![new_user(&"x".repeat(3_000_000), &[])];
    let request = pb::BatchCreateUsersRequest { requests, ..Default::default() };
    let answer = app.admin_client().batch_create_users(with_token(&token, request)).await;
    assert_eq!(refusal(answer), admin_required());
}

#[tokio::test]
async fn the_body_limit_of_a_batch_is_larger_than_of_other_calls() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let large =
        |bytes: usize| pb::CreateUserRequest { user_id: "x".repeat(bytes), ..new_user("bob", &[]) };
    let too_large = Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    assert_eq!(refusal(admin.create(large(17_000)).await), too_large);
    let invalid = Refusal::invalid(&["requests[0].user_id"]);
    assert_eq!(refusal(admin.create_batch(vec![large(900_000)], "").await), invalid);
    assert_eq!(refusal(admin.create_batch(vec![large(1_100_000)], "").await), too_large);
    assert_eq!(app.try_log_in("bob", PASSWORD).await.unwrap_err().code(), Code::Unauthenticated);
}
