//! What no method gets to see: calls that are not gRPC, and calls that take too long.

use std::time::{Duration, Instant};

use proto::auth::v1 as pb;
use reqwest::{Method, StatusCode};
use test_support::{Refusal, refusal};
use tonic::{Code, Request, metadata::MetadataValue};

use crate::support::{App, PASSWORD};

const REGISTER: &str = "/tandem.auth.v1.AuthService/Register";

#[tokio::test]
async fn a_browser_s_form_reaches_no_method() {
    let app = App::start().await;
    let message = prost::Message::encode_to_vec(&pb::RegisterRequest {
        username: "ada".into(),
        password: PASSWORD.into(),
        ..Default::default()
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

/// A service in whose database nobody can register within the time that a test has.
async fn with_slow_registration(flags: &[&str]) -> App {
    let app = App::with(&[&["--database-statement-timeout-ms", "60000"], flags].concat()).await;
    app.database
        .execute(
            "create function auth.wait() returns trigger language plpgsql
                 as $$ begin perform pg_sleep(20); return new; end $$;
             create trigger wait before insert on auth.users
                 for each row execute function auth.wait()",
        )
        .await;
    app
}

/// Registers somebody with this deadline, which only the server knows.
async fn register_until(app: &App, deadline: &'static str) -> (Refusal, Duration) {
    let (username, password) = ("ada".to_owned(), PASSWORD.to_owned());
    let mut request =
        Request::new(pb::RegisterRequest { username, password, ..Default::default() });
    request.metadata_mut().insert("grpc-timeout", MetadataValue::from_static(deadline));
    let start = Instant::now();
    (refusal(app.client().register(request).await), start.elapsed())
}

fn deadline_exceeded() -> Refusal {
    Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
}

#[tokio::test]
async fn a_call_ends_at_the_client_s_deadline_with_our_reason() {
    let app = with_slow_registration(&[]).await;
    let (answer, took) = register_until(&app, "500m").await;
    assert_eq!(answer, deadline_exceeded());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_call_ends_at_the_service_s_limit_however_long_its_client_waits() {
    let app = with_slow_registration(&["--call-timeout-seconds", "1"]).await;
    let (answer, took) = register_until(&app, "1H").await;
    assert_eq!(answer, deadline_exceeded());
    assert!(took < Duration::from_secs(5), "{took:?}");
}
