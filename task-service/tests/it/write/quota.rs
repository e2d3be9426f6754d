//! The quotas of tasks and of bytes for each user.

use proto::task::v1 as pb;
use test_support::{Refusal, eventually, refusal};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{App, User, titled};

fn exceeded() -> Refusal {
    Refusal::new(Code::ResourceExhausted, "TASK_QUOTA_EXCEEDED")
}

fn bytes_exceeded() -> Refusal {
    Refusal::new(Code::ResourceExhausted, "STORAGE_QUOTA_EXCEEDED")
}

/// A task that counts 2,000 bytes.
fn of_2_000() -> pb::Task {
    pb::Task { description: "d".repeat(2_000 - 1_024 - 1 - 2), ..labelled("t", "la") }
}

fn labelled(title: &str, label: &str) -> pb::Task {
    pb::Task { labels: vec![label.into()], ..titled(title) }
}

/// Makes the service forget how many bytes the users have, as after an upgrade from a release
/// without the quota.
async fn forget_bytes(app: &App) {
    app.database.execute("update task.feeds set task_bytes = null").await;
}

async fn create_batch(alice: &User, count: usize, validate_only: bool) -> Result<usize, Status> {
    let request = pb::CreateTaskRequest { task: Some(titled("x")), ..Default::default() };
    let requests = vec![request; count];
    let request = pb::BatchCreateTasksRequest { requests, validate_only, ..Default::default() };
    let answer = alice.client.clone().batch_create_tasks(request).await?;
    Ok(answer.into_inner().tasks.len())
}

#[tokio::test]
async fn the_quota_is_10_000_tasks_by_default() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    alice.seed(&app.database, 9_999).await;
    alice.create("last").await;
    let status = alice.try_create(titled("x")).await.unwrap_err();
    let details = status.get_error_details();
    let violation = &details.quota_failure().unwrap().violations[0];
    assert!(violation.description.contains("10000"), "{violation:?}");
    assert_eq!(refusal(Err::<(), _>(status)), exceeded());
    assert_eq!(alice.count(&app.database).await, 10_000);
    bob.create("not alice's").await;
}

#[tokio::test]
async fn the_quota_is_exact_under_concurrent_creates() {
    let app = App::start_with(&["--tasks-per-user", "10"]).await;
    let replica = app.replica_with(&["--tasks-per-user", "10"]).await;
    let [alice] = app.users();
    let there = app.at(&replica, &alice);
    let calls = (0..40).map(|n| {
        let alice = if n % 2 == 0 { alice.clone() } else { there.clone() };
        async move {
            if n % 4 == 0 {
                create_batch(&alice, 3, false).await
            } else {
                alice.try_create(titled("x")).await.map(|_| 1)
            }
        }
    });
    let answers = calls.collect::<JoinSet<_>>().join_all().await;
    let created: usize = answers.iter().filter_map(|answer| answer.as_ref().ok()).sum();
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(answer), exceeded());
    }
    assert_eq!(created, 10);
    assert_eq!(alice.count(&app.database).await, 10);
}

#[tokio::test]
async fn the_quota_is_64_mib_by_default() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 1).await;
    app.database.execute("update task.feeds set task_bytes = 64 << 20").await;
    let status = alice.try_create(titled("x")).await.unwrap_err();
    let details = status.get_error_details();
    let violation = &details.quota_failure().unwrap().violations[0];
    assert!(violation.description.contains("67108864"), "{violation:?}");
    assert_eq!(refusal(Err::<(), _>(status)), bytes_exceeded());
}

#[tokio::test]
async fn bytes_count_until_the_task_is_purged() {
    let flags = ["--bytes-per-user", "4000", "--purge-interval-seconds", "1"];
    let app = App::start_with(&[&flags[..], &["--deleted-retention-seconds", "1"]].concat()).await;
    let [alice, bob] = app.users();
    let first = alice.try_create(of_2_000()).await.unwrap().into_inner().task.unwrap();
    alice.try_create(of_2_000()).await.unwrap();
    assert_eq!(refusal(alice.try_create(titled("")).await), Refusal::invalid(&["task.title"]));
    assert_eq!(refusal(alice.try_create(titled("x")).await), bytes_exceeded());
    bob.try_create(of_2_000()).await.unwrap();
    alice.delete(&first.id).await;
    // A deleted task counts like any other.
    assert_eq!(alice.count(&app.database).await, 1);
    eventually("it is purged", async || alice.try_get(&first.id).await.is_err()).await;
    alice.try_create(of_2_000()).await.unwrap();
    assert_eq!(alice.count(&app.database).await, 2);
}

#[tokio::test]
async fn an_update_can_make_tasks_longer_only_within_the_quota() {
    let app = App::start_with(&["--bytes-per-user", "4001"]).await;
    let [alice] = app.users();
    let mut tasks = Vec::new();
    for _ in 0..2 {
        tasks.push(alice.try_create(of_2_000()).await.unwrap().into_inner().task.unwrap());
    }
    let longer = |more: usize| pb::Task { title: "t".repeat(1 + more), ..tasks[0].clone() };
    assert_eq!(refusal(alice.try_update(longer(2), &["title"]).await), bytes_exceeded());
    assert_eq!(alice.get(&tasks[0].id).await, tasks[0]);
    let check =
        pb::UpdateTaskRequest { task: Some(longer(2)), validate_only: true, ..Default::default() };
    assert_eq!(refusal(alice.client.clone().update_task(check).await), bytes_exceeded());
    let updated = alice.update(longer(1), &["title"]).await;
    // Full: what does not grow is still allowed.
    let done = pb::Task { is_complete: true, ..updated.clone() };
    let done = alice.update(done, &["is_complete"]).await;
    let shorter = pb::Task { labels: vec![], ..done };
    let shorter = alice.update(shorter, &["labels"]).await;
    alice.update(pb::Task { title: "x".repeat(4), ..shorter }, &["title"]).await;
    assert_eq!(alice.count(&app.database).await, 2);
}

