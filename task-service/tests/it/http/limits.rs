//! Sizes of requests by method, in every protocol.

use serde_json::json;
use test_support::{Via, Wire};

use super::wire;
use crate::support::App;

#[tokio::test]
async fn a_request_is_too_large_beyond_the_limit_of_its_method() {
    let app = App::start_with(&["--max-request-bytes", "2048"]).await;
    let (wire, token) = wire(&app);
    let large = json!({ "task": { "title": "a", "description": "x".repeat(4096) } });
    for via in Via::ALL {
        let fault = wire.call(via, "CreateTask", &token, &large).await.unwrap_err();
        assert_eq!(fault.code, "RESOURCE_EXHAUSTED", "{via:?}");
        assert_eq!(fault.reason, "MESSAGE_TOO_LARGE", "{via:?}");
        let batch = json!({ "requests": [large] });
        let created = wire.call(via, "BatchCreateTasks", &token, &batch).await;
        assert!(created.is_ok(), "{via:?}: {created:?}");
    }
    let response = rest(&wire, &token, large["task"].to_string()).await;
    assert_eq!(response.status(), 413);
}

async fn rest(wire: &Wire, token: &str, body: String) -> reqwest::Response {
    let request = wire.request(reqwest::Method::POST, "/v1/tasks").bearer_auth(token);
    let request = request.header("content-type", "application/json").body(body);
    request.send().await.expect("the service answers")
}
