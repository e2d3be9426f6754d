//! UpdateTask: the changed task and its times. `update_mask` tests the masks.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};

use crate::support::{ABSENT_ID, App, task_not_found, titled};

fn completed(id: &str, is_complete: bool) -> pb::Task {
    pb::Task { id: id.into(), is_complete, ..Default::default() }
}

/// A time as microseconds, which can be compared.
fn micros(time: Option<prost_types::Timestamp>) -> i64 {
    let time = time.expect("it is set");
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

#[tokio::test]
async fn an_update_returns_what_is_stored() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    let updated = alice.update(pb::Task { title: "y".into(), ..task.clone() }, &["title"]).await;
    assert_eq!(updated.title, "y");
    assert_eq!(updated.create_time, task.create_time);
    assert_eq!(alice.get(&task.id).await, updated);
}

#[tokio::test]
async fn completing_sets_the_time_once_and_reopening_clears_it() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = alice.create("x").await.id;
    let mask = ["is_complete"];

    let done = alice.update(completed(&id, true), &mask).await;
    assert!(done.is_complete);
    assert_eq!(done.complete_time, done.update_time);

    let still_done = alice.update(completed(&id, true), &mask).await;
    assert_eq!(still_done, done);

    let renamed = alice.update(pb::Task { id: id.clone(), ..titled("y") }, &["title"]).await;
    assert_eq!(renamed.complete_time, done.complete_time);

    let reopened = alice.update(completed(&id, false), &mask).await;
    assert!(!reopened.is_complete);
    assert_eq!(reopened.complete_time, None);

    let done_again = alice.update(completed(&id, true), &mask).await;
    assert!(micros(done_again.complete_time) > micros(done.complete_time));
}

#[tokio::test]
async fn an_update_that_changes_nothing_keeps_the_update_time() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    for mask in [&["*"][..], &["title"], &["description", "is_complete"], &[]] {
        assert_eq!(alice.update(task.clone(), mask).await, task, "{mask:?}");
    }
}

#[tokio::test]
async fn the_update_time_grows_with_each_change() {
    let app = App::start().await;
    let [alice] = app.users();
    let mut last = alice.create("x").await;
    for (title, description, is_complete) in [("y", "", false), ("y", "z", false), ("y", "z", true)]
    {
        let description = description.to_owned();
        let task = pb::Task { id: last.id.clone(), description, is_complete, ..titled(title) };
        let next = alice.update(task, &["*"]).await;
        assert!(micros(next.update_time) > micros(last.update_time));
        assert_eq!(next.create_time, last.create_time);
        last = next;
    }
}

#[tokio::test]
async fn the_update_time_never_goes_back_when_the_clock_does() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = alice.create("x").await.id;
    app.database.execute("update task.tasks set update_time = '2999-12-31'").await;
    let before = alice.get(&id).await;
    let after = alice.update(pb::Task { id, ..titled("y") }, &["title"]).await;
    assert_eq!(after.title, "y");
    assert_eq!(after.update_time, before.update_time);
}

#[tokio::test]
async fn all_violations_are_reported_at_once() {
    let app = App::start().await;
    let [alice] = app.users();
    let (bad_title, bad_description) = ("\n".to_owned(), "\0".to_owned());
    let task = pb::Task {
        id: "mine".into(),
        title: bad_title,
        description: bad_description,
        ..Default::default()
    };
    for (mask, fields) in [
        (&[][..], &["task.id", "task.title", "task.description"][..]),
        (&["*"], &["task.id", "task.title", "task.description"]),
        (&["title"], &["task.id", "task.title"]),
        (&["is_complete"], &["task.id"]),
        (&["id"], &["update_mask.paths[0]", "task.id"]),
        (&["title", "id"], &["update_mask.paths[1]", "task.id", "task.title"]),
        (&["*", "id"], &["update_mask", "task.id", "task.title", "task.description"]),
    ] {
        let answer = alice.try_update(task.clone(), mask).await;
        assert_eq!(refusal(answer), Refusal::invalid(fields), "{mask:?}");
    }
}

#[tokio::test]
async fn a_request_without_a_task_is_rejected() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let answer = alice.client.update_task(pb::UpdateTaskRequest::default()).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["task"]));
}

#[tokio::test]
async fn an_absent_task_is_not_found_and_not_created() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { id: ABSENT_ID.into(), ..titled("x") };
    for mask in [&[][..], &["title"], &["*"]] {
        assert_eq!(refusal(alice.try_update(task.clone(), mask).await), task_not_found());
    }
    assert_eq!(alice.count(&app.database).await, 0);
}