#[tokio::test]
async fn the_quota_of_bytes_is_exact_under_concurrent_writes() {
    let app = App::start_with(&["--bytes-per-user", "10500"]).await;
    let [alice] = app.users();
    let first = alice.try_create(of_2_000()).await.unwrap().into_inner().task.unwrap();
    let first = pb::Task { etag: String::new(), ..first };
    forget_bytes(&app).await;
    let calls = (0..30).map(|n| {
        let (alice, first) = (alice.clone(), first.clone());
        async move {
            if n % 3 == 0 {
                let longer = pb::Task { title: "t".repeat(100 + n), ..first };
                alice.try_update(longer, &["title"]).await.map(|_| 0)
            } else {
                alice.try_create(of_2_000()).await.map(|_| 1)
            }
        }
    });
    let answers = calls.collect::<JoinSet<_>>().join_all().await;
    let created: i64 = answers.iter().filter_map(|answer| answer.as_ref().ok()).sum();
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(answer), bytes_exceeded());
    }
    assert_eq!(created, 4);
    assert_eq!(alice.count(&app.database).await, 5);
}

#[tokio::test]
async fn bytes_that_were_never_counted_are_counted_when_they_matter() {
    let app = App::start_with(&["--bytes-per-user", "4000"]).await;
    let [alice] = app.users();
    let task = alice.try_create(of_2_000()).await.unwrap().into_inner().task.unwrap();
    forget_bytes(&app).await;
    assert_eq!(create_batch(&alice, 1, true).await.unwrap(), 1);
    assert_eq!(alice.count(&app.database).await, 1);
    forget_bytes(&app).await;
    alice.try_create(titled("x")).await.unwrap();
    assert_eq!(alice.count(&app.database).await, 2);
    forget_bytes(&app).await;
    let longer = pb::Task { title: "t".repeat(100), etag: String::new(), ..task };
    alice.update(longer.clone(), &["title"]).await;
    assert_eq!(alice.count(&app.database).await, 2);
    forget_bytes(&app).await;
    alice.update(pb::Task { title: "t".into(), ..longer }, &["title"]).await;
    alice.delete(&alice.page(1, "").await.tasks[0].id).await;
    assert_eq!(refusal(create_batch(&alice, 1, true).await), bytes_exceeded());
    assert_eq!(alice.count(&app.database).await, 1);
}

#[tokio::test]
async fn concurrent_first_writes_after_an_upgrade_all_succeed() {
    let app = App::start().await;
    let replica = app.replica().await;
    let [alice] = app.users();
    alice.create("x").await;
    let there = app.at(&replica, &alice);
    for _ in 0..5 {
        forget_bytes(&app).await;
        let calls = [&alice, &there, &alice, &there, &alice, &there].map(|user| {
            let user = user.clone();
            async move { user.try_create(titled("y")).await.map(|_| ()) }
        });
        for answer in calls.into_iter().collect::<JoinSet<_>>().join_all().await {
            answer.unwrap();
        }
    }
    assert_eq!(alice.count(&app.database).await, 31);
}

#[tokio::test]
async fn a_batch_that_does_not_fit_creates_nothing() {
    let app = App::start_with(&["--tasks-per-user", "5"]).await;
    let [alice, bob] = app.users();
    assert_eq!(create_batch(&alice, 3, false).await.unwrap(), 3);
    assert_eq!(refusal(create_batch(&alice, 3, true).await), exceeded());
    assert_eq!(refusal(create_batch(&alice, 3, false).await), exceeded());
    assert_eq!(create_batch(&alice, 2, true).await.unwrap(), 2);
    assert_eq!(alice.count(&app.database).await, 3);
    // The same holds for a user's first tasks.
    assert_eq!(refusal(create_batch(&bob, 6, false).await), exceeded());
    assert_eq!(bob.count(&app.database).await, 0);
}

#[tokio::test]
async fn deleted_tasks_do_not_count_until_they_are_undeleted() {
    let app = App::start_with(&["--tasks-per-user", "2"]).await;
    let [alice] = app.users();
    let [first, second] = [alice.create("1").await, alice.create("2").await];
    alice.delete(&first.id).await;
    let third = alice.create("3").await;
    assert_eq!(refusal(alice.try_undelete(&first.id).await), exceeded());
    assert!(alice.get(&first.id).await.delete_time.is_some());
    alice.delete(&third.id).await;
    assert_eq!(alice.undelete(&first.id).await.title, "1");
    alice.delete(&second.id).await;
    assert_eq!(alice.count(&app.database).await, 1);
}

#[tokio::test]
async fn a_user_over_a_lowered_quota_can_still_update_and_delete() {
    let app = App::start_with(&["--tasks-per-user", "1"]).await;
    let [alice] = app.users();
    alice.seed(&app.database, 3).await;
    let tasks = alice.page(0, "").await.tasks;
    let changed = pb::Task { title: "y".into(), ..tasks[0].clone() };
    assert_eq!(alice.update(changed, &["title"]).await.title, "y");
    alice.delete(&tasks[0].id).await;
    alice.delete(&tasks[1].id).await;
    assert_eq!(refusal(alice.try_undelete(&tasks[0].id).await), exceeded());
    alice.delete(&tasks[2].id).await;
    assert_eq!(alice.undelete(&tasks[0].id).await.title, "y");
}
