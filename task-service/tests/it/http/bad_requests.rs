//! Rejected requests: the same code, reason and fields by every protocol.

use serde_json::{Value, json};
use test_support::{Fault, Via};

use super::wire;
use crate::support::{ABSENT_ID, App};

#[expect(clippy::needless_pass_by_value, reason = "the table reads better")]
fn task(task: Value) -> (&'static str, Value) {
    ("CreateTask", json!({ "task": task }))
}

fn list(request: Value) -> (&'static str, Value) {
    ("ListTasks", request)
}

/// Requests that every protocol can express.
fn rejected() -> Vec<(&'static str, Value)> {
    let long = |n: usize| "x".repeat(n);
    let update =
        |task: Value, mask: &str| ("UpdateTask", json!({ "task": task, "updateMask": mask }));
    vec![
        ("GetTask", json!({ "taskId": "x" })),
        ("GetTask", json!({ "taskId": ABSENT_ID })),
        ("GetTask", json!({ "taskId": ABSENT_ID.to_uppercase() })),
        ("GetTask", json!({ "taskId": "ü ?&=+/%" })),
        task(json!({ "title": "" })),
        task(json!({ "title": long(201) })),
        task(json!({ "title": "a\u{7}" })),
        task(json!({ "title": "a", "description": long(10_001) })),
        task(json!({ "title": "a", "description": "\u{0}" })),
        task(json!({ "title": "a", "labels": [""] })),
        task(json!({ "title": "a", "labels": [long(51)] })),
        task(json!({ "title": "a", "labels": (0..21).map(|n| n.to_string()).collect::<Vec<_>>() })),
        task(json!({ "title": "a", "priority": 99 })),
        task(json!({ "title": "a", "due": {} })),
        task(json!({ "title": "a", "due": { "date": { "year": 2026, "month": 13, "day": 1 } } })),
        task(json!({ "title": "a", "due": { "moment": { "timeZone": "UTC" } } })),
        task(json!({ "title": "a", "due": { "moment": {
            "time": "2026-01-01T00:00:00Z", "timeZone": "Mars/Olympus" } } })),
        task(json!({ "title": "", "description": "\u{0}", "labels": [""], "priority": 99 })),
        ("CreateTask", json!({ "task": { "title": "a" }, "requestId": "x" })),
        list(json!({ "pageSize": -1 })),
        list(json!({ "pageToken": "x" })),
        list(json!({ "pageToken": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" })),
        list(json!({ "orderBy": "colour" })),
        list(json!({ "orderBy": "title,title" })),
        list(json!({ "filter": { "labels": [""] } })),
        list(json!({ "filter": { "priorities": ["PRIORITY_UNSPECIFIED"] } })),
        list(json!({ "filter": { "text": long(201) } })),
        list(json!({ "filter": { "text": long(201) }, "pageSize": -1, "orderBy": "x" })),
        update(json!({ "id": "x" }), "title"),
        update(json!({ "id": ABSENT_ID, "title": "a" }), "title"),
        update(json!({ "id": ABSENT_ID, "title": "a" }), "createTime"),
        update(json!({ "id": ABSENT_ID, "title": "a" }), "colour"),
        update(json!({ "id": ABSENT_ID, "title": "" }), "title"),
        ("DeleteTask", json!({ "taskId": "x" })),
        ("DeleteTask", json!({ "taskId": ABSENT_ID })),
        ("DeleteTask", json!({ "taskId": ABSENT_ID, "etag": "AAAAAAAAAAE" })),
        ("UndeleteTask", json!({ "taskId": "x" })),
        ("UndeleteTask", json!({ "taskId": ABSENT_ID })),
        ("BatchGetTasks", json!({})),
        ("BatchGetTasks", json!({ "taskIds": ["x", ABSENT_ID, ""] })),
        ("BatchGetTasks", json!({ "taskIds": [ABSENT_ID] })),
        ("BatchGetTasks", json!({ "taskIds": vec![ABSENT_ID; 101] })),
        ("BatchCreateTasks", json!({ "requests": [] })),
        ("BatchCreateTasks", json!({ "requests": [{ "task": { "title": "" } }, {}] })),
        (
            "BatchCreateTasks",
            json!({ "requests": [{ "task": { "title": "a" }, "validateOnly": true }] }),
        ),
        (
            "BatchUpdateTasks",
            json!({ "requests": [{ "task": { "id": ABSENT_ID, "title": "a" } }] }),
        ),
        (
            "BatchUpdateTasks",
            json!({ "requests": [
            { "task": { "id": ABSENT_ID, "title": "a" } }, { "task": { "id": ABSENT_ID, "title": "b" } },
        ] }),
        ),
        ("BatchDeleteTasks", json!({ "requests": [{ "taskId": "x" }] })),
        ("BatchDeleteTasks", json!({ "requests": [{ "taskId": ABSENT_ID }] })),
    ]
}

#[tokio::test]
async fn a_request_is_rejected_alike_by_every_protocol() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let rejected = rejected();
    assert!(rejected.len() >= 49);
    for (method, request) in rejected {
        let grpc = wire.call(Via::Grpc, method, &token, &request).await;
        let grpc = grpc.expect_err(&format!("gRPC accepts {method} {request}"));
        assert_ne!(grpc.reason, "", "{method} {request}");
        let is_invalid = grpc.reason == "INVALID_FIELD";
        assert_eq!(is_invalid, !grpc.fields.is_empty(), "{method} {request}: {grpc:?}");
        for via in Via::ALL {
            let fault = wire.call(via, method, &token, &request).await.expect_err("as in gRPC");
            let spell = |field: &String| wire.spell(via, method, field);
            let expected =
                Fault { fields: grpc.fields.iter().map(spell).collect(), ..grpc.clone() };
            assert_eq!(fault, expected, "{via:?} {method} {request}");
        }
    }
}

#[tokio::test]
async fn a_call_without_a_valid_token_is_rejected_alike_before_its_body_is_read() {
    let app = App::start().await;
    let (wire, _) = wire(&app);
    for token in ["", "x", "a.b.c"] {
        let bad = json!({ "task": { "title": "" } });
        let grpc = wire.call(Via::Grpc, "CreateTask", token, &bad).await.unwrap_err();
        assert_eq!(grpc.code, "UNAUTHENTICATED");
        for via in Via::ALL {
            let fault = wire.call(via, "CreateTask", token, &bad).await.unwrap_err();
            assert_eq!(fault, grpc, "{via:?} {token:?}");
        }
    }
}
