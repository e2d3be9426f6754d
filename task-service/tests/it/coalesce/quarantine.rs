//! Quarantine: calls of an owner in trouble run unbatched and delay no other owner.

use std::time::{Duration, Instant};

use proto::task::v1 as pb;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::{eventually, refusal};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{ONE_WORKER, waiting};
use crate::support::{App, User};

const LOCK_TIMEOUT: [&str; 2] = ["--database-lock-timeout-ms", "1000"];

/// Locks a task's row, as an administrator's transaction might, until it is dropped.
async fn lock_row(app: &App, task: &pb::Task) -> PgConnection {
    let mut lock = PgConnection::connect(app.database.url()).await.expect("the database answers");
    let sql = format!("begin; select from task.tasks where id = '{}' for update", task.id);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut lock).await.expect("the database answers");
    lock
}

type Answer<T> = Result<tonic::Response<T>, tonic::Status>;

fn spawn_change(
    user: &User,
    task: &pb::Task,
    title: &str,
) -> JoinHandle<Answer<pb::UpdateTaskResponse>> {
    let task = pb::Task { title: title.to_owned(), etag: String::new(), ..task.clone() };
    let user = user.clone();
    tokio::spawn(async move { user.try_update(task, &["title"]).await })
}

/// Changes so many tasks that the call runs unbatched.
fn spawn_large_change(
    user: &User,
    tasks: &[pb::Task],
    title: &str,
) -> JoinHandle<Answer<pb::BatchUpdateTasksResponse>> {
    let update = |task: &pb::Task| pb::UpdateTaskRequest {
        task: Some(pb::Task { title: title.to_owned(), etag: String::new(), ..task.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["title".to_owned()] }),
        ..Default::default()
    };
    let requests = tasks.iter().map(update).collect();
    let request = pb::BatchUpdateTasksRequest { requests, validate_only: false };
    let mut client = user.client.clone();
    tokio::spawn(async move { client.batch_update_tasks(request).await })
}

/// Makes each statement that changes tasks as slow as on a slow disk.
async fn slow_down(app: &App) {
    app.database
        .execute(
            "create function wait() returns trigger language plpgsql as $$
                 begin
                     perform pg_sleep(0.02);
                     return null;
                 end
             $$;
             create trigger wait after update on task.tasks execute function wait()",
        )
        .await;
}

/// Changes each of the tasks repeatedly, until this is dropped.
fn keep_changing(user: &User, tasks: &[pb::Task]) -> JoinSet<()> {
    let keep = |task: &pb::Task| {
        let (user, task) = (user.clone(), task.clone());
        async move {
            loop {
                // A new title each time, so that each update writes.
                let title = Instant::now();
                let change = spawn_change(&user, &task, &format!("{title:?}")).await;
                change.expect("it does not panic").expect("it is changed");
            }
        }
    };
    tasks.iter().map(keep).collect()
}

/// Waits until one transaction has written several of the user's tasks.
async fn until_they_share(database: &mut PgConnection, user: &User) {
    let sql = format!(
        "select exists (
            select from task.tasks
            where owner_id = '{}' and title not in ('x', 'large')
                and update_time > clock_timestamp() - interval '100 ms'
            group by xmin::text
            having count(*) > 1
         )",
        user.id
    );
    eventually("calls are coalesced", async || {
        let shares = sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_one(&mut *database);
        shares.await.expect("the database answers")
    })
    .await;
}

async fn create<const N: usize>(user: &User) -> [pb::Task; N] {
    let tasks = futures_util::future::join_all((0..N).map(|_| user.create("x"))).await;
    tasks.try_into().expect("there are so many")
}

#[tokio::test]
async fn an_owner_with_a_locked_task_delays_no_other_owner() {
    let app = App::start_with(&[&ONE_WORKER[..6], &LOCK_TIMEOUT].concat()).await;
    let [alice, bob] = app.users();
    let (hers, his) = (alice.create("x").await, bob.create("y").await);
    let _lock = lock_row(&app, &hers).await;
    // Bob may share a failing statement before alice is quarantined, but not one for each of hers.
    let begun = Instant::now();
    let waiting: Vec<_> = (0..4).map(|_| spawn_change(&alice, &hers, "a")).collect();
    spawn_change(&bob, &his, "b").await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_millis(2900), "{:?}", begun.elapsed());
    let begun = Instant::now();
    for n in 0..20 {
        spawn_change(&bob, &his, &n.to_string()).await.unwrap().unwrap();
    }
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    for call in waiting {
        assert_eq!(refusal(call.await.unwrap()).reason, "CONFLICT");
    }
}

