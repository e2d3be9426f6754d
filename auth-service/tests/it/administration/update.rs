//! UpdateUser, DeleteUser and UndeleteUser: fields, masks, etags, and what they do to sessions.

use std::time::{Duration, Instant};

use proto::auth::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;
use uuid::Uuid;

use crate::support::{
    App, Login, PASSWORD, credentials_invalid, new_user, too_many_attempts, unauthenticated,
};

fn precondition(reason: &str) -> Refusal {
    Refusal::new(Code::FailedPrecondition, reason)
}

fn user_not_found() -> Refusal {
    Refusal::new(Code::NotFound, "USER_NOT_FOUND")
}

async fn assert_ended(login: &Login) {
    assert_eq!(refusal(login.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
    assert_eq!(refusal(login.sessions().await), unauthenticated("ACCESS_TOKEN_INVALID"));
}

#[tokio::test]
async fn an_update_sets_the_fields_of_its_mask() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &["editor"])).await.unwrap();
    let all = pb::User {
        id: bob.id.clone(),
        username: "Robert".to_owned(),
        roles: vec!["b".to_owned(), "a".to_owned()],
        disabled: true,
        ..Default::default()
    };
    let renamed = admin.update(all.clone(), &["username"]).await.unwrap();
    let expected = pb::User {
        username: "robert".to_owned(),
        update_time: renamed.update_time,
        etag: renamed.etag.clone(),
        ..bob.clone()
    };
    assert_eq!(renamed, expected);
    assert_ne!(renamed.etag, bob.etag);
    assert_eq!(admin.get(&bob.id).await.unwrap(), renamed);

    let user = admin.update(all.clone(), &["*"]).await.unwrap();
    assert_eq!((user.roles, user.disabled), (vec!["a".to_owned(), "b".to_owned()], true));
    // Without a mask, default values set nothing.
    let id = || pb::User { id: bob.id.clone(), ..Default::default() };
    let same = admin.update(id(), &[]).await.unwrap();
    assert_eq!((same.roles.len(), same.disabled, same.etag), (2, true, user.etag));
    let user = admin.update(id(), &["roles", "disabled"]).await.unwrap();
    assert_eq!((user.roles.len(), user.disabled, &*user.username), (0, false, "robert"));
}

#[tokio::test]
async fn a_change_of_roles_or_disabling_ends_all_sessions_and_a_rename_ends_none() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    let login = app.begin_session("bob").await;
    let rename = pb::User { username: "robert".to_owned(), id: bob.id.clone(), ..bob.clone() };
    admin.update(pb::User { etag: String::new(), ..rename }, &["username"]).await.unwrap();
    admin.set_roles(&bob.id, &[]).await.unwrap();
    admin.set_disabled(&bob.id, false).await.unwrap();
    login.sessions().await.unwrap();
    let login = login.refresh().await.unwrap();
    admin.set_roles(&bob.id, &["editor"]).await.unwrap();
    assert_ended(&login).await;

    let login = app.begin_session("robert").await;
    admin.set_disabled(&bob.id, true).await.unwrap();
    assert_ended(&login).await;
    admin.set_disabled(&bob.id, false).await.unwrap();
    assert_ended(&login).await;
    app.begin_session("robert").await;
}

#[tokio::test]
async fn a_disabled_or_deleted_user_gets_the_answer_of_a_wrong_password() {
    for (username, deletes) in [("bob", false), ("eve", true)] {
        // Three attempts, so that the fourth shows whether each of them has counted.
        let app = App::with(&["--login-attempts-per-source", "3"]).await;
        let admin = app.new_admin("ada").await;
        let user = admin.create(new_user(username, &[])).await.unwrap();
        let slow = bcrypt::non_truncating_hash(PASSWORD, 11).unwrap();
        let store =
            format!("update auth.users set password_hash = '{slow}' where id = '{}'", user.id);
        app.database.execute(&store).await;
        if deletes {
            admin.delete(&user.id, "").await.unwrap();
        } else {
            admin.set_disabled(&user.id, true).await.unwrap();
        }
        for password in [PASSWORD, "wrong-otter-sails-north", PASSWORD] {
            let begun = Instant::now();
            let answer = app.try_log_in(username, password).await;
            assert_eq!(refusal(answer), credentials_invalid(), "{username} {password}");
            // A hash of the configured cost takes 2 ms at most.
            assert!(begun.elapsed() > Duration::from_millis(20), "the stored cost is paid");
        }
        let answer = app.try_log_in(username, PASSWORD).await;
        assert_eq!(refusal(answer), too_many_attempts(), "{username}");
        let hash = format!("select password_hash from auth.users where id = '{}'", user.id);
        assert_eq!(app.query(&hash).await, slow);
    }
}

#[tokio::test]
async fn a_deleted_user_can_be_undeleted_as_they_were() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &["editor"])).await.unwrap();
    let login = app.begin_session("bob").await;
    let deleted = admin.delete(&bob.id, "").await.unwrap();
    let [delete_time, purge_time] = [deleted.delete_time, deleted.purge_time].map(Option::unwrap);
    assert_eq!(purge_time.seconds - delete_time.seconds, 30 * 86_400);
    assert_eq!(admin.get(&bob.id).await.unwrap(), deleted);
    assert_ended(&login).await;
    assert_eq!(refusal(admin.delete(&bob.id, "").await), precondition("USER_DELETED"));
    assert_eq!(refusal(admin.set_roles(&bob.id, &[]).await), precondition("USER_DELETED"));

    let user = admin.undelete(&bob.id).await.unwrap();
    let expected =
        pb::User { update_time: user.update_time, etag: user.etag.clone(), ..bob.clone() };
    assert_eq!(user, expected);
    assert_eq!(refusal(admin.undelete(&bob.id).await), precondition("USER_NOT_DELETED"));
    assert_ended(&login).await;
    app.begin_session("bob").await;
}

