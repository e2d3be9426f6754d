//! BatchCreateTasks with `keep_times`: tasks of another system keep their times.

use prost_types::Timestamp;
use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::{Response, Status};
use uuid::Uuid;

use crate::support::{App, User, titled};

const fn at(seconds: i64, nanos: i32) -> Timestamp {
    Timestamp { seconds, nanos }
}

fn batch(tasks: &[pb::Task]) -> pb::BatchCreateTasksRequest {
    let request =
        |task: &pb::Task| pb::CreateTaskRequest { task: Some(task.clone()), ..Default::default() };
    let requests = tasks.iter().map(request).collect();
    pb::BatchCreateTasksRequest { requests, keep_times: true, ..Default::default() }
}

async fn import(
    alice: &User,
    tasks: &[pb::Task],
) -> Result<Response<pb::BatchCreateTasksResponse>, Status> {
    alice.client.clone().batch_create_tasks(batch(tasks)).await
}

fn complete(
    title: &str,
    create_time: impl Into<Option<Timestamp>>,
    complete_time: impl Into<Option<Timestamp>>,
) -> pb::Task {
    let (create_time, complete_time) = (create_time.into(), complete_time.into());
    pb::Task { is_complete: true, create_time, complete_time, ..titled(title) }
}

#[tokio::test]
async fn a_task_keeps_its_times() {
    let app = App::start().await;
    let [alice] = app.users();
    let begun = shared::time::now().timestamp();
    let new = alice.create("new").await;
    let tasks = [
        complete("both", at(1_000_000_000, 1_999), at(1_100_000_000, 0)),
        pb::Task { create_time: Some(at(0, 0)), ..titled("oldest") },
        complete("complete", None, at(7, 0)),
        titled("neither"),
    ];
    let created = import(&alice, &tasks).await.unwrap().into_inner().tasks;
    let [both, oldest, completed, neither] = &created[..] else { panic!("{created:?}") };
    assert_eq!(both.create_time, Some(at(1_000_000_000, 1_000)));
    assert_eq!(both.complete_time, Some(at(1_100_000_000, 0)));
    assert_eq!((oldest.create_time, oldest.complete_time), (Some(at(0, 0)), None));
    assert_eq!(completed.complete_time, Some(at(7, 0)));
    assert_eq!(neither.create_time, neither.update_time);
    for task in &created {
        assert!(task.update_time.unwrap().seconds >= begun);
        assert_eq!(alice.get(&task.id).await, *task);
    }
    // An id has the time of the creation.
    let time = Uuid::parse_str(&both.id).unwrap().get_timestamp().unwrap().to_unix();
    assert_eq!(time.0, 1_000_000_000);
    let titles: Vec<_> = alice.page(0, "").await.tasks.into_iter().map(|t| t.title).collect();
    assert_eq!(titles[2..], ["new", "both", "oldest"]);
    let by_age =
        pb::ListTasksRequest { order_by: "create_time".into(), page_size: 3, ..Default::default() };
    assert_eq!(alice.list(by_age).await, [oldest.clone(), both.clone(), new]);
}

#[tokio::test]
async fn without_the_flag_times_are_ignored() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = complete("x", at(7, 0), at(i64::MAX, -1));
    let request = pb::BatchCreateTasksRequest { keep_times: false, ..batch(&[task]) };
    let created = alice.client.clone().batch_create_tasks(request).await.unwrap().into_inner();
    assert_eq!(created.tasks[0].create_time, created.tasks[0].update_time);
    assert_eq!(created.tasks[0].complete_time, created.tasks[0].update_time);
}

#[tokio::test]
async fn a_retry_returns_the_same_tasks() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let tasks = [complete("x", at(7, 0), at(8, 0)), complete("y", None, None)];
    let request_id = Uuid::now_v7().to_string();
    let request = pb::BatchCreateTasksRequest { request_id, ..batch(&tasks) };
    let first = alice.client.batch_create_tasks(request.clone()).await.unwrap().into_inner();
    let again = alice.client.batch_create_tasks(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, first);
    let other = batch(&[complete("x", at(7, 1_000), at(8, 0)), complete("y", None, None)]);
    let other = pb::BatchCreateTasksRequest { requests: other.requests, ..request };
    let reused = Refusal::new(tonic::Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_eq!(refusal(alice.client.batch_create_tasks(other).await), reused);
}

#[tokio::test]
async fn every_invalid_time_is_named_and_nothing_is_stored() {
    let app = App::start().await;
    let [alice] = app.users();
    let (create, complete_time) =
        ("requests[1].task.create_time", "requests[1].task.complete_time");
    let later = at(shared::time::now().timestamp() + 60, 0);
    for (task, fields) in [
        (pb::Task { create_time: Some(at(-1, 999_999_999)), ..titled("x") }, &[create][..]),
        (pb::Task { create_time: Some(at(i64::MAX, 0)), ..titled("x") }, &[create]),
        (pb::Task { create_time: Some(at(7, -1)), ..titled("x") }, &[create]),
        (pb::Task { create_time: Some(later), ..titled("x") }, &[create]),
        (pb::Task { complete_time: Some(at(7, 0)), ..titled("x") }, &[complete_time]),
        (complete("x", at(7, 0), later), &[complete_time]),
        (complete("x", later, later), &[create, complete_time]),
        (complete("x", None, at(-1, 0)), &[complete_time]),
    ] {
        let case = format!("{task:?}");
        let tasks = [titled("good"), task];
        assert_eq!(refusal(import(&alice, &tasks).await), Refusal::invalid(fields), "{case}");
        let validated = pb::BatchCreateTasksRequest { validate_only: true, ..batch(&tasks) };
        let answer = alice.client.clone().batch_create_tasks(validated).await;
        assert_eq!(refusal(answer), Refusal::invalid(fields), "{case}");
    }
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn a_time_in_the_future_rejects_no_other_call() {
    let app = App::start().await;
    let [alice] = app.users();
    let later = at(shared::time::now().timestamp() + 60, 0);
    let calls = (0..40).map(|n| {
        let create_time = Some(if n % 2 == 0 { at(7, 0) } else { later });
        let alice = alice.clone();
        async move { import(&alice, &[pb::Task { create_time, ..titled("x") }]).await.is_ok() }
    });
    let mut accepted = 0;
    for is_ok in futures_util::future::join_all(calls).await {
        accepted += i64::from(is_ok);
    }
    assert_eq!(accepted, 20);
    assert_eq!(alice.count(&app.database).await, 20);
}
