//! `request_id`: creates are idempotent.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::{Code, Response, Status};
use uuid::Uuid;

use crate::support::{App, User, titled};

fn create(title: &str, request_id: &str) -> pb::CreateTaskRequest {
    let request_id = request_id.into();
    pb::CreateTaskRequest { task: Some(titled(title)), request_id, validate_only: false }
}

fn create_batch(titles: &[&str], request_id: &str) -> pb::BatchCreateTasksRequest {
    let requests = titles.iter().map(|title| create(title, "")).collect();
    pb::BatchCreateTasksRequest { requests, request_id: request_id.into(), ..Default::default() }
}

async fn send(
    alice: &User,
    request: pb::CreateTaskRequest,
) -> Result<Response<pb::CreateTaskResponse>, Status> {
    alice.client.clone().create_task(request).await
}

async fn sent(alice: &User, request: pb::CreateTaskRequest) -> pb::Task {
    send(alice, request).await.expect("it is created").into_inner().task.expect("it is returned")
}

async fn sent_batch(alice: &User, request: pb::BatchCreateTasksRequest) -> Vec<pb::Task> {
    let answer = alice.client.clone().batch_create_tasks(request).await;
    answer.expect("they are created").into_inner().tasks
}

fn reused() -> Refusal {
    Refusal::new(Code::AlreadyExists, "REQUEST_ID_REUSED")
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}

#[tokio::test]
async fn a_retried_create_returns_the_same_answer_and_creates_one_task() {
    let app = App::start().await;
    let [alice] = app.users();
    let request = create("x", &new_id());
    let first = sent(&alice, request.clone()).await;
    assert_eq!(sent(&alice, request.clone()).await, first);
    // The answer is the original one, even if the task has changed since.
    alice.update(pb::Task { title: "y".into(), ..first.clone() }, &["title"]).await;
    assert_eq!(sent(&alice, request.clone()).await, first);
    alice.delete(&first.id).await;
    assert_eq!(sent(&alice, request).await, first);
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn twenty_concurrent_retries_create_one_task() {
    let app = App::start().await;
    let [alice] = app.users();
    let replica = app.replica().await;
    let alice_there = app.at(&replica, &alice);
    for _ in 0..5 {
        let before = alice.count(&app.database).await;
        let request = create("x", &new_id());
        let calls = (0..20).map(|n| {
            let alice = if n % 2 == 0 { alice.clone() } else { alice_there.clone() };
            let request = request.clone();
            async move { sent(&alice, request).await }
        });
        let tasks = calls.collect::<JoinSet<_>>().join_all().await;
        assert!(tasks.iter().all(|task| *task == tasks[0]), "{tasks:?}");
        assert_eq!(alice.get(&tasks[0].id).await, tasks[0]);
        assert_eq!(alice.count(&app.database).await, before + 1);
    }
}

#[tokio::test]
async fn a_retried_batch_returns_the_same_answer() {
    let app = App::start().await;
    let [alice] = app.users();
    let request = create_batch(&["a", "b", "c"], &new_id());
    let first = sent_batch(&alice, request.clone()).await;
    let calls = (0..10).map(|_| {
        let (alice, request) = (alice.clone(), request.clone());
        async move { sent_batch(&alice, request).await }
    });
    for again in calls.collect::<JoinSet<_>>().join_all().await {
        assert_eq!(again, first);
    }
    for task in &first {
        assert_eq!(alice.get(&task.id).await, *task);
    }
    assert_eq!(alice.count(&app.database).await, 3);
}

#[tokio::test]
async fn a_request_id_with_another_body_is_rejected() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let id = new_id();
    let task = sent(&alice, create("x", &id)).await;
    let other = pb::Task { priority: 4, ..titled("x") };
    let others = [
        create("y", &id),
        pb::CreateTaskRequest { task: Some(other), ..create("x", &id) },
        create("y", &id.to_uppercase()),
    ];
    for other in others {
        assert_eq!(refusal(send(&alice, other).await), reused());
    }
    // Ignored fields and equivalent values make no difference.
    let same = pb::Task { id: "mine".into(), priority: 2, etag: "e".into(), ..titled("x") };
    let same = pb::CreateTaskRequest { task: Some(same), ..create("x", &id) };
    assert_eq!(sent(&alice, same).await, task);
    // The id is scoped to the user and the RPC.
    assert_eq!(sent(&bob, create("y", &id)).await.title, "y");
    assert_eq!(sent_batch(&alice, create_batch(&["x"], &id)).await.len(), 1);
    assert_eq!(alice.count(&app.database).await, 2);
}

#[tokio::test]
async fn the_order_of_a_batch_is_part_of_the_request() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let id = new_id();
    sent_batch(&alice, create_batch(&["ab", "c"], &id)).await;
    for titles in [&["a", "bc"][..], &["c", "ab"], &["ab"], &["ab", "c", "d"]] {
        let answer = alice.client.batch_create_tasks(create_batch(titles, &id)).await;
        assert_eq!(refusal(answer), reused(), "{titles:?}");
    }
}

#[tokio::test]
async fn a_rejected_create_can_be_corrected_with_the_same_request_id() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = new_id();
    assert_eq!(refusal(send(&alice, create("", &id)).await), Refusal::invalid(&["task.title"]));
    assert_eq!(sent(&alice, create("x", &id)).await.title, "x");
}

#[tokio::test]
async fn a_request_id_expires_after_24_hours() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = new_id();
    let first = sent(&alice, create("x", &id)).await;
    let age = |hours| {
        format!("update task.requests set create_time = create_time - interval '{hours} hours'")
    };
    app.database.execute(age(23)).await;
    let answered = sent(&alice, create("x", &id)).await;
    assert_eq!(answered.id, first.id);
    app.database.execute(age(2)).await;
    let second = sent(&alice, create("y", &id)).await;
    assert_ne!(second.id, first.id);
    assert_eq!(sent(&alice, create("y", &id)).await, second);
    assert_eq!(alice.count(&app.database).await, 2);
}

#[tokio::test]
async fn a_request_id_that_is_no_uuid_or_a_default_value_is_rejected() {
    let app = App::start().await;
    let [mut alice] = app.users();
    for bad in [
        "1",
        "x",
        "00000000-0000-0000-0000-00000000000",
        "🧀",
        "\0",
        "00000000-0000-0000-0000-000000000000",
        "00000000000000000000000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    ] {
        let invalid = Refusal::invalid(&["request_id"]);
        assert_eq!(refusal(send(&alice, create("x", bad)).await), invalid, "{bad:?}");
        let answer = alice.client.batch_create_tasks(create_batch(&["x"], bad)).await;
        assert_eq!(refusal(answer), invalid, "{bad:?}");
    }
    assert_eq!(
        refusal(send(&alice, create("", "x")).await),
        Refusal::invalid(&["request_id", "task.title"])
    );
}
