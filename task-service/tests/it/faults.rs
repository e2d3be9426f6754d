//! A database that is there and does not answer: paused, or without a connection to spare.

use std::time::{Duration, Instant};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::task::v1 as pb;
use sqlx::{Connection as _, PgConnection};
use test_support::{Refusal, TestDatabase, eventually, refusal};
use tonic::Code;

use crate::support::{App, accepts, titled};

/// The processes of PostgreSQL that serve task-service.
async fn backends(database: &mut PgConnection) -> Vec<Pid> {
    let pids: Vec<i32> = sqlx::query_scalar(
        "select pid from pg_stat_activity where application_name = 'task-service'",
    )
    .fetch_all(database)
    .await
    .expect("they are listed");
    pids.into_iter().map(Pid::from_raw).collect()
}

#[tokio::test]
async fn calls_to_a_paused_database_end_in_time_and_go_on_when_it_does() {
    let database = TestDatabase::create_on_own_server().await;
    let impatient = ["--call-timeout-seconds", "1", "--database-statement-timeout-ms", "1000"];
    let app = App::start_on(database, &impatient).await;
    let [alice] = app.users();
    let task = alice.create("before").await;
    let mut watcher = PgConnection::connect(app.database.url()).await.unwrap();
    let paused = backends(&mut watcher).await;
    for pid in &paused {
        kill(*pid, Signal::SIGSTOP).unwrap();
    }
    let begun = Instant::now();
    let calls = (0..20).map(|_| {
        let (alice, id) = (alice.clone(), task.id.clone());
        async move { alice.try_get(&id).await }
    });
    let answers = calls.collect::<tokio::task::JoinSet<_>>().join_all().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // A connection that is new finds a process that goes on.
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(answer), Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    }
    // Connections that do not answer are given up.
    eventually("it answers over others", async || alice.try_get(&task.id).await.is_ok()).await;
    for pid in &paused {
        // Some have been given up and have ended.
        let _ = kill(*pid, Signal::SIGCONT);
    }
    eventually("it answers again", async || accepts(&alice.client).await).await;
    assert_eq!(alice.get(&task.id).await, task);
    assert_eq!(alice.update(pb::Task { title: "after".into(), ..task }, &[]).await.title, "after");
}

#[tokio::test]
async fn without_a_connection_to_spare_calls_are_unavailable_until_there_is_one() {
    let database = TestDatabase::create_on_own_server().await;
    let app = App::start_on(database, &["--database-acquire-timeout-ms", "200"]).await;
    let [alice] = app.users();
    alice.create("before").await;
    let mut watcher = PgConnection::connect(app.database.url()).await.unwrap();
    let mut taken = Vec::new();
    // Whatever the service gives up, somebody else takes: some of it a moment later.
    let mut quiet = 0;
    eventually("the service has none", async || {
        quiet += 1;
        for pid in backends(&mut watcher).await {
            let end = format!("select pg_terminate_backend({pid})");
            sqlx::raw_sql(sqlx::AssertSqlSafe(end)).execute(&mut watcher).await.unwrap();
            quiet = 0;
        }
        while let Ok(connection) = PgConnection::connect(app.database.url()).await {
            taken.push(connection);
            quiet = 0;
        }
        quiet > 5
    })
    .await;
    let begun = Instant::now();
    let expected = Refusal::retryable(Code::Unavailable, "DATABASE_UNAVAILABLE");
    for _ in 0..3 {
        assert_eq!(refusal(alice.try_create(titled("meanwhile")).await), expected);
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drop(taken);
    eventually("it answers again", async || accepts(&alice.client).await).await;
    assert_eq!(alice.count(&app.database).await, 1);
}
