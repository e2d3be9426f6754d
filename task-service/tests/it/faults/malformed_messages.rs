//! Messages that no generated client sends.

use prost::Message as _;
use proto::task::v1 as pb;
use shared::ids::UserId;
use test_support::{Refusal, refusal};
use tonic::{Code, transport::Channel};

use crate::support::{ABSENT_ID, App, METHODS, User, accepts, call_with_bytes, titled};

/// Field 1, a message or text of these bytes; at most 127.
fn field_1(bytes: &[u8]) -> Vec<u8> {
    [&[0x0a, u8::try_from(bytes.len()).expect("it is short")], bytes].concat()
}

/// A `Task` whose field of this number has these bytes, as field 1 of a request.
fn request_with_task_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut task = field_1(bytes);
    task[0] = number << 3 | 2;
    field_1(&task)
}

/// A user, their token, and a connection for raw bytes.
fn caller(app: &App) -> (User, String, Channel) {
    let id = UserId::generate();
    let token = app.key.token(id);
    (User { id, client: app.client(&token) }, token, app.service.channel())
}

#[tokio::test]
async fn text_that_is_not_utf8_is_invalid() {
    let app = App::start().await;
    let (alice, token, channel) = caller(&app);
    for bytes in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"ok\x80"] {
        for (method, message, field) in [
            ("CreateTask", request_with_task_field(2, bytes), "task.title"),
            ("CreateTask", request_with_task_field(3, bytes), "task.description"),
            ("UpdateTask", request_with_task_field(1, bytes), "task.id"),
            ("GetTask", field_1(bytes), "task_id"),
            ("DeleteTask", field_1(bytes), "task_id"),
            ("BatchGetTasks", field_1(bytes), "task_ids"),
            (
                "BatchCreateTasks",
                field_1(&request_with_task_field(2, bytes)),
                "requests.task.title",
            ),
        ] {
            let answer = call_with_bytes(&channel, &token, method, message).await;
            assert_eq!(refusal(answer), Refusal::invalid(&[field]), "{method} {bytes:?}");
        }
    }
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn control_characters_are_invalid() {
    let app = App::start().await;
    let (_, token, channel) = caller(&app);
    for bytes in [&b"\0"[..], b"a\0b", b"\x01", b"\x7f", b"\xc2\x80"] {
        let message = request_with_task_field(2, bytes);
        let answer = call_with_bytes(&channel, &token, "CreateTask", message).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["task.title"]), "{bytes:?}");
        let answer = call_with_bytes(&channel, &token, "GetTask", field_1(bytes)).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["task_id"]), "{bytes:?}");
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let app = App::start().await;
    let (alice, token, channel) = caller(&app);
    let known =
        pb::CreateTaskRequest { task: Some(titled("x")), ..Default::default() }.encode_to_vec();
    // Field 1000, a string, as a newer client might send it.
    let message = [known, vec![0xc2, 0x3e, 0x03, b'n', b'e', b'w']].concat();
    call_with_bytes(&channel, &token, "CreateTask", message).await.unwrap();
    assert_eq!(alice.page(0, "").await.tasks[0].title, "x");
}

#[tokio::test]
async fn a_message_over_256_kib_is_too_large() {
    let app = App::start().await;
    let (alice, ..) = caller(&app);
    let too_large = Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let with_description = |bytes| pb::Task { description: "x".repeat(bytes), ..titled("x") };
    // 262,144 and what the fields' own bytes take.
    for (bytes, expected) in
        [(262_130, Refusal::invalid(&["task.description"])), (262_144, too_large)]
    {
        let answer = alice.try_create(with_description(bytes)).await;
        assert_eq!(refusal(answer), expected, "{bytes}");
    }
    assert!(accepts(&alice.client).await);
}

#[tokio::test]
async fn an_unknown_method_is_not_found() {
    let app = App::start().await;
    let (_, token, channel) = caller(&app);
    for method in ["NoSuchMethod", "", "createtask", "CreateTask/"] {
        let answer = call_with_bytes(&channel, &token, method, Vec::new()).await;
        let expected = Refusal::new(Code::Unimplemented, "METHOD_NOT_FOUND");
        assert_eq!(refusal(answer), expected, "{method}");
    }
}

/// A valid message of each method, to be corrupted.
fn good_messages() -> [(&'static str, Vec<u8>); 10] {
    let time = Some(prost_types::Timestamp { seconds: 1, nanos: 2 });
    let moment = pb::DueTime { time, time_zone: "UTC".into() };
    let task = pb::Task {
        id: ABSENT_ID.into(),
        is_complete: true,
        labels: vec!["label".into()],
        due: Some(pb::Due { due: Some(pb::due::Due::Moment(moment)) }),
        ..titled("title")
    };
    let (task_id, etag) = (ABSENT_ID.to_owned(), "etag".to_owned());
    let mask = prost_types::FieldMask { paths: vec!["title".into(), "due".into()] };
    let filter = pb::TaskFilter {
        labels: vec!["label".into()],
        priorities: vec![1],
        due_before: time,
        text: "text".into(),
        ..Default::default()
    };
    let list = pb::ListTasksRequest {
        page_size: 10,
        page_token: "token".into(),
        filter: Some(filter),
        order_by: "due desc, title".into(),
        show_deleted: true,
    };
    let create = pb::CreateTaskRequest {
        task: Some(task.clone()),
        request_id: ABSENT_ID.into(),
        validate_only: false,
    };
    let creates =
        pb::BatchCreateTasksRequest { requests: vec![create.clone()], ..Default::default() };
    let update =
        pb::UpdateTaskRequest { task: Some(task), update_mask: Some(mask), validate_only: false };
    let updates =
        pb::BatchUpdateTasksRequest { requests: vec![update.clone()], validate_only: true };
    let get = pb::GetTaskRequest { task_id: task_id.clone() };
    let gets = pb::BatchGetTasksRequest { task_ids: vec![task_id.clone()] };
    let undelete = pb::UndeleteTaskRequest { task_id: task_id.clone() };
    let delete = pb::DeleteTaskRequest { task_id, etag };
    let deletes = pb::BatchDeleteTasksRequest { requests: vec![delete.clone()] };
    let messages = [
        create.encode_to_vec(),
        get.encode_to_vec(),
        list.encode_to_vec(),
        update.encode_to_vec(),
        delete.encode_to_vec(),
        undelete.encode_to_vec(),
        gets.encode_to_vec(),
        creates.encode_to_vec(),
        updates.encode_to_vec(),
        deletes.encode_to_vec(),
    ];
    let mut messages = messages.into_iter();
    METHODS.map(|method| (method, messages.next().expect("there is one for each")))
}

#[tokio::test]
async fn no_bytes_make_the_service_fail() {
    let app = App::start().await;
    let (alice, token, channel) = caller(&app);
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..100 {
        for (method, mut message) in good_messages() {
            if round % 2 == 0 {
                message = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
            } else {
                for _ in 0..random.usize(1..4) {
                    let position = random.usize(..message.len());
                    message[position] = random.u8(..);
                }
                message.truncate(random.usize(1..=message.len()));
            }
            let sent = format!("{method} {message:02x?}");
            let answer = call_with_bytes(&channel, &token, method, message).await;
            if let Err(status) = &answer {
                let fault = matches!(status.code(), Code::Internal | Code::Unknown);
                assert!(!fault, "{sent}: {status:?}");
                refusal(answer);
            }
        }
    }
    assert!(accepts(&alice.client).await);
}
