//! The database is down: which errors calls get, and how the service recovers.

use proto::task::v1 as pb;
use test_support::{Refusal, TestDatabase, TestIssuer, TestKey, eventually, refusal};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{App, ONE_CONNECTION, User, accepts, assert_each_refuses, client_of, run};

fn database_unavailable() -> Refusal {
    Refusal::retryable(Code::Unavailable, "DATABASE_UNAVAILABLE")
}

/// Creates tasks concurrently, so that the pool opens all its connections.
async fn create_at_once(alice: &User, count: usize) -> Vec<pb::Task> {
    let creating = (0..count).map(|_| {
        let alice = alice.clone();
        async move { alice.create("x").await }
    });
    creating.collect::<JoinSet<_>>().join_all().await
}

async fn is_ready(app: &App) -> bool {
    tandem_server::is_ready(app.service.address()).await
}

#[tokio::test]
async fn every_rpc_is_unavailable_while_the_database_is_down_and_recovers() {
    let app = App::start_on(TestDatabase::create_on_own_server().await, &[]).await;
    let [alice] = app.users();
    let acknowledged = create_at_once(&alice, 20).await;

    app.database.halt();
    assert_each_refuses(&alice.client, &database_unavailable(), "database down").await;
    eventually("it is not ready", async || !is_ready(&app).await).await;

    app.database.resume();
    eventually("it is ready", async || is_ready(&app).await).await;
    for task in &acknowledged {
        assert_eq!(alice.get(&task.id).await, *task);
    }
    create_at_once(&alice, 20).await;
    for _ in 0..20 {
        alice.create("x").await;
    }
    assert_eq!(alice.page(100, "").await.tasks.len(), 60);
}

#[tokio::test]
async fn no_call_gets_a_connection_broken_by_a_short_outage() {
    let app = App::start_on(TestDatabase::create_on_own_server().await, &[]).await;
    let [alice] = app.users();
    create_at_once(&alice, 20).await;
    app.database.halt();
    eventually("it is not ready", async || !is_ready(&app).await).await;
    app.database.resume();
    eventually("it is ready", async || is_ready(&app).await).await;
    create_at_once(&alice, 20).await;
    for _ in 0..20 {
        alice.create("x").await;
    }
}

#[tokio::test]
async fn killed_connections_are_replaced() {
    let app = App::start().await;
    let [alice] = app.users();
    create_at_once(&alice, 20).await;
    app.database
        .execute(
            "select pg_terminate_backend(pid)
             from pg_stat_activity
             where application_name = 'task-service' and datname = current_database()",
        )
        .await;
    eventually("every connection is replaced", async || {
        let calls = (0..20).map(|_| {
            let client = alice.client.clone();
            async move { accepts(&client).await }
        });
        calls.collect::<JoinSet<_>>().join_all().await.into_iter().all(|accepted| accepted)
    })
    .await;
}

#[tokio::test]
async fn a_service_starts_while_its_database_is_down() {
    let key = TestKey::generate("first");
    let issuer = TestIssuer::start(&[&key]).await;
    let database = TestDatabase::create_on_own_server().await;
    database.halt();
    let service = run(&database, issuer.url(), &["--database-acquire-timeout-ms", "200"]).await;
    let token = key.token(shared::ids::UserId::generate());
    let client = client_of(&service, &[&format!("Bearer {token}")]);
    assert_each_refuses(&client, &database_unavailable(), "database down").await;
    assert!(!tandem_server::is_ready(service.address()).await);
    database.resume();
    let _service = service.ready().await;
    assert!(accepts(&client).await);
}

#[tokio::test]
async fn an_exhausted_pool_is_overloaded_within_the_acquire_timeout() {
    let waits = ["--database-acquire-timeout-ms", "100", "--database-statement-timeout-ms", "9000"];
    let flags = [&ONE_CONNECTION[..], &waits, &["--call-timeout-seconds", "9"]].concat();
    let app = App::start_with(&flags).await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    alice.delete(&task.id).await;
    app.database
        .execute(
            "create function linger() returns trigger language plpgsql as $$
                 begin perform pg_sleep(5); return new; end
             $$;
             create trigger linger before update on task.tasks
                 for each row execute function linger()",
        )
        .await;
    // An undelete is not coalesced.
    let slow = alice.undelete(&task.id);
    let others = async {
        eventually("the connection is taken", async || !accepts(&alice.client).await).await;
        let overloaded = Refusal::retryable(Code::ResourceExhausted, "OVERLOADED");
        assert_each_refuses(&alice.client, &overloaded, "pool exhausted").await;
    };
    let (undeleted, ()) = tokio::join!(slow, others);
    assert_eq!(undeleted.title, "x");
}

#[tokio::test]
async fn a_service_on_a_standby_reads_and_rejects_writes() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    alice.page(10, "").await;
    // A standby rejects writes with the same error.
    app.database
        .execute(
            "create function reject() returns trigger language plpgsql as $$
                 begin raise sqlstate '25006'; end
             $$;
             create trigger reject before insert or update on task.feeds
                 execute function reject()",
        )
        .await;
    let standby = app.replica_with(&["--database-migrate-on-start", "false"]).await;
    let mut alice = app.at(&standby, &alice);
    assert_eq!(alice.get(&task.id).await, task);
    assert_eq!(alice.page(10, "").await.tasks.len(), 1);
    let request = pb::DeleteTaskRequest { task_id: task.id, ..Default::default() };
    let refused = alice.client.delete_task(request).await;
    assert_eq!(refusal(refused), database_unavailable());
}
