//! `validate_only`: the answer of a call that is not made.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;

use crate::support::{ABSENT_ID, App, task_not_found, titled};

fn try_update(task: pb::Task) -> pb::UpdateTaskRequest {
    pb::UpdateTaskRequest { task: Some(task), update_mask: None, validate_only: true }
}

#[tokio::test]
async fn a_validated_create_returns_the_task_without_an_id() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let task = pb::Task { labels: vec!["b".into(), "a".into()], ..titled("x") };
    let request = pb::CreateTaskRequest {
        task: Some(task),
        request_id: ABSENT_ID.into(),
        validate_only: true,
    };
    let tried = alice.client.create_task(request.clone()).await.unwrap().into_inner().task.unwrap();
    assert_eq!((&*tried.id, &*tried.etag, &*tried.title), ("", "", "x"));
    assert_eq!((tried.priority, tried.labels), (2, vec!["a".into(), "b".into()]));
    assert_eq!(alice.count(&app.database).await, 0);
    // The request id can still be used.
    let request =
        pb::CreateTaskRequest { task: Some(titled("y")), validate_only: false, ..request };
    assert_eq!(
        alice.client.create_task(request).await.unwrap().into_inner().task.unwrap().title,
        "y"
    );
}

#[tokio::test]
async fn a_validated_batch_creates_nothing() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let item = pb::CreateTaskRequest { task: Some(titled("x")), ..Default::default() };
    let requests = vec![item.clone(), item];
    let request =
        pb::BatchCreateTasksRequest { requests, validate_only: true, ..Default::default() };
    let tasks = alice.client.batch_create_tasks(request).await.unwrap().into_inner().tasks;
    assert!(tasks.len() == 2 && tasks.iter().all(|task| task.id.is_empty()));
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn a_validated_update_returns_the_task_as_it_would_be() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let task = alice.create("x").await;
    let change = pb::Task { title: "y".into(), is_complete: true, ..task.clone() };
    let answer = alice.client.update_task(try_update(change.clone())).await.unwrap();
    let tried = answer.into_inner().task.unwrap();
    assert!(tried.complete_time.is_some());
    let complete_time = tried.complete_time;
    assert_eq!(tried, pb::Task { complete_time, ..change.clone() });
    let item = pb::UpdateTaskRequest { validate_only: false, ..try_update(change) };
    let request = pb::BatchUpdateTasksRequest { requests: vec![item], validate_only: true };
    let answer = alice.client.batch_update_tasks(request).await.unwrap().into_inner();
    assert_eq!(answer.tasks[0].title, "y");
    assert_eq!(alice.get(&task.id).await, task);
}

#[tokio::test]
async fn validation_rejects_what_a_write_would_reject() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let task = alice.create("x").await;
    let gone = alice.create("gone").await;
    alice.delete(&gone.id).await;
    let stale = Refusal::new(Code::Aborted, "ETAG_MISMATCH").with("etag", &task.etag);
    for (change, expected) in [
        (pb::Task { id: ABSENT_ID.into(), ..titled("y") }, task_not_found()),
        (gone, Refusal::new(Code::FailedPrecondition, "TASK_DELETED")),
        (pb::Task { etag: "garbage".into(), ..task.clone() }, stale),
        (pb::Task { priority: 7, ..task.clone() }, Refusal::invalid(&["task.priority"])),
    ] {
        assert_eq!(refusal(alice.client.update_task(try_update(change)).await), expected);
    }
    let request = pb::CreateTaskRequest {
        task: Some(titled("")),
        request_id: String::new(),
        validate_only: true,
    };
    let answer = alice.client.create_task(request).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["task.title"]));
}
