//! CreateUser and BatchCreateUsers.

use std::time::Duration;

use proto::auth::v1::{self as pb, create_user_request::Credential};
use test_support::{Refusal, refusal};
use tokio::time::sleep;
use tonic::Code;
use uuid::Uuid;

use crate::support::{App, PASSWORD, credentials_invalid, imported_user, new_user};

fn taken(reason: &str) -> Refusal {
    Refusal::new(Code::AlreadyExists, reason)
}

/// A hash of [`PASSWORD`] as another system writes it.
fn foreign_hash(version: &str, cost: u32) -> String {
    let hash = bcrypt::non_truncating_hash(PASSWORD, cost).expect("the password is short");
    hash.replacen("$2b$", version, 1)
}

#[tokio::test]
async fn a_created_user_can_log_in_and_has_the_given_fields() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let id = Uuid::now_v7().to_string();
    let request = pb::CreateUserRequest {
        user_id: id.to_uppercase(),
        ..new_user("Support", &["editor", "billing", "editor"])
    };
    let user = admin.create(request).await.unwrap();
    assert_eq!((&user.id, &*user.username), (&id, "support"));
    assert_eq!(user.roles, ["billing", "editor"]);
    assert!(!user.disabled && user.delete_time.is_none() && user.purge_time.is_none());
    assert_eq!(user.create_time, user.update_time);
    assert_eq!(admin.get(&id).await.unwrap(), user);
    let login = app.try_log_in("support", PASSWORD).await.unwrap().into_inner();
    assert_eq!(login.user.unwrap(), user);
}

#[tokio::test]
async fn a_user_can_be_created_without_a_password_or_disabled() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let request = pb::CreateUserRequest { credential: None, ..new_user("bob", &[]) };
    admin.create(request).await.unwrap();
    let mut request = new_user("eve", &[]);
    request.user.as_mut().unwrap().disabled = true;
    assert!(admin.create(request).await.unwrap().disabled);
    for username in ["bob", "eve"] {
        let answer = app.try_log_in(username, PASSWORD).await;
        assert_eq!(refusal(answer), credentials_invalid(), "{username}");
    }
}

#[tokio::test]
async fn each_invalid_field_is_named() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let request = pb::CreateUserRequest {
        user_id: "x".to_owned(),
        request_id: "x".to_owned(),
        credential: Some(Credential::Password("short".to_owned())),
        ..new_user("a b", &["editor", "Editor", ""])
    };
    let fields = ["request_id", "user_id", "user.username", "user.roles[1]", "user.roles[2]"];
    let fields = [fields.as_slice(), &["password"]].concat();
    assert_eq!(refusal(admin.create(request).await), Refusal::invalid(&fields));

    let request = imported_user("bob", "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$Rdescudv");
    assert_eq!(refusal(admin.create(request).await), Refusal::invalid(&["password_hash"]));
    let request = pb::CreateUserRequest { user: None, ..new_user("bob", &[]) };
    assert_eq!(refusal(admin.create(request).await), Refusal::invalid(&["user"]));
    let roles: Vec<_> = (0..17).map(|i| format!("role-{i}")).collect();
    let roles: Vec<_> = roles.iter().map(String::as_str).collect();
    let answer = admin.create(new_user("bob", &roles)).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["user.roles"]));
    assert_eq!(app.users().await, "1");
}

#[tokio::test]
async fn a_username_or_an_id_of_another_user_is_taken_even_if_that_user_is_deleted() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &[])).await.unwrap();
    admin.delete(&bob.id, "").await.unwrap();
    assert_eq!(refusal(admin.create(new_user("bob", &[])).await), taken("USERNAME_TAKEN"));
    let request = pb::CreateUserRequest { user_id: bob.id, ..new_user("eve", &[]) };
    assert_eq!(refusal(admin.create(request).await), taken("USER_ID_TAKEN"));
}

