//! The audit log fails or delays no call; each row that is lost is counted.

use std::time::{Duration, Instant};

use proto::auth::v1::auth_service_client::AuthServiceClient;
use sqlx::Connection as _;
use test_support::{eventually, refusal};

use crate::support::{App, PASSWORD, database, registration, serve, too_many_attempts};

#[tokio::test]
async fn while_rows_cannot_be_written_calls_succeed_and_rows_above_the_queue_are_counted() {
    let app = App::with(&["--audit-queue", "3"]).await;
    app.eventually_audit_rows(0).await;
    let lock = app.lock_events().await;
    app.register("ada").await;
    // How many rows the writer takes out of the queue depends on how often it tries.
    let mut rows = 1;
    while app.audit_rows_lost("queue_full").await == 0 {
        assert!(rows < 100, "a queue of 3 holds {rows} rows");
        app.log_in("ada").await;
        rows += 1;
    }
    let lost = app.audit_rows_lost("queue_full").await;
    let kept = rows - usize::try_from(lost).unwrap();
    lock.close().await.unwrap();
    let stored = app.eventually_audit_rows(kept).await;
    assert_eq!(stored[0]["event"], "registered");
    assert_eq!(app.audit_rows_lost("queue_full").await, lost);
    app.log_in("ada").await;
    app.eventually_audit_rows(kept + 1).await;
}

#[tokio::test]
async fn rows_that_the_database_rejects_are_counted_and_logged_and_fail_no_call() {
    let app = App::start().await;
    app.database.execute("alter table auth.events drop column user_agent").await;
    app.register("ada").await;
    app.log_in("ada").await;
    eventually("both rows are lost", async || app.audit_rows_lost("rejected").await == 2).await;
    app.database.execute("alter table auth.events add column user_agent text").await;
    app.log_in("ada").await;
    app.eventually_audit_rows(1).await;
}

#[tokio::test]
async fn an_event_during_an_outage_is_stored_after_it_with_the_time_when_it_happened() {
    let flags = ["--login-attempts-per-source", "1", "--login-source-interval-seconds", "3600"];
    let app = App::with_own_server(&flags).await;
    app.register("ada").await;
    app.try_log_in("ada", "wrong-password").await.unwrap_err();
    app.eventually_audit_rows(2).await;
    app.database.halt();
    app.service.eventually_not_ready().await;
    let happened = Instant::now();
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), too_many_attempts());
    app.database.resume();
    app.service.eventually_ready().await;
    let rows = app.eventually_audit_rows(3).await;
    assert_eq!(rows[2]["event"], "login_throttled");
    let age = "select extract(epoch from clock_timestamp() - max(create_time))::text
               from auth.events";
    let age: f64 = app.query(age).await.parse().unwrap();
    let since = happened.elapsed().as_secs_f64();
    assert!((age - since).abs() < 1.0, "{age} s, but it happened {since} s ago");
    for reason in ["queue_full", "rejected", "shutdown"] {
        assert_eq!(app.audit_rows_lost(reason).await, 0, "{reason}");
    }
}

#[tokio::test]
async fn rows_of_the_last_calls_are_written_before_the_service_ends() {
    let database = database().await;
    let app = App::on(&database, &[]).await;
    app.register("ada").await;
    app.stop().await.unwrap();
    let later = App::on(&database, &[]).await;
    assert_eq!(later.audit_rows().await[0]["event"], "registered");
}

#[tokio::test]
async fn rows_that_cannot_be_written_delay_the_end_of_the_service_for_two_seconds_at_most() {
    let database = database().await;
    let mut program = serve(&database, &[]).await;
    // A second instance, for its support of SQL only.
    let other = App::on(&database, &[]).await;
    let lock = other.lock_events().await;
    let mut client = AuthServiceClient::new(program.channel().await);
    client.register(registration("ada", PASSWORD)).await.unwrap();
    drop(client);
    let begun = Instant::now();
    assert_eq!(program.terminate().await, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let log = program.log();
    assert!(log.contains("audit rows lost at shutdown") && log.contains("count=1"), "{log}");
    lock.close().await.unwrap();
}
