//! What operators see of calls by other protocols, and what other sites may read.

use reqwest::Method;
use serde_json::json;
use test_support::Via;

use super::wire;
use crate::support::{self, App, PASSWORD};

#[tokio::test]
async fn metrics_count_the_protocol_and_the_call() {
    let app = App::start().await;
    let wire = wire(&app);
    for via in Via::ALL {
        let answer = wire.call(via, "GetJsonWebKeySet", "", &json!({})).await;
        answer.expect("keys are published");
    }
    for (protocol, count) in [("rest", 1), ("connect", 2), ("grpc_web", 1)] {
        let name = format!("tandem_translated_calls_total{{protocol=\"{protocol}\"}}");
        assert_eq!(app.service.count(&name).await, count, "{protocol}");
    }
    let method = ("tandem.auth.v1.AuthService", "GetJsonWebKeySet");
    assert_eq!(app.service.handled(method, "OK").await, 5);
}

#[tokio::test]
async fn the_log_line_of_a_call_names_its_protocol() {
    let database = support::database().await;
    let program = support::serve(&database, &[]).await;
    let url = format!("http://{}", program.address().await);
    let wire = test_support::Wire::new(url, proto::auth::v1::FILE_DESCRIPTOR_SET);
    let body = json!({ "username": "nobody", "password": PASSWORD }).to_string();
    let request = wire.request(Method::POST, "/v1/sessions").header("x-request-id", "mine");
    let request = request.header("content-type", "application/json").body(body);
    assert_eq!(request.send().await.unwrap().status(), 401);
    program.eventually_logs("call ended").await;
    let log = program.log();
    let line = log.lines().find(|line| line.contains("call ended")).unwrap();
    for part in
        ["AuthService/Login", "request_id=\"mine\"", "protocol=\"rest\"", "CREDENTIALS_INVALID"]
    {
        assert!(line.contains(part), "{line}");
    }
    assert!(!log.contains(PASSWORD));
}

#[tokio::test]
async fn every_site_may_read_the_public_keys_and_nothing_else() {
    let app = App::start().await;
    let wire = wire(&app);
    for (path, allowed) in
        [("/.well-known/jwks.json", true), ("/v1/keys", true), ("/v1/users/me", false)]
    {
        let request = wire.request(Method::GET, path).header("origin", "https://a.example");
        let response = request.send().await.unwrap();
        let header = response.headers().get("access-control-allow-origin");
        assert_eq!(header.is_some(), allowed, "{path}");
    }
}

#[tokio::test]
async fn a_throttled_login_says_when_to_retry() {
    let app = App::with(&["--login-attempts-per-name", "1"]).await;
    let wire = wire(&app);
    let body = json!({ "username": "ada", "password": "wrong" }).to_string();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let request = wire.request(Method::POST, "/v1/sessions");
        let request = request.header("content-type", "application/json").body(body.clone());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let retry = response.headers().get("retry-after");
        assert_eq!(retry.is_some(), status == 429);
        statuses.push(status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}
