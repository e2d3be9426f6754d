//! DeleteTask.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};

use crate::support::{ABSENT_ID, App, call_each_about, task_not_found, titled};

#[tokio::test]
async fn deleting_returns_what_the_task_was() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { description: "two\nlines".into(), is_complete: true, ..titled("x") };
    let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    assert_eq!(alice.delete(&created.id).await, created);
}

#[tokio::test]
async fn a_deleted_task_is_gone_for_every_call() {
    let app = App::start().await;
    let [alice] = app.users();
    let kept = alice.create("kept").await;
    let deleted = alice.create("deleted").await;
    alice.delete(&deleted.id).await;
    for (method, answer) in call_each_about(&alice.client, &deleted.id).await {
        assert_eq!(refusal(answer), task_not_found(), "{method}");
    }
    assert_eq!(alice.page(0, "").await.tasks, [kept]);
}

#[tokio::test]
async fn of_many_who_delete_a_task_one_succeeds() {
    let app = App::start().await;
    let [alice] = app.users();
    let task_id = alice.create("x").await.id;
    let calls = (0..20).map(|_| {
        let (mut client, task_id) = (alice.client.clone(), task_id.clone());
        async move { client.delete_task(pb::DeleteTaskRequest { task_id }).await }
    });
    let answers = calls.collect::<tokio::task::JoinSet<_>>().join_all().await;
    let (deleted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(deleted.len(), 1);
    for answer in refused {
        assert_eq!(refusal(answer), task_not_found());
    }
}

#[tokio::test]
async fn an_absent_task_is_not_found_and_a_bad_id_is_refused() {
    let app = App::start().await;
    let [mut alice] = app.users();
    for (id, expected) in [
        (ABSENT_ID, task_not_found()),
        ("", Refusal::invalid(&["task_id"])),
        ("1", Refusal::invalid(&["task_id"])),
    ] {
        let answer = alice.client.delete_task(pb::DeleteTaskRequest { task_id: id.into() }).await;
        assert_eq!(refusal(answer), expected, "{id}");
    }
}
