//! Database errors: callers get a code and a reason, and no details.

use test_support::{Refusal, eventually, refusal};
use tonic::Code;

use crate::support::{App, PASSWORD, database_unavailable, overloaded};

#[tokio::test]
async fn an_unexpected_error_is_internal_and_reveals_nothing() {
    let app = App::start().await;
    app.before_each_new_user("raise exception 'the secret sauce'").await;
    let answer = app.try_register("ada", PASSWORD).await;
    let status = answer.as_ref().unwrap_err();
    assert_eq!(status.message(), "internal error");
    let details = String::from_utf8_lossy(status.details());
    for part in ["secret", "sauce", "sabotage", "users", "P0001"] {
        assert!(!details.contains(part), "{details}");
    }
    assert_eq!(refusal(answer), Refusal::new(Code::Internal, "INTERNAL"));
    assert_eq!(app.users().await, "0");
}

#[tokio::test]
async fn a_violation_of_another_constraint_is_not_reported_as_a_taken_name() {
    let app = App::start().await;
    let constraint = "alter table auth.users add constraint other unique (create_time)";
    app.database.execute(constraint).await;
    app.before_each_new_user("new.create_time = '2000-01-01'").await;
    app.register("ada").await;
    let answer = app.try_register("bob", PASSWORD).await;
    assert_eq!(refusal(answer), Refusal::new(Code::Internal, "INTERNAL"));
}

#[tokio::test]
async fn a_statement_is_cancelled_at_the_statement_timeout() {
    let app = App::with(&["--database-statement-timeout-ms", "100"]).await;
    app.before_each_new_user("perform pg_sleep(60)").await;
    let answer = app.try_register("ada", PASSWORD).await;
    assert_eq!(refusal(answer), Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!(app.users().await, "0");
}

#[tokio::test]
async fn a_lock_timeout_is_a_conflict() {
    let app = App::with(&["--database-lock-timeout-ms", "100"]).await;
    let token = app.new_token("ada").await;
    let _lock = app.lock_users().await;
    let conflict = || Refusal::new(Code::Aborted, "CONFLICT");
    assert_eq!(refusal(app.try_register("bob", PASSWORD).await), conflict());
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), conflict());
    assert_eq!(refusal(app.current_user(&token).await), conflict());
}

#[tokio::test]
async fn a_call_without_a_free_connection_is_overloaded() {
    let one = ["--server-workers", "1", "--database-max-connections", "1"];
    let flags = [one.as_slice(), &["--database-acquire-timeout-ms", "100"]].concat();
    let app = App::with(&flags).await;
    let mut lock = app.lock_users().await;
    let first = app.spawn_register("ada");
    lock.eventually_blocks(1).await;
    let answer = app.try_register("bob", PASSWORD).await;
    assert_eq!(refusal(answer), overloaded());
    assert!(app.service.is_ready().await, "an exhausted pool does not affect readiness");
    lock.release().await;
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn killed_connections_fail_a_few_calls_with_a_retryable_error() {
    let app = App::start().await;
    let token = app.new_token("ada").await;
    app.kill_backends().await;
    let mut failed = 0;
    eventually("calls succeed again", async || {
        let answer = app.current_user(&token).await;
        let works = answer.is_ok();
        if !works {
            failed += 1;
            assert_eq!(refusal(answer), database_unavailable());
        }
        works
    })
    .await;
    assert!(failed <= 10, "{failed} calls failed");
    app.service.eventually_ready().await;
}

#[tokio::test]
async fn a_missing_table_is_an_internal_error() {
    let app = App::start().await;
    let token = app.new_token("ada").await;
    app.database.execute("drop table auth.users cascade").await;
    for error in [
        refusal(app.try_register("bob", PASSWORD).await),
        refusal(app.try_log_in("ada", PASSWORD).await),
        refusal(app.current_user(&token).await),
    ] {
        assert_eq!(error, Refusal::new(Code::Internal, "INTERNAL"));
    }
}
