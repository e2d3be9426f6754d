//! A batch is executed as a whole or not at all, and its errors name the item.

use prost_types::FieldMask;
use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::Code;

use super::{create, delete, delete_all, get, retitle, update};
use crate::support::{ABSENT_ID, App, task_not_found, titled};

#[tokio::test]
async fn one_bad_item_rejects_the_batch_and_is_named() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let tasks = create(&alice, &["a", "b", "c", "d"]).await;
    let foreign = create(&bob, &["of bob"]).await.remove(0);
    let gone = alice.delete(&tasks[3].id).await;
    let absent = pb::Task { id: ABSENT_ID.into(), ..Default::default() };
    let task_deleted = Refusal::new(Code::FailedPrecondition, "TASK_DELETED");
    let stale = Refusal::new(Code::Aborted, "ETAG_MISMATCH").with("etag", &tasks[2].etag);
    for (bad, etag, expected) in [
        (&absent, "", task_not_found()),
        (&foreign, "", task_not_found()),
        (&gone, "", task_deleted),
        (&tasks[2], "garbage", stale),
    ] {
        let expected = expected.with("field", "requests[2]");
        let updates =
            vec![retitle(&tasks[0], "x", ""), retitle(&tasks[1], "y", ""), retitle(bad, "z", etag)];
        assert_eq!(refusal(update(&alice, updates).await), expected);
        let deletes =
            vec![delete(&tasks[1].id, ""), delete(&tasks[0].id, ""), delete(&bad.id, etag)];
        assert_eq!(refusal(delete_all(&alice, deletes).await), expected);
    }
    let ids = vec![tasks[0].id.clone(), ABSENT_ID.into(), foreign.id.clone()];
    let expected = task_not_found().with("field", "task_ids[1]");
    assert_eq!(refusal(get(&alice, ids).await), expected);
    let ids = tasks[..3].iter().map(|task| task.id.clone()).collect();
    assert_eq!(get(&alice, ids).await.unwrap(), tasks[..3]);
    assert_eq!(bob.get(&foreign.id).await, foreign);
}

#[tokio::test]
async fn every_violation_names_its_item() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let item =
        |title: &str| pb::CreateTaskRequest { task: Some(titled(title)), ..Default::default() };
    let bad_priority = pb::Task { priority: 9, ..titled("") };
    let requests = vec![
        item("good"),
        item(""),
        pb::CreateTaskRequest { task: Some(bad_priority), ..Default::default() },
        pb::CreateTaskRequest::default(),
        pb::CreateTaskRequest { request_id: ABSENT_ID.into(), validate_only: true, ..item("x") },
    ];
    let request =
        pb::BatchCreateTasksRequest { requests, request_id: "x".into(), ..Default::default() };
    let answer = alice.client.batch_create_tasks(request).await;
    let expected = Refusal::invalid(&[
        "request_id",
        "requests[1].task.title",
        "requests[2].task.title",
        "requests[2].task.priority",
        "requests[3].task",
        "requests[4].request_id",
        "requests[4].validate_only",
    ]);
    assert_eq!(refusal(answer), expected);

    let task = alice.create("x").await;
    let bad_mask = pb::UpdateTaskRequest {
        update_mask: Some(FieldMask { paths: vec!["owner".into()] }),
        ..retitle(&titled("no id"), "x", "")
    };
    let only_tried = pb::UpdateTaskRequest { validate_only: true, ..retitle(&task, "", "") };
    let answer = update(&alice, vec![retitle(&task, "y", ""), bad_mask, only_tried]).await;
    let expected = Refusal::invalid(&[
        "requests[2].task.id",
        "requests[1].update_mask.paths[0]",
        "requests[1].task.id",
        "requests[2].task.title",
        "requests[2].validate_only",
    ]);
    assert_eq!(refusal(answer), expected);

    let deletes = vec![delete(&task.id, ""), delete("", ""), delete(&task.id, "")];
    let answer = delete_all(&alice, deletes).await;
    let expected = Refusal::invalid(&["requests[2].task_id", "requests[1].task_id"]);
    assert_eq!(refusal(answer), expected);
    let answer = get(&alice, vec![task.id.clone(), "x".into(), String::new()]).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["task_ids[1]", "task_ids[2]"]));
    assert_eq!(alice.page(0, "").await.tasks, [task]);
}

#[tokio::test]
async fn batches_over_the_same_tasks_in_any_order_never_deadlock() {
    let app = App::start().await;
    let [alice] = app.users();
    let titles: Vec<_> = (0..30).map(|n| n.to_string()).collect();
    let titles: Vec<_> = titles.iter().map(String::as_str).collect();
    let tasks = create(&alice, &titles).await;
    let writers = (0..8).map(|writer| {
        let (alice, mut tasks) = (alice.clone(), tasks.clone());
        async move {
            let mut random = fastrand::Rng::with_seed(writer);
            for round in 0..10 {
                random.shuffle(&mut tasks);
                let title = format!("{writer} {round}");
                let updates = tasks[..20].iter().map(|task| retitle(task, &title, "")).collect();
                update(&alice, updates).await.expect("no lock is held for long");
                create(&alice, &["new"]).await;
            }
        }
    });
    writers.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(alice.count(&app.database).await, 30 + 80);
}
