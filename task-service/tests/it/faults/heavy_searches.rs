//! A user whose searches take long: other users' calls go on, and abandoned searches end.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use proto::task::v1 as pb;
use sqlx::{Connection as _, PgConnection, PgPool};
use test_support::{Refusal, eventually, refusal};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{interval, sleep, timeout},
};
use tonic::{Code, Response, Status};

use crate::support::{App, User};

/// Half of these may be used for statements that are not coalesced.
const FOUR_CONNECTIONS: [&str; 4] = ["--server-workers", "1", "--database-max-connections", "4"];

/// One statement that is not coalesced runs at a time.
const TWO_CONNECTIONS: [&str; 4] = ["--server-workers", "1", "--database-max-connections", "2"];

/// A statement that waits for a lock ends only if it is abandoned.
const NO_TIMEOUTS: [&str; 8] = [
    "--database-lock-timeout-ms",
    "60000",
    "--database-statement-timeout-ms",
    "60000",
    "--database-acquire-timeout-ms",
    "60000",
    "--call-timeout-seconds",
    "60",
];

/// A search that reads all tasks of the user and finds none.
async fn search(user: &User) -> Result<Response<pb::ListTasksResponse>, Status> {
    let filter = pb::TaskFilter { text: "absent".into(), ..Default::default() };
    user.try_list(pb::ListTasksRequest { filter: Some(filter), ..Default::default() }).await
}

fn spawn_search(user: &User) -> JoinHandle<Result<Response<pb::ListTasksResponse>, Status>> {
    let user = user.clone();
    tokio::spawn(async move { search(&user).await })
}

/// Searches in this many calls at the same time, repeatedly, until this is dropped.
fn keep_searching(user: &User, calls: usize, ended: &'static AtomicUsize) -> JoinSet<()> {
    let keep = |_| {
        let user = user.clone();
        async move {
            loop {
                search(&user).await.expect("it waits for its turn");
                ended.fetch_add(1, Relaxed);
            }
        }
    };
    (0..calls).map(keep).collect()
}

/// Gives the user tasks of 24 MB.
async fn seed_long(user: &User, app: &App) {
    user.seed(&app.database, 1_500).await;
    let owner = user.id;
    app.database
        .execute(format!(
            "update task.tasks set description_folded = repeat('long text. ', 1500)
             where owner_id = '{owner}'"
        ))
        .await;
}

/// The service's backends: all of them, and those that search.
async fn backends(pool: &PgPool) -> (i64, i64) {
    let backends = sqlx::query_as(
        "select count(*), count(*) filter (where state = 'active' and query like '%octet_length(title_folded)%')
         from pg_stat_activity
         where datname = current_database() and application_name = 'task-service'",
    );
    backends.fetch_one(pool).await.expect("they are counted")
}

/// The most backends seen until `work` ends: of all kinds, and those that search.
async fn most_backends(pool: &PgPool, work: impl Future<Output = ()>) -> (i64, i64) {
    let mut most = (0, 0);
    let sampling = async {
        loop {
            let (all, searching) = backends(pool).await;
            most = (most.0.max(all), most.1.max(searching));
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = sampling => unreachable!("it never ends"),
    }
    most
}

/// Keeps each statement from reading tasks until it is dropped.
async fn lock_tasks(app: &App) -> PgConnection {
    let mut lock = PgConnection::connect(app.database.url()).await.expect("the database answers");
    let sql = "begin; lock table task.tasks in access exclusive mode";
    sqlx::raw_sql(sql).execute(&mut lock).await.expect("the database answers");
    lock
}

#[tokio::test]
async fn an_owner_runs_one_search_at_a_time_and_fails_no_call_of_others() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let app = App::start_with(&[&FOUR_CONNECTIONS[..], &NO_TIMEOUTS].concat()).await;
    let [alice, bob] = app.users();
    seed_long(&alice, &app).await;
    let his = bob.create("x").await;
    let _searching = keep_searching(&alice, 10, &ENDED);
    let pool = app.database.pool().await;
    eventually("alice searches", async || backends(&pool).await.1 > 0).await;
    let calls = async {
        for _ in 0..20 {
            search(&bob).await.expect("it has its turn");
            bob.get(&his.id).await;
            bob.create("y").await;
        }
    };
    let (_, searching) = most_backends(&pool, calls).await;
    assert!(searching <= 2, "alice and bob run {searching} searches");
}