#[tokio::test]
async fn large_calls_of_an_owner_delay_no_other_owner() {
    let app = App::start_with(&ONE_WORKER).await;
    let [alice, bob] = app.users();
    let (mut hers, mut his) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        hers.push(alice.create("x").await);
        his.push(bob.create("y").await);
    }
    let mut lock = lock_row(&app, &hers[0]).await;
    let large: Vec<_> = (0..4).map(|_| spawn_large_change(&alice, &hers, "large")).collect();
    eventually("one call waits, the others are queued behind it", async || {
        waiting(&mut lock).await == 1
    })
    .await;
    // In a batch, it would wait for her large calls, and so would the rest of the batch.
    let small = spawn_change(&alice, &hers[0], "small");
    let his_calls = async {
        for n in 0..20 {
            spawn_change(&bob, &his[0], &n.to_string()).await.unwrap().unwrap();
        }
        spawn_large_change(&bob, &his, "large").await.unwrap().unwrap();
    };
    timeout(Duration::from_secs(10), his_calls).await.expect("bob does not wait for alice");
    assert_eq!(waiting(&mut lock).await, 1);
    sqlx::raw_sql("commit").execute(&mut lock).await.unwrap();
    for call in large {
        call.await.unwrap().unwrap();
    }
    small.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_owner_is_quarantined_after_a_failed_statement() {
    let app = App::start_with(&[&ONE_WORKER[..6], &LOCK_TIMEOUT].concat()).await;
    let [alice, bob] = app.users();
    let (hers, his) = (alice.create("x").await, bob.create("y").await);
    let mut lock = lock_row(&app, &hers).await;
    assert_eq!(refusal(spawn_change(&alice, &hers, "a").await.unwrap()).reason, "CONFLICT");
    let second = spawn_change(&alice, &hers, "b");
    eventually("it waits", async || waiting(&mut lock).await == 1).await;
    spawn_change(&bob, &his, "b").await.unwrap().unwrap();
    assert_eq!(waiting(&mut lock).await, 1, "bob did not wait for alice");
    assert_eq!(refusal(second.await.unwrap()).reason, "CONFLICT");
}

#[tokio::test]
async fn a_busy_owner_leaves_quarantine_after_a_large_call() {
    let app = App::start_with(&ONE_WORKER).await;
    slow_down(&app).await;
    let [alice] = app.users();
    let (many, few) = (create::<40>(&alice).await, create::<8>(&alice).await);
    let mut lock = lock_row(&app, &many[0]).await;
    let large = spawn_large_change(&alice, &many, "large");
    eventually("it waits", async || waiting(&mut lock).await == 1).await;
    let _busy = keep_changing(&alice, &few);
    let started = "grpc_server_started_total{grpc_method=\"UpdateTask\",\
        grpc_service=\"tandem.task.v1.TaskService\",grpc_type=\"unary\"}";
    eventually("all calls have arrived", async || app.service.count(started).await == 8).await;
    sqlx::raw_sql("commit").execute(&mut lock).await.unwrap();
    large.await.unwrap().unwrap();
    until_they_share(&mut lock, &alice).await;
}

#[tokio::test]
async fn a_busy_owner_leaves_quarantine_after_a_failure_of_another_owner() {
    let app = App::start_with(&[&ONE_WORKER[..6], &LOCK_TIMEOUT].concat()).await;
    slow_down(&app).await;
    let [alice, bob, zoe] = app.users();
    let (hers, theirs) = (alice.create("x").await, zoe.create("x").await);
    let his = create::<8>(&bob).await;
    let (mut lock, _other) = (lock_row(&app, &hers).await, lock_row(&app, &theirs).await);
    // The other calls queue behind it.
    let first = spawn_change(&zoe, &theirs, "a");
    eventually("it waits", async || waiting(&mut lock).await == 1).await;
    let shared = spawn_change(&alice, &hers, "a");
    let _busy = keep_changing(&bob, &his);
    for refused in [first, shared] {
        assert_eq!(refusal(refused.await.unwrap()).reason, "CONFLICT");
    }
    until_they_share(&mut lock, &bob).await;
}
