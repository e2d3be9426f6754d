//! Golden tests of ProtoJSON.

use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::{Value, from_str, json};
use shared::error::FieldViolations;

use super::{Spelling, Unknown, decode, encode};
use crate::Api;

fn message(name: &str) -> MessageDescriptor {
    let api = Api::new(&[proto::task::v1::FILE_DESCRIPTOR_SET]);
    api.pool.get_message_by_name(&format!("tandem.task.v1.{name}")).unwrap()
}

/// The JSON that remains of this one as a message, with default values or without.
fn through(name: &str, json: Value, with_defaults: bool) -> Result<String, FieldViolations> {
    let message = message(name);
    let bytes = encode(&message, json, Unknown::Reject)?;
    let message = DynamicMessage::decode(message, bytes).unwrap();
    Ok(String::from_utf8(decode(&message, with_defaults).unwrap()).unwrap())
}

#[test]
fn messages_are_read_and_written_as_protojson() {
    for (name, json, expected) in [
        ("Task", "{}", "{}"),
        (
            "Task",
            r#"{"isComplete":true,"title":"é\u0000"}"#,
            r#"{"title":"é\u0000","isComplete":true}"#,
        ),
        ("Task", r#"{"is_complete":true}"#, r#"{"isComplete":true}"#),
        ("Task", r#"{"title":null,"labels":null,"due":null}"#, "{}"),
        ("Task", r#"{"priority":"PRIORITY_HIGH"}"#, r#"{"priority":"PRIORITY_HIGH"}"#),
        ("Task", r#"{"priority":4}"#, r#"{"priority":"PRIORITY_URGENT"}"#),
        ("Task", r#"{"priority":99}"#, r#"{"priority":99}"#),
        ("Task", r#"{"labels":["b","a"]}"#, r#"{"labels":["b","a"]}"#),
        (
            "Task",
            r#"{"due":{"date":{"year":2026,"month":"1","day":2.0}}}"#,
            r#"{"due":{"date":{"year":2026,"month":1,"day":2}}}"#,
        ),
        (
            "Task",
            r#"{"createTime":"2026-01-02T03:04:05+01:00"}"#,
            r#"{"createTime":"2026-01-02T02:04:05Z"}"#,
        ),
        (
            "Task",
            r#"{"createTime":"2026-01-02T03:04:05.1Z"}"#,
            r#"{"createTime":"2026-01-02T03:04:05.100Z"}"#,
        ),
        ("TaskFilter", r#"{"isComplete":false}"#, r#"{"isComplete":false}"#),
        (
            "TaskFilter",
            r#"{"priorities":["PRIORITY_LOW",3]}"#,
            r#"{"priorities":["PRIORITY_LOW","PRIORITY_HIGH"]}"#,
        ),
        (
            "UpdateTaskRequest",
            r#"{"updateMask":"isComplete,dueDate"}"#,
            r#"{"updateMask":"isComplete,dueDate"}"#,
        ),
        ("UpdateTaskRequest", r#"{"updateMask":"is_complete"}"#, r#"{"updateMask":"isComplete"}"#),
        (
            "UpdateTaskRequest",
            r#"{"update_mask":{"paths":["is_complete","due"]}}"#,
            r#"{"updateMask":"isComplete,due"}"#,
        ),
        ("UpdateTaskRequest", r#"{"updateMask":"*"}"#, r#"{"updateMask":"*"}"#),
        ("UpdateTaskRequest", r#"{"updateMask":""}"#, r#"{"updateMask":""}"#),
        ("ListTasksRequest", r#"{"pageSize":"7"}"#, r#"{"pageSize":7}"#),
    ] {
        let json = from_str(json).unwrap();
        assert_eq!(through(name, json, false).unwrap(), expected, "{name}");
    }
}

#[test]
fn defaults_are_written_for_fields_that_cannot_be_absent() {
    let expected = concat!(
        r#"{"id":"","title":"","description":"","isComplete":false,"#,
        r#""priority":"PRIORITY_UNSPECIFIED","labels":[],"etag":""}"#,
    );
    assert_eq!(through("Task", json!({}), true).unwrap(), expected);
    let expected = r#"{"labels":[],"priorities":[],"text":"","timeZone":""}"#;
    assert_eq!(through("TaskFilter", json!({}), true).unwrap(), expected);
}

#[test]
fn a_violation_says_what_the_field_must_be() {
    for (json, expected) in [
        (json!({ "isComplete": "x" }), "isComplete must be true or false"),
        (json!({ "labels": [1] }), "labels must be a list, each item a string"),
        (json!({ "createTime": 1 }), "createTime must be a time such as \"2026-01-31T12:00:00Z\""),
        (
            json!({ "due": { "date": { "day": "x" } } }),
            "due.date.day must be a whole number in range",
        ),
        (json!([]), "body must be an object"),
        (
            json!({ "x": 1, "y": 2 }),
            "x is not a field of this request; y is not a field of this request",
        ),
    ] {
        assert_eq!(through("Task", json, false).unwrap_err().to_string(), expected);
    }
}

#[test]
fn fields_are_spelled_as_the_client_does() {
    let spelling = |body: Option<&str>, is_snake_case| Spelling {
        request: message("BatchUpdateTasksRequest"),
        body: body.map(str::to_owned),
        is_snake_case,
    };
    let path = "requests[3].task.is_complete";
    assert_eq!(spelling(None, false).spell(path), "requests[3].task.isComplete");
    assert_eq!(spelling(None, true).spell(path), path);
    let one = Spelling { request: message("UpdateTaskRequest"), ..spelling(Some("task"), false) };
    assert_eq!(one.spell("task.due.moment.time_zone"), "due.moment.timeZone");
    assert_eq!(one.spell("update_mask"), "updateMask");
    assert_eq!(one.spell("task"), "task");
    assert_eq!(one.spell("no such field"), "no such field");
}
