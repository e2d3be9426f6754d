//! Register.

use proto::auth::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;

use crate::support::{App, PASSWORD};

fn request(username: &str, password: &str) -> pb::RegisterRequest {
    pb::RegisterRequest { username: username.into(), password: password.into() }
}

#[tokio::test]
async fn a_new_user_gets_an_id_and_a_lower_case_name() {
    let app = App::start().await;
    let answer = app.client().register(request("Ada-1815", PASSWORD)).await.unwrap().into_inner();
    let user = answer.user.unwrap();
    assert_eq!(user.username, "ada-1815");
    assert!(uuid::Uuid::parse_str(&user.id).is_ok());
    assert_eq!(user.create_time, user.update_time);
}

#[tokio::test]
async fn a_taken_name_is_refused_in_any_case() {
    let app = App::start().await;
    app.register("ada").await;
    let answer = app.client().register(request("ADA", PASSWORD)).await;
    assert_eq!(refusal(answer), Refusal::new(Code::AlreadyExists, "USERNAME_TAKEN"));
}
