//! Requests that only JSON can express.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Fault, Via, Wire};

use super::wire;
use crate::support::App;

/// The HTTP status and the body of a request with a body of JSON.
async fn send(
    wire: &Wire,
    token: &str,
    verb: Method,
    path: &str,
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    let request = wire.request(verb, path).bearer_auth(token);
    let request = request.header("content-type", "application/json").body(body);
    let response = request.send().await.expect("the service answers");
    let status = response.status().as_u16();
    let text = response.text().await.expect("the response is text");
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}")))
}

const CONNECT: &str = "/tandem.task.v1.TaskService/CreateTask";

#[tokio::test]
async fn json_that_is_no_message_names_every_field() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let deep = format!("{{\"title\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for (body, fields) in [
        ("", &["title"][..]),
        ("{", &["body"]),
        ("[]", &["body"]),
        ("null", &["body"]),
        ("\"title\"", &["body"]),
        ("{\"title\":\"a\"} x", &["body"]),
        ("\u{feff}{}", &["body"]),
        (&deep, &["body"]),
        (r#"{"title":1}"#, &["title"]),
        (r#"{"title":"a","isComplete":"yes"}"#, &["isComplete"]),
        (r#"{"title":"a","is_complete":1}"#, &["is_complete"]),
        (r#"{"title":"a","priority":"HIGH"}"#, &["priority"]),
        (r#"{"title":"a","priority":1.5}"#, &["priority"]),
        (r#"{"title":"a","labels":"home"}"#, &["labels"]),
        (r#"{"title":"a","labels":[1]}"#, &["labels"]),
        (r#"{"title":"a","due":"tomorrow"}"#, &["due"]),
        (r#"{"title":"a","due":{"date":"2026-01-01"}}"#, &["due.date"]),
        (r#"{"title":"a","due":{"date":{"year":"x"}}}"#, &["due.date.year"]),
        (r#"{"title":"a","due":{"date":{"year":2147483648}}}"#, &["due.date.year"]),
        (r#"{"title":"a","due":{"moment":{"time":"noon"}}}"#, &["due.moment.time"]),
        (r#"{"title":"a","due":{"date":{"year":1},"moment":{}}}"#, &["due"]),
        (r#"{"title":"a","createTime":"x"}"#, &["createTime"]),
        (r#"{"title":1,"labels":{},"isComplete":0}"#, &["isComplete", "labels", "title"]),
    ] {
        let (status, rest) = send(&wire, &token, Method::POST, "/v1/tasks", body.to_owned()).await;
        let fault = Fault::of_json(&rest);
        assert_eq!(
            (status, &*fault.code, &*fault.reason),
            (400, "INVALID_ARGUMENT", "INVALID_FIELD"),
            "{body}"
        );
        assert_eq!(fault.fields, fields, "{body}");
        // Connect's body is the request, not the task.
        let Ok(task) = serde_json::from_str::<Value>(body) else { continue };
        // Connect ignores what it does not know, also names of values.
        if fields == ["body"] || body.contains("HIGH") {
            continue;
        }
        let request = json!({ "task": task }).to_string();
        let (status, connect) = send(&wire, &token, Method::POST, CONNECT, request).await;
        let fault = Fault::of_json(&connect);
        assert_eq!(status, 400, "{body}: {connect}");
        let fields: Vec<_> = fields.iter().map(|field| format!("task.{field}")).collect();
        assert_eq!(fault.fields, fields, "{body}");
    }
}

#[tokio::test]
async fn rest_rejects_unknown_fields_by_name_and_connect_ignores_them() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let task = json!({ "title": "a", "colour": 1, "due": { "date": { "year": 1, "era": "BC" } } });
    let (status, body) = send(&wire, &token, Method::POST, "/v1/tasks", task.to_string()).await;
    assert_eq!(status, 400);
    assert_eq!(Fault::of_json(&body).fields, ["colour", "due.date.era"]);
    let request = json!({ "task": { "title": "a", "colour": 1 } }).to_string();
    let (status, body) = send(&wire, &token, Method::POST, CONNECT, request).await;
    assert_eq!((status, &body["task"]["title"]), (200, &json!("a")));
    // Connect leaves out default values.
    assert_eq!(body["task"]["isComplete"], Value::Null);
    for query in ["colour=1", "filter.colour=1", "pageSize.x=1"] {
        let path = format!("/v1/tasks?{query}");
        let (status, body) = send(&wire, &token, Method::GET, &path, "").await;
        let name = query.split('=').next().unwrap();
        assert_eq!((status, &*Fault::of_json(&body).fields), (400, &[name.to_owned()][..]));
    }
}

#[tokio::test]
async fn rest_writes_defaults_in_the_order_of_the_fields() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let request = wire.request(Method::POST, "/v1/tasks").bearer_auth(&token);
    let request = request.header("content-type", "application/json; charset=utf-8");
    let text = request.body(r#"{"title": "a"}"#).send().await.unwrap().text().await.unwrap();
    let names: Vec<_> = text.split(",\"").map(|part| part.split('"').collect::<Vec<_>>()).collect();
    let names: Vec<_> =
        names.iter().map(|part| *part.iter().find(|p| p.len() > 1).unwrap()).collect();
    let expected = [
        "id",
        "title",
        "description",
        "isComplete",
        "priority",
        "labels",
        "etag",
        "createTime",
        "updateTime",
    ];
    assert_eq!(names, expected, "{text}");
    assert!(text.contains(r#""description":"","isComplete":false"#), "{text}");
}

#[tokio::test]
async fn a_patch_without_a_mask_changes_what_its_body_names() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let task = json!({ "title": "a", "isComplete": true, "description": "b", "labels": ["c"] });
    let (_, task) = send(&wire, &token, Method::POST, "/v1/tasks", task.to_string()).await;
    let path = format!("/v1/tasks/{}", task["id"].as_str().unwrap());
    let change =
        async |body: Value| send(&wire, &token, Method::PATCH, &path, body.to_string()).await;

    let (_, open) = change(json!({ "isComplete": false })).await;
    assert_eq!((&open["isComplete"], &open["description"]), (&json!(false), &json!("b")));
    let (_, cleared) = change(json!({ "description": null, "labels": [] })).await;
    assert_eq!((&cleared["description"], &cleared["labels"]), (&json!(""), &json!([])));
    // A whole task that was read before: its output-only fields are not in the mask.
    let (status, same) = change(cleared.clone()).await;
    assert_eq!((status, &same["etag"]), (200, &cleared["etag"]));
    let (status, _) = change(json!({ "title": "d", "etag": task["etag"] })).await;
    assert_eq!(status, 409, "the etag is stale");
    let (status, _) = change(json!({ "title": "" })).await;
    assert_eq!(status, 400);
    let (status, other) = change(json!({ "id": "other", "title": "d" })).await;
    assert_eq!((status, &*Fault::of_json(&other).fields), (400, &["id".to_owned()][..]));
}

#[tokio::test]
async fn a_mask_is_text_or_an_object_in_either_spelling() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let request = json!({ "task": { "title": "a", "isComplete": true } });
    let task = wire.call(Via::ConnectJson, "CreateTask", &token, &request).await.unwrap();
    let id = &task["task"]["id"];
    for mask in [
        json!("isComplete,title"),
        json!("is_complete,title"),
        json!({ "paths": ["is_complete", "title"] }),
        json!({ "paths": ["isComplete", "title"] }),
    ] {
        let task = json!({ "id": id, "title": mask.to_string() });
        let request = json!({ "task": task, "updateMask": mask });
        let path = "/tandem.task.v1.TaskService/UpdateTask";
        let (status, body) = send(&wire, &token, Method::POST, path, request.to_string()).await;
        assert_eq!((status, &body["task"]["title"]), (200, &task["title"]), "{body}");
        let request = json!({ "requests": [request] }).to_string();
        let path = "/v1/tasks:batchUpdate";
        let (status, body) = send(&wire, &token, Method::POST, path, request).await;
        assert_eq!(status, 200, "{body}");
    }
    for mask in ["isComplete", "is_complete"] {
        let path = format!("/v1/tasks/{}?updateMask={mask}", id.as_str().unwrap());
        let (status, body) = send(&wire, &token, Method::PATCH, &path, "{}").await;
        assert_eq!((status, &body["isComplete"]), (200, &json!(false)), "{body}");
    }
}

#[tokio::test]
async fn errors_name_fields_in_the_spelling_of_the_request() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    for (query, field) in [("pageSize=-1", "pageSize"), ("page_size=-1", "page_size")] {
        let (_, body) = send(&wire, &token, Method::GET, &format!("/v1/tasks?{query}"), "").await;
        assert_eq!(Fault::of_json(&body).fields, [field]);
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(field), "{message}");
    }
    for (body, field) in
        [(r#"{"taskIds": ["x"]}"#, "taskIds[0]"), (r#"{"task_ids": ["x"]}"#, "task_ids[0]")]
    {
        let path = "/tandem.task.v1.TaskService/BatchGetTasks";
        let (_, body) = send(&wire, &token, Method::POST, path, body).await;
        assert_eq!(Fault::of_json(&body).fields, [field]);
    }
}
