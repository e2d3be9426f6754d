//! The quota of tasks for each user.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{App, User, titled};

fn exceeded() -> Refusal {
    Refusal::new(Code::ResourceExhausted, "TASK_QUOTA_EXCEEDED")
}

async fn create_batch(alice: &User, count: usize, validate_only: bool) -> Result<usize, Status> {
    let request = pb::CreateTaskRequest { task: Some(titled("x")), ..Default::default() };
    let requests = vec![request; count];
    let request =
        pb::BatchCreateTasksRequest { requests, request_id: String::new(), validate_only };
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