#[tokio::test]
async fn the_retention_of_deleted_users_is_a_setting() {
    let app = App::with(&["--deleted-user-retention-seconds", "60"]).await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    let deleted = admin.delete(&bob.id, "").await.unwrap();
    assert_eq!(deleted.purge_time.unwrap().seconds - deleted.delete_time.unwrap().seconds, 60);
}

#[tokio::test]
async fn an_outdated_etag_changes_nothing_and_is_answered_with_the_current_one() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let first = admin.create(new_user("bob", &[])).await.unwrap();
    let mut etags = vec![first.etag.clone()];
    let mut user = first.clone();
    for name in ["bob-1", "bob-2", "bob-3"] {
        let rename = pb::User { username: name.to_owned(), ..user };
        user = admin.update(rename, &["username"]).await.unwrap();
        assert!(!etags.contains(&user.etag));
        etags.push(user.etag.clone());
    }
    let stale = |etag: &str| {
        let mismatch = Refusal::new(Code::Aborted, "ETAG_MISMATCH").with("etag", &user.etag);
        (pb::User { username: "late".to_owned(), etag: etag.to_owned(), ..user.clone() }, mismatch)
    };
    for etag in [&*etags[0], &etags[2], "garbage", "AAAAAAAAAAA"] {
        let (late, mismatch) = stale(etag);
        assert_eq!(refusal(admin.update(late, &["username"]).await), mismatch, "{etag}");
        assert_eq!(refusal(admin.delete(&user.id, etag).await), mismatch, "{etag}");
    }
    assert_eq!(admin.get(&user.id).await.unwrap(), user);
    admin.delete(&user.id, &user.etag).await.unwrap();
}

#[tokio::test]
async fn the_etag_changes_although_the_clock_of_the_database_has_gone_back() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    let future = "update auth.users set update_time = '2100-01-01' where username = 'bob'";
    app.database.execute(future).await;
    let before = admin.get(&bob.id).await.unwrap();
    let after = admin.set_roles(&bob.id, &["editor"]).await.unwrap();
    assert_ne!(after.etag, before.etag);
    assert!(after.update_time.unwrap().nanos > before.update_time.unwrap().nanos);
}

#[tokio::test]
async fn each_invalid_field_of_an_update_is_named() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let user = pb::User {
        id: "x".to_owned(),
        username: "a b".to_owned(),
        roles: vec!["Editor".to_owned()],
        etag: "*".to_owned(),
        ..Default::default()
    };
    let fields = ["user.id", "user.etag", "user.username", "user.roles[0]"];
    assert_eq!(refusal(admin.update(user.clone(), &["*"]).await), Refusal::invalid(&fields));
    let fields = ["update_mask.paths[1]", "user.id", "user.etag", "user.username"];
    let answer = admin.update(user.clone(), &["username", "id"]).await;
    assert_eq!(refusal(answer), Refusal::invalid(&fields));
    let good = admin.get(&admin.id).await.unwrap();
    for paths in [["*", "roles"].as_slice(), &["roles", "roles", "roles", "roles"]] {
        let answer = admin.update(good.clone(), paths).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["update_mask"]));
    }
    let good = pb::User { username: String::new(), ..good };
    let answer = admin.update(good, &["username"]).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["user.username"]));
    for bad in ["", "x", "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(refusal(admin.get(bad).await), Refusal::invalid(&["user_id"]));
        assert_eq!(refusal(admin.undelete(bad).await), Refusal::invalid(&["user_id"]));
        assert_eq!(refusal(admin.revoke_sessions(bad).await), Refusal::invalid(&["user_id"]));
    }
    let answer = admin.delete("x", "*").await;
    assert_eq!(refusal(answer), Refusal::invalid(&["user_id", "etag"]));
}

#[tokio::test]
async fn an_unknown_user_is_not_found() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let id = Uuid::now_v7().to_string();
    assert_eq!(refusal(admin.get(&id).await), user_not_found());
    assert_eq!(refusal(admin.set_roles(&id, &["editor"]).await), user_not_found());
    assert_eq!(refusal(admin.set_disabled(&id, true).await), user_not_found());
    assert_eq!(refusal(admin.delete(&id, "").await), user_not_found());
    assert_eq!(refusal(admin.undelete(&id).await), user_not_found());
    assert_eq!(refusal(admin.revoke_sessions(&id).await), user_not_found());
    let sessions = pb::ListUserSessionsRequest { user_id: id, ..Default::default() };
    assert_eq!(refusal(admin.sessions(sessions).await), user_not_found());
}

#[tokio::test]
async fn a_rename_to_the_name_of_another_user_is_rejected() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    let rename = pb::User { username: "Ada".to_owned(), ..bob };
    let taken = Refusal::new(Code::AlreadyExists, "USERNAME_TAKEN");
    assert_eq!(refusal(admin.update(rename, &["username"]).await), taken);
}
