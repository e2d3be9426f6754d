//! DeleteTask and UndeleteTask.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{ABSENT_ID, App, task_not_found, titled};

/// The error of a call that a deleted task does not allow.
fn task_deleted() -> Refusal {
    Refusal::new(Code::FailedPrecondition, "TASK_DELETED")
}

fn task_not_deleted() -> Refusal {
    Refusal::new(Code::FailedPrecondition, "TASK_NOT_DELETED")
}

#[tokio::test]
async fn a_deleted_task_keeps_its_fields_and_has_a_purge_time() {
    let app = App::start_with(&["--deleted-retention-seconds", "3600"]).await;
    let [alice] = app.users();
    let task = pb::Task { description: "two\nlines".into(), is_complete: true, ..titled("x") };
    let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    let deleted = alice.delete(&created.id).await;
    let (delete_time, purge_time) = (deleted.delete_time.unwrap(), deleted.purge_time.unwrap());
    assert_eq!(purge_time.seconds - delete_time.seconds, 3600);
    assert_eq!(deleted.update_time, deleted.delete_time);
    assert_ne!(deleted.etag, created.etag);
    assert_eq!(alice.get(&created.id).await, deleted);
    let before = pb::Task {
        etag: created.etag.clone(),
        update_time: created.update_time,
        delete_time: None,
        purge_time: None,
        ..deleted
    };
    assert_eq!(before, created);
}

#[tokio::test]
async fn a_deleted_task_is_listed_only_with_show_deleted() {
    let app = App::start().await;
    let [alice] = app.users();
    let kept = alice.create("kept").await;
    let deleted = alice.create("deleted").await;
    let deleted = alice.delete(&deleted.id).await;
    assert_eq!(alice.page(0, "").await.tasks, std::slice::from_ref(&kept));
    let all = pb::ListTasksRequest { show_deleted: true, ..Default::default() };
    assert_eq!(alice.list(all).await, [deleted, kept]);
}

#[tokio::test]
async fn a_deleted_task_can_only_be_read_and_undeleted() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    let deleted = alice.delete(&task.id).await;
    let changed = pb::Task { id: task.id.clone(), ..titled("y") };
    assert_eq!(refusal(alice.try_update(changed, &["title"]).await), task_deleted());
    assert_eq!(refusal(alice.try_delete(&task.id, "").await), task_deleted());
    assert_eq!(refusal(alice.try_delete(&task.id, &task.etag).await), task_deleted());
    assert_eq!(alice.get(&task.id).await, deleted);
}

#[tokio::test]
async fn an_undeleted_task_has_all_its_fields() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task {
        labels: vec!["a".into()],
        is_complete: true,
        description: "d".into(),
        ..titled("x")
    };
    let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    alice.delete(&created.id).await;
    let back = alice.undelete(&created.id).await;
    assert_eq!(alice.get(&created.id).await, back);
    assert_ne!(back.etag, created.etag);
    let (etag, update_time) = (created.etag.clone(), created.update_time);
    assert_eq!(pb::Task { etag, update_time, ..back.clone() }, created);
    assert_eq!(alice.page(0, "").await.tasks, [back]);
    assert_eq!(refusal(alice.try_undelete(&created.id).await), task_not_deleted());
    assert_eq!(alice.delete(&created.id).await.title, "x");
}

#[tokio::test]
async fn of_many_concurrent_deletes_one_succeeds() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = alice.create("x").await.id;
    let calls = (0..20).map(|_| {
        let (alice, id) = (alice.clone(), id.clone());
        async move { alice.try_delete(&id, "").await }
    });
    let answers = calls.collect::<JoinSet<_>>().join_all().await;
    let (deleted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(deleted.len(), 1);
    for answer in refused {
        assert_eq!(refusal(answer), task_deleted());
    }
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn of_many_concurrent_undeletes_one_succeeds() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = alice.create("x").await.id;
    alice.delete(&id).await;
    let calls = (0..20).map(|_| {
        let (alice, id) = (alice.clone(), id.clone());
        async move { alice.try_undelete(&id).await }
    });
    let answers = calls.collect::<JoinSet<_>>().join_all().await;
    let (back, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(back.len(), 1);
    for answer in refused {
        assert_eq!(refusal(answer), task_not_deleted());
    }
    assert_eq!(alice.count(&app.database).await, 1);
}

#[tokio::test]
async fn an_absent_task_is_not_found_and_an_invalid_id_is_rejected() {
    let app = App::start().await;
    let [alice] = app.users();
    let bad_id = || Refusal::invalid(&["task_id"]);
    for (id, expected) in [(ABSENT_ID, task_not_found()), ("", bad_id()), ("1", bad_id())] {
        assert_eq!(refusal(alice.try_delete(id, "").await), expected, "{id}");
        assert_eq!(refusal(alice.try_undelete(id).await), expected, "{id}");
    }
}