#[tokio::test]
async fn the_id_of_a_purged_user_is_never_used_again() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let id = Uuid::now_v7().to_string();
    app.database.execute(format!("insert into auth.purged_users (user_id) values ('{id}')")).await;
    let request = pb::CreateUserRequest { user_id: id, ..new_user("eve", &[]) };
    assert_eq!(refusal(admin.create(request.clone()).await), taken("USER_ID_TAKEN"));
    let expected = taken("USER_ID_TAKEN").with("field", "requests[1]");
    let batch = vec![new_user("bob", &[]), request];
    assert_eq!(refusal(admin.create_batch(batch, "").await), expected);
    assert_eq!(app.users().await, "1");
}

#[tokio::test]
async fn an_administrator_disabled_while_passwords_are_hashed_creates_no_user() {
    let app = App::with(&["--bcrypt-cost", "11"]).await;
    let admin = app.new_admin("ada").await;
    let requests: Vec<_> = (0..8).map(|i| new_user(&format!("user-{i}"), &["admin"])).collect();
    let disabling = async {
        sleep(Duration::from_millis(100)).await;
        app.database.execute("update auth.users set disabled = true where username = 'ada'").await;
    };
    let (created, ()) = tokio::join!(admin.create_batch(requests, ""), disabling);
    let expected = Refusal::new(Code::PermissionDenied, "ADMIN_REQUIRED");
    assert_eq!(refusal(created), expected);
    assert_eq!(app.users().await, "1");
}

#[tokio::test]
async fn a_retry_with_the_same_request_id_returns_the_same_user() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let request = pb::CreateUserRequest {
        request_id: Uuid::now_v7().to_string(),
        ..new_user("bob", &["editor"])
    };
    let bob = admin.create(request.clone()).await.unwrap();
    assert_eq!(admin.create(request.clone()).await.unwrap(), bob);
    let with_user = |username: &str, roles: &[&str]| pb::CreateUserRequest {
        request_id: request.request_id.clone(),
        ..new_user(username, roles)
    };
    for other in [
        with_user("eve", &["editor"]),
        with_user("bob", &[]),
        pb::CreateUserRequest { user_id: Uuid::now_v7().to_string(), ..request.clone() },
    ] {
        assert_eq!(refusal(admin.create(other).await), taken("REQUEST_ID_REUSED"));
    }
    assert_eq!(app.users().await, "2");
    let events = "select count(*)::text from auth.events where event = 'user_created'";
    assert_eq!(app.query(events).await, "1");
}

#[tokio::test]
async fn a_hash_of_another_system_logs_in_and_is_upgraded_to_the_configured_cost() {
    let app = App::with(&["--bcrypt-cost", "5"]).await;
    let admin = app.new_admin("ada").await;
    for (username, version, cost) in [("bob", "$2a$", 4), ("eve", "$2y$", 6), ("joe", "$2b$", 4)] {
        admin.create(imported_user(username, &foreign_hash(version, cost))).await.unwrap();
        let hash = format!("select password_hash from auth.users where username = '{username}'");
        assert!(app.query(&hash).await.starts_with(&format!("{version}0{cost}$")));
        let wrong = app.try_log_in(username, "wrong-otter-sails-north").await;
        assert_eq!(refusal(wrong), credentials_invalid());
        app.log_in(username).await;
        assert!(app.query(&hash).await.starts_with("$2b$05$"), "{username}");
        app.log_in(username).await;
    }
}

#[tokio::test]
async fn ten_thousand_users_are_imported_in_batches() {
    let app = App::with(&["--bcrypt-cost", "5"]).await;
    let admin = app.new_admin("ada").await;
    let hash = foreign_hash("$2y$", 4);
    let roles = ["editor", "billing.read", "beta"];
    for batch in 0..10 {
        let requests = (0..1_000).map(|i| {
            let mut request = imported_user(&format!("user-{batch}-{i}"), &hash);
            request.user_id = Uuid::now_v7().to_string();
            request.user.as_mut().unwrap().roles = roles.map(str::to_owned).to_vec();
            request
        });
        let requests: Vec<_> = requests.collect();
        let users = admin.create_batch(requests.clone(), "").await.unwrap();
        let ids = |user: &pb::User| user.id.clone();
        assert!(users.iter().map(ids).eq(requests.iter().map(|r| r.user_id.clone())));
    }
    assert_eq!(app.users().await, "10001");
    let events = "select count(distinct user_id)::text from auth.events
                  where event = 'user_created' and actor = 'administrator'";
    assert_eq!(app.query(events).await, "10000");
    app.log_in("user-7-777").await;
    let hash = "select password_hash from auth.users where username = 'user-7-777'";
    assert!(app.query(hash).await.starts_with("$2b$05$"));
}