#[tokio::test]
async fn a_search_waits_for_one_search_of_another_owner() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let app = App::start_with(&[&TWO_CONNECTIONS[..], &NO_TIMEOUTS].concat()).await;
    let [alice, bob] = app.users();
    seed_long(&alice, &app).await;
    search(&bob).await.expect("the page-token key is loaded");
    let _searching = keep_searching(&alice, 10, &ENDED);
    eventually("alice searches", async || ENDED.load(Relaxed) > 0).await;
    for _ in 0..5 {
        let before = ENDED.load(Relaxed);
        search(&bob).await.expect("it has its turn");
        let between = ENDED.load(Relaxed) - before;
        // The answer of another can be on its way when bob calls.
        assert!(between <= 2, "{between} searches of alice ended");
    }
}

#[tokio::test]
async fn an_abandoned_search_ends_within_a_moment() {
    let app = App::start_with(&NO_TIMEOUTS).await;
    let [alice] = app.users();
    search(&alice).await.expect("the page-token key is loaded");
    let pool = app.database.pool().await;
    let _lock = lock_tasks(&app).await;
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let call = spawn_search(&alice);
        eventually("it runs", async || backends(&pool).await.1 == 1).await;
        call.abort();
        let abandoned = Instant::now();
        eventually("it has ended", async || backends(&pool).await.1 == 0).await;
        fastest = fastest.min(abandoned.elapsed());
    }
    assert!(fastest < Duration::from_millis(200), "{fastest:?}");
}

#[tokio::test]
async fn cancelled_searches_leave_no_backends_and_fail_no_call_of_others() {
    let app = App::start_with(&FOUR_CONNECTIONS).await;
    let [alice, bob] = app.users();
    seed_long(&alice, &app).await;
    let his = bob.create("x").await;
    let pool = app.database.pool().await;
    let cancelling = async {
        let mut ticks = interval(Duration::from_millis(33));
        let mut cancelled = JoinSet::new();
        for _ in 0..60 {
            ticks.tick().await;
            let alice = alice.clone();
            cancelled
                .spawn(async move { timeout(Duration::from_millis(20), search(&alice)).await });
            bob.get(&his.id).await;
            search(&bob).await.expect("it has its turn");
        }
        cancelled.join_all().await;
    };
    let (all, searching) = most_backends(&pool, cancelling).await;
    assert!(searching <= 2, "{searching} searches run");
    // The pool, an abandoned search, the probe and the connection for background work.
    assert!(all <= 4 + 1 + 2, "{all} backends");
    eventually("no search runs", async || backends(&pool).await.1 == 0).await;
}

#[tokio::test]
async fn searches_beyond_the_bound_are_rejected_at_once() {
    let app = App::start_with(&[&FOUR_CONNECTIONS[..], &NO_TIMEOUTS].concat()).await;
    let [alice, bob] = app.users();
    search(&alice).await.expect("the page-token key is loaded");
    let pool = app.database.pool().await;
    let lock = lock_tasks(&app).await;
    let mut calls: JoinSet<_> = (0..50)
        .map(|_| {
            let alice = alice.clone();
            async move { search(&alice).await }
        })
        .collect();
    // The rest waits for the lock: one runs, 32 are queued.
    for _ in 0..50 - 33 {
        let rejected = calls.join_next().await.expect("calls are left").expect("no panic");
        let overloaded = Refusal::retryable(Code::ResourceExhausted, "OVERLOADED");
        assert_eq!(refusal(rejected), overloaded);
    }
    let his = spawn_search(&bob);
    eventually("bob's search runs", async || backends(&pool).await.1 == 2).await;
    drop(lock);
    for answer in calls.join_all().await {
        answer.expect("it has its turn");
    }
    his.await.expect("no panic").expect("it has its turn");
}
