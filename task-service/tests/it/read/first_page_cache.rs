//! ListTasks: the cache of first pages never returns a stale page.

use std::slice;

use proto::task::v1 as pb;
use test_support::{Service, TestDatabase, eventually};

use crate::support::{App, User, accepts, call_each_about, titled};

/// How many first pages had this result: `unchanged` or `read`.
async fn count(service: &Service, result: &str) -> u64 {
    service.count(&format!("tandem_task_first_pages_total{{result=\"{result}\"}}")).await
}

/// The tasks of a page of a new size, which is not cached.
async fn uncached(user: &User, size: i32) -> Vec<pb::Task> {
    user.page(size, "").await.tasks
}

/// Changes the titles of all tasks without a new revision, as only SQL by hand can.
async fn change_by_hand(database: &TestDatabase, title: &str) {
    database.execute(format!("update task.tasks set title = '{title}'")).await;
}

#[tokio::test]
async fn an_unchanged_page_is_not_read_again() {
    let app = App::start().await;
    let [alice] = app.users();
    for title in ["one", "two", "three"] {
        alice.create(title).await;
    }
    let first = alice.page(2, "").await;
    change_by_hand(&app.database, "read again").await;
    for _ in 0..10 {
        assert_eq!(alice.page(2, "").await, first);
    }
    assert_eq!(count(&app.service, "read").await, 1);
    assert_eq!(count(&app.service, "unchanged").await, 10);
    assert_eq!(uncached(&alice, 3).await[0].title, "read again");
}

#[tokio::test]
async fn an_empty_page_is_cached_until_the_first_task_is_created() {
    let app = App::start().await;
    let [alice] = app.users();
    assert!(alice.page(0, "").await.tasks.is_empty());
    assert!(alice.page(0, "").await.tasks.is_empty());
    assert_eq!(count(&app.service, "unchanged").await, 1);
    let task = alice.create("first").await;
    assert_eq!(alice.page(0, "").await.tasks, slice::from_ref(&task));
    alice.delete(&task.id).await;
    assert!(alice.page(0, "").await.tasks.is_empty());
}

#[tokio::test]
async fn a_page_is_never_stale_after_a_change_by_any_replica() {
    let app = App::start().await;
    let (replica, [alice]) = (app.replica().await, app.users());
    let elsewhere = app.at(&replica, &alice);
    let is_seen = async |what: &str, size: i32| {
        let seen = alice.page(0, "").await.tasks;
        assert_eq!(seen, uncached(&elsewhere, size).await, "{what}");
        assert_eq!(alice.page(0, "").await.tasks, seen, "{what}");
    };
    let task = elsewhere.create("one").await;
    is_seen("created", 60).await;
    let changed = pb::Task { id: task.id.clone(), ..titled("two") };
    elsewhere.update(changed, &["title"]).await;
    is_seen("changed", 61).await;
    elsewhere.delete(&task.id).await;
    is_seen("deleted", 62).await;
    elsewhere.undelete(&task.id).await;
    is_seen("undeleted", 63).await;
    let create = pb::CreateTaskRequest { task: Some(titled("three")), ..Default::default() };
    let requests = vec![create.clone(), create];
    let batch = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    elsewhere.client.clone().batch_create_tasks(batch).await.unwrap();
    is_seen("created by a batch", 64).await;
    for (method, answer) in call_each_about(&elsewhere.client, &task.id).await {
        answer.unwrap_or_else(|status| panic!("{method}: {status}"));
    }
    is_seen("changed in each way", 65).await;
}

#[tokio::test]
async fn an_update_that_changes_nothing_keeps_the_page_valid() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("one").await;
    alice.page(0, "").await;
    alice.update(task, &["title"]).await;
    alice.page(0, "").await;
    assert_eq!(count(&app.service, "unchanged").await, 1);
}

#[tokio::test]
async fn each_owner_and_page_size_gets_its_own_page() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let tasks = [alice.create("a").await, alice.create("b").await];
    let his = bob.create("c").await;
    for _ in 0..3 {
        assert_eq!(alice.page(1, "").await.tasks, tasks[1..]);
        assert_eq!(alice.page(2, "").await.tasks, [tasks[1].clone(), tasks[0].clone()]);
        assert_eq!(bob.page(1, "").await.tasks, slice::from_ref(&his));
    }
}

#[tokio::test]
async fn the_page_token_of_a_cached_page_is_valid() {
    let app = App::start().await;
    let [alice] = app.users();
    let tasks = [alice.create("older").await, alice.create("newer").await];
    for _ in 0..3 {
        let first = alice.page(1, "").await;
        assert_eq!(first.tasks, tasks[1..]);
        assert_eq!(alice.page(1, &first.next_page_token).await.tasks, tasks[..1]);
    }
}

#[tokio::test]
async fn a_cache_size_of_zero_disables_the_cache() {
    let app = App::start_with(&["--page-cache-bytes", "0"]).await;
    let [alice] = app.users();
    alice.create("one").await;
    alice.page(0, "").await;
    change_by_hand(&app.database, "two").await;
    assert_eq!(alice.page(0, "").await.tasks[0].title, "two");
    assert_eq!(count(&app.service, "unchanged").await, 0);
}

#[tokio::test]
async fn a_restart_of_the_database_invalidates_the_page() {
    let app = App::start_on(TestDatabase::create_on_own_server().await, &[]).await;
    let [alice] = app.users();
    alice.create("acknowledged, and lost").await;
    alice.page(0, "").await;
    // After a failover, another history can have the same revision.
    change_by_hand(&app.database, "another history").await;
    assert_eq!(alice.page(0, "").await.tasks[0].title, "acknowledged, and lost");
    app.database.halt();
    app.database.resume();
    eventually("the database is back", async || accepts(&alice.client).await).await;
    assert_eq!(alice.page(0, "").await.tasks[0].title, "another history");
}