#[tokio::test]
async fn a_batch_creates_all_users_or_none() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let requests = vec![new_user("bob", &[]), new_user("ADA", &[]), new_user("eve", &[])];
    let expected = taken("USERNAME_TAKEN").with("field", "requests[1]");
    assert_eq!(refusal(admin.create_batch(requests, "").await), expected);
    let request = pb::CreateUserRequest { user_id: admin.id.clone(), ..new_user("eve", &[]) };
    let requests = vec![new_user("bob", &[]), request];
    let expected = taken("USER_ID_TAKEN").with("field", "requests[1]");
    assert_eq!(refusal(admin.create_batch(requests, "").await), expected);
    assert_eq!(app.users().await, "1");
    assert_eq!(
        app.query("select count(*)::text from auth.events where event like 'user%'").await,
        "0"
    );
}

#[tokio::test]
async fn each_invalid_field_of_a_batch_is_named() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let id = Uuid::now_v7().to_string();
    let with_id = |username| pb::CreateUserRequest {
        user_id: id.clone(),
        ..imported_user(username, &foreign_hash("$2b$", 4))
    };
    let requests = vec![
        with_id("bob"),
        imported_user("eve", "x"),
        with_id("Bob"),
        pb::CreateUserRequest { request_id: id.clone(), ..new_user("joe", &["A"]) },
        pb::CreateUserRequest {
            credential: Some(Credential::Password("short".to_owned())),
            ..new_user("sue", &[])
        },
    ];
    let fields = [
        "request_id",
        "requests[3].request_id",
        "requests[1].password_hash",
        "requests[3].user.roles[0]",
        "requests[2].user.username",
        "requests[2].user_id",
        "requests[4].password",
    ];
    assert_eq!(refusal(admin.create_batch(requests, "x").await), Refusal::invalid(&fields));

    let user = |i| imported_user(&format!("user-{i}"), &foreign_hash("$2b$", 4));
    let invalid = Refusal::invalid(&["requests"]);
    assert_eq!(refusal(admin.create_batch(vec![], "").await), invalid);
    let hash = foreign_hash("$2b$", 4);
    let many = (0..1_001).map(|i| imported_user(&format!("user-{i}"), &hash)).collect();
    assert_eq!(refusal(admin.create_batch(many, "").await), invalid);
    let passwords = (0..11).map(|i| new_user(&format!("user-{i}"), &[])).chain([user(11)]);
    assert_eq!(refusal(admin.create_batch(passwords.collect(), "").await), invalid);
    assert_eq!(app.users().await, "1");
    let passwords = (0..10).map(|i| new_user(&format!("user-{i}"), &[])).chain([user(11)]);
    assert_eq!(admin.create_batch(passwords.collect(), "").await.unwrap().len(), 11);
}

#[tokio::test]
async fn a_retry_of_a_batch_returns_the_same_users() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let id = Uuid::now_v7().to_string();
    let batch = |names: &[&str]| names.iter().map(|name| new_user(name, &[])).collect::<Vec<_>>();
    let users = admin.create_batch(batch(&["bob", "eve", "joe"]), &id).await.unwrap();
    assert_eq!(admin.create_batch(batch(&["bob", "eve", "joe"]), &id).await.unwrap(), users);
    for other in [
        batch(&["bob", "eve"]),
        batch(&["bob", "joe", "eve"]),
        batch(&["bob", "eve", "joe", "sue"]),
        batch(&["sue"]),
    ] {
        let answer = admin.create_batch(other, &id).await;
        assert_eq!(refusal(answer), taken("REQUEST_ID_REUSED"));
    }
    let single = pb::CreateUserRequest { request_id: id, ..new_user("sue", &[]) };
    assert_eq!(refusal(admin.create(single).await), taken("REQUEST_ID_REUSED"));
    assert_eq!(app.users().await, "4");
}
