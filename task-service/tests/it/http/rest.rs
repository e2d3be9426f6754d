//! HTTP's own rules: statuses, headers, paths, other sites.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_support::{Fault, Wire};

use super::wire;
use crate::support::{ABSENT_ID, App};

async fn send(wire: &Wire, verb: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = wire.request(verb, path);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("the service answers")
}

async fn json_of(response: Response) -> Value {
    let text = response.text().await.expect("the response is text");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

#[tokio::test]
async fn a_path_without_a_method_is_not_found() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let bearer = format!("Bearer {token}");
    for (verb, path) in [
        (Method::GET, "/"),
        (Method::GET, "/v1"),
        (Method::GET, "/v1/tasks/"),
        (Method::GET, "/v1/tasks/a/b"),
        (Method::GET, "/v1/tasks/a:undelete"),
        (Method::GET, "/v1/tasks:batchCreate"),
        (Method::GET, "//v1/tasks"),
        (Method::PUT, "/v1/tasks"),
        (Method::POST, "/v1/tasks/%ff"),
        (Method::GET, "/v1/tasks/%ff"),
        (Method::POST, "/tandem.task.v1.TaskService/Nothing"),
        (Method::GET, "/.well-known/jwks.json"),
    ] {
        let response = send(&wire, verb.clone(), path, &[("authorization", &bearer)]).await;
        assert_eq!(response.status(), 404, "{verb} {path}");
        let body = json_of(response).await;
        assert_eq!(Fault::of_json(&body).reason, "METHOD_NOT_FOUND", "{verb} {path}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_unsupported() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""] {
        for path in ["/v1/tasks", "/tandem.task.v1.TaskService/CreateTask"] {
            let request = wire.request(Method::POST, path).bearer_auth(&token);
            let request = request.header("content-type", kind).body("title=a");
            assert_eq!(request.send().await.unwrap().status(), 415, "{kind:?} {path}");
        }
    }
    // A page of another site can send bytes without a type.
    let request = wire.request(Method::POST, "/v1/tasks").bearer_auth(&token);
    let request = request.body(r#"{"title": "a"}"#);
    assert_eq!(request.send().await.unwrap().status(), 415);
    let request = wire.request(Method::POST, "/v1/tasks").bearer_auth(&token);
    let request = request.header("content-type", "application/json");
    let request = request.header("content-encoding", "gzip").body("{}");
    assert_eq!(request.send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn an_error_has_the_headers_of_its_status() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let response = send(&wire, Method::GET, "/v1/tasks", &[("x-request-id", "mine")]).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(response.headers()["x-request-id"], "mine");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = json_of(response).await;
    assert_eq!(body["error"]["code"], 401);
    assert_eq!(body["error"]["status"], "UNAUTHENTICATED");
    let bearer = format!("Bearer {token}");
    let path = format!("/v1/tasks/{ABSENT_ID}");
    let response = send(&wire, Method::GET, &path, &[("authorization", &bearer)]).await;
    assert_eq!(response.status(), 404);
    assert!(!response.headers().contains_key("www-authenticate"));
    assert_eq!(
        json_of(response).await["error"]["details"][0],
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "TASK_NOT_FOUND", "domain": "tandem",
        })
    );
}

#[tokio::test]
async fn head_and_get_have_the_same_headers() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let bearer = format!("Bearer {token}");
    let response = send(&wire, Method::HEAD, "/v1/tasks", &[("authorization", &bearer)]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn connect_checks_its_version_and_its_time_out() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let path = "/tandem.task.v1.TaskService/ListTasks";
    for (name, value, status) in [
        ("connect-protocol-version", "1", 200),
        ("connect-protocol-version", "2", 400),
        ("connect-timeout-ms", "5000", 200),
        ("connect-timeout-ms", "9999999999", 200),
        ("connect-timeout-ms", "-1", 400),
        ("connect-timeout-ms", "99999999999", 400),
        ("connect-timeout-ms", "", 400),
    ] {
        let request = wire.request(Method::POST, path).bearer_auth(&token).header(name, value);
        let request = request.header("content-type", "application/json").body("{}");
        assert_eq!(request.send().await.unwrap().status(), status, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_reads_responses_only_if_its_origin_is_allowed() {
    let app = App::start_with(&["--server-cors-origins", "https://a.example"]).await;
    let (wire, _) = wire(&app);
    for (origin, allowed) in [("https://a.example", true), ("https://b.example", false)] {
        let preflight = [("origin", origin), ("access-control-request-method", "PATCH")];
        let response = send(&wire, Method::OPTIONS, "/v1/tasks/x", &preflight).await;
        assert_eq!(response.status(), 200);
        let header = response.headers().get("access-control-allow-origin");
        assert_eq!(header.is_some(), allowed, "{origin}");
        let response = send(&wire, Method::GET, "/v1/tasks", &[("origin", origin)]).await;
        let header = response.headers().get("access-control-allow-origin");
        assert_eq!(header.is_some(), allowed, "{origin}");
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn rest_and_connect_can_be_switched_off() {
    let app = App::start_with(&["--server-http-json", "false"]).await;
    let (wire, token) = wire(&app);
    let bearer = format!("Bearer {token}");
    let response = send(&wire, Method::GET, "/v1/tasks", &[("authorization", &bearer)]).await;
    assert_eq!(response.status(), 404);
    let path = "/tandem.task.v1.TaskService/ListTasks";
    let request = wire.request(Method::POST, path).header("content-type", "application/json");
    assert_eq!(request.bearer_auth(&token).body("{}").send().await.unwrap().status(), 415);
    let web = wire.call(test_support::Via::GrpcWeb, "ListTasks", &token, &json!({})).await;
    assert_eq!(web, Ok(json!({})));
}
