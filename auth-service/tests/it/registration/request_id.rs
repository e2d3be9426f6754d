//! Register with a `request_id`, which makes it idempotent.

use proto::auth::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::support::{
    App, PASSWORD, credentials, credentials_invalid, registration, too_many_attempts,
};

const ID: &str = "0198f6a0-3a5e-7cc2-9d6f-6d1c4f6a7b10";
const OTHER_ID: &str = "0198f6a0-3a5e-7cc2-9d6f-6d1c4f6a7b11";

async fn register(
    app: &App,
    username: &str,
    password: &str,
    request_id: &str,
) -> Result<pb::User, Status> {
    let request_id = request_id.to_owned();
    let request = pb::RegisterRequest { request_id, ..registration(username, password) };
    let answer = app.client().register(request).await?.into_inner();
    Ok(answer.user.expect("a user is returned"))
}

#[tokio::test]
async fn a_retry_returns_the_user_of_the_first_request() {
    let app = App::start().await;
    let first = register(&app, "ada", PASSWORD, ID).await.unwrap();
    assert_eq!(register(&app, "ada", PASSWORD, ID).await.unwrap(), first);
    assert_eq!(register(&app, "ADA", PASSWORD, &ID.to_uppercase()).await.unwrap(), first);
    assert_eq!(app.users().await, "1");
}

#[tokio::test]
async fn ten_concurrent_retries_create_one_user_and_get_the_same_answer() {
    let app = App::with(&["--hashing-queue", "100"]).await;
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let mut client = app.client();
        calls.spawn(async move {
            let request_id = ID.to_owned();
            let request = pb::RegisterRequest { request_id, ..registration("ada", PASSWORD) };
            client.register(request).await.map(|answer| answer.into_inner().user)
        });
    }
    let answers = calls.join_all().await;
    let first = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == first), "{answers:?}");
    assert_eq!(app.users().await, "1");
}

#[tokio::test]
async fn a_different_request_with_the_same_id_is_rejected() {
    let app = App::start().await;
    register(&app, "ada", PASSWORD, ID).await.unwrap();
    register(&app, "bob", PASSWORD, OTHER_ID).await.unwrap();
    let reused = || Refusal::new(Code::AlreadyExists, "REQUEST_ID_REUSED");
    let other_password = "seven-paper-lanterns-tonight";
    assert_eq!(refusal(register(&app, "cleo", PASSWORD, ID).await), reused());
    assert_eq!(refusal(register(&app, "ada", other_password, ID).await), reused());
    assert_eq!(refusal(register(&app, "bob", PASSWORD, ID).await), reused());
    assert_eq!(app.users().await, "2");
}

#[tokio::test]
async fn a_retry_under_another_users_name_does_not_clear_the_guesses_at_that_name() {
    let app = App::with(&["--login-attempts-per-name", "5"]).await;
    let own_password = "seven-paper-lanterns-tonight";
    register(&app, "ada", PASSWORD, ID).await.unwrap();
    register(&app, "eve", own_password, OTHER_ID).await.unwrap();
    let guess = async || refusal(app.client().login(credentials("ada", own_password)).await);
    for _ in 0..4 {
        assert_eq!(guess().await, credentials_invalid());
    }
    let reused = Refusal::new(Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_eq!(refusal(register(&app, "ada", own_password, OTHER_ID).await), reused);
    assert_eq!(guess().await, too_many_attempts());
}

#[tokio::test]
async fn a_taken_name_is_rejected_for_another_request() {
    let app = App::start().await;
    register(&app, "ada", PASSWORD, ID).await.unwrap();
    let taken = Refusal::new(Code::AlreadyExists, "USERNAME_TAKEN");
    assert_eq!(refusal(register(&app, "ada", PASSWORD, OTHER_ID).await), taken);
    assert_eq!(refusal(register(&app, "ada", PASSWORD, "").await), taken);
}

#[tokio::test]
async fn a_default_value_is_no_request_id() {
    let app = App::start().await;
    for empty in ["00000000-0000-0000-0000-000000000000", "{FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF}"]
    {
        for name in ["ada", "bob"] {
            let answer = register(&app, name, PASSWORD, empty).await;
            assert_eq!(refusal(answer), Refusal::invalid(&["request_id"]), "{empty}");
        }
    }
}

#[tokio::test]
async fn a_malformed_request_id_is_named_with_the_other_invalid_fields() {
    let app = App::start().await;
    let invalid = refusal(register(&app, "x", "short", "1").await);
    assert_eq!(invalid, Refusal::invalid(&["username", "password", "request_id"]));
}
