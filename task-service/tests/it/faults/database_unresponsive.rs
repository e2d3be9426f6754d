//! A database that does not respond: paused, or without free connections.

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

/// The PostgreSQL backends of task-service.
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
async fn calls_to_a_paused_database_end_in_time_and_recover() {
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
    // A new connection has a backend that is not paused.
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(answer), Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    }
    // The service closes connections that do not answer.
    eventually("it answers over new connections", async || alice.try_get(&task.id).await.is_ok())
        .await;
    for pid in &paused {
        // Some backends have ended with their connections.
        let _ = kill(*pid, Signal::SIGCONT);
    }
    eventually("it answers again", async || accepts(&alice.client).await).await;
    assert_eq!(alice.get(&task.id).await, task);
    assert_eq!(alice.update(pb::Task { title: "after".into(), ..task }, &[]).await.title, "after");
}

#[tokio::test]
async fn without_free_connections_calls_are_unavailable_until_there_is_one() {
    let database = TestDatabase::create_on_own_server().await;
    let app = App::start_on(database, &["--database-acquire-timeout-ms", "200"]).await;
    let [alice] = app.users();
    alice.create("before").await;
    let mut watcher = PgConnection::connect(app.database.url()).await.unwrap();
    let mut taken = Vec::new();
    // Takes each connection that the service loses; it loses some a moment later.
    let mut quiet = 0;
    eventually("the service has no connections", async || {
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
