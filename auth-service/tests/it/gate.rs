//! What no method gets to see: calls that are not gRPC, and calls that take too long.

use std::time::{Duration, Instant};

use proto::auth::v1 as pb;
use reqwest::{Method, StatusCode};
use test_support::refusal;
use tonic::{Code, Request};

use crate::support::{App, PASSWORD};

const REGISTER: &str = "/tandem.auth.v1.AuthService/Register";

#[tokio::test]
async fn a_browser_s_form_reaches_no_method() {
    let app = App::start().await;
    let message = prost::Message::encode_to_vec(&pb::RegisterRequest {
        username: "ada".into(),
        password: PASSWORD.into(),
    });
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0], &length[..], &message].concat();
    for (method, content_type) in [
        (Method::POST, "text/plain"),
        (Method::POST, "application/x-www-form-urlencoded"),
        (Method::POST, "application/json"),
        (Method::GET, "application/grpc"),
        (Method::PUT, "application/grpc"),
    ] {
        let request = reqwest::Client::new()
            .request(method.clone(), app.service.url() + REGISTER)
            .header("content-type", content_type)
            .body(frame.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{method} {content_type}");
    }
    assert_eq!(app.users().await, "0");
}

#[tokio::test]
async fn a_call_ends_at_the_client_s_deadline_with_our_reason() {
    let app = App::with(&["--bcrypt-cost", "13"]).await;
    let login = pb::LoginRequest { username: "nobody".into(), password: PASSWORD.into() };
    let mut request = Request::new(login);
    // Not `set_timeout`: the client would end the call itself.
    request.metadata_mut().insert("grpc-timeout", "50m".parse().unwrap());
    let start = Instant::now();
    let answer = refusal(app.client().login(request).await);
    assert_eq!(
        (answer.code, answer.reason.as_str()),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_call_ends_at_the_service_s_limit() {
    let flags = ["--call-timeout-seconds", "1", "--database-statement-timeout-ms", "60000"];
    let app = App::with(&flags).await;
    app.database
        .execute(
            "create function auth.wait() returns trigger language plpgsql
                 as $$ begin perform pg_sleep(20); return new; end $$;
             create trigger wait before insert on auth.users
                 for each row execute function auth.wait()",
        )
        .await;
    let answer = refusal(app.try_register("ada", PASSWORD).await);
    assert_eq!(
        (answer.code, answer.reason.as_str()),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
}
