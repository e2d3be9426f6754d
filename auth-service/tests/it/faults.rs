//! Faults in the database that callers are told of by a code and a reason, and by nothing else.

use test_support::{Refusal, eventually, refusal};
use tonic::Code;

use crate::support::{App, PASSWORD};

#[tokio::test]
async fn a_defect_is_internal_and_none_of_it_is_told() {
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
async fn another_broken_constraint_than_the_names_is_no_taken_name() {
    let app = App::start().await;
    let constraint = "alter table auth.users add constraint other unique (create_time)";
    app.database.execute(constraint).await;
    app.before_each_new_user("new.create_time = '2000-01-01'").await;
    app.register("ada").await;
    let answer = app.try_register("bob", PASSWORD).await;
    assert_eq!(refusal(answer), Refusal::new(Code::Internal, "INTERNAL"));
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped() {
    let app = App::with(&["--database-statement-timeout-ms", "100"]).await;
    app.before_each_new_user("perform pg_sleep(60)").await;
    let answer = app.try_register("ada", PASSWORD).await;
    assert_eq!(refusal(answer), Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert_eq!(app.users().await, "0");
}

#[tokio::test]
async fn a_lock_that_is_not_had_in_time_is_a_conflict() {
    let app = App::with(&["--database-lock-timeout-ms", "100"]).await;
    let token = app.new_token("ada").await;
    let _lock = app.lock_users().await;
    let conflict = || Refusal::new(Code::Aborted, "CONFLICT");
    assert_eq!(refusal(app.try_register("bob", PASSWORD).await), conflict());
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), conflict());
    assert_eq!(refusal(app.current_user(&token).await), conflict());
}

#[tokio::test]
async fn a_call_that_finds_no_free_connection_in_time_may_be_tried_again() {
    let one = ["--server-workers", "1", "--database-max-connections", "1"];
    let flags = [one.as_slice(), &["--database-acquire-timeout-ms", "100"]].concat();
    let app = App::with(&flags).await;
    let mut lock = app.lock_users().await;
    let first = app.spawn_register("ada");
    lock.eventually_blocks(1).await;
    let answer = app.try_register("bob", PASSWORD).await;
    assert_eq!(refusal(answer), Refusal::retryable(Code::Unavailable, "DATABASE_UNAVAILABLE"));
    assert!(app.is_ready().await, "a busy pool is no database that is away");
    lock.release().await;
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn killed_connections_cost_a_few_calls_that_may_be_tried_again_and_no_more() {
    let app = App::start().await;
    let token = app.new_token("ada").await;
    app.kill_backends().await;
    let mut failed = 0;
    eventually("it works again", async || {
        let answer = app.current_user(&token).await;
        let works = answer.is_ok();
        if !works {
            failed += 1;
            let expected = Refusal::retryable(Code::Unavailable, "DATABASE_UNAVAILABLE");
            assert_eq!(refusal(answer), expected);
        }
        works
    })
    .await;
    assert!(failed <= 10, "{failed} calls failed");
    app.eventually_ready().await;
}

#[tokio::test]
async fn a_database_without_its_tables_is_a_defect_that_says_no_more() {
    let app = App::start().await;
    let token = app.new_token("ada").await;
    app.database.execute("drop table auth.users cascade").await;
    for refused in [
        refusal(app.try_register("bob", PASSWORD).await),
        refusal(app.try_log_in("ada", PASSWORD).await),
        refusal(app.current_user(&token).await),
    ] {
        assert_eq!(refused, Refusal::new(Code::Internal, "INTERNAL"));
    }
}
