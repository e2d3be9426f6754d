//! Errors of a database that is up: their status codes, and that they reveal nothing.

use proto::task::v1 as pb;
use test_support::{Refusal, TestDatabase, refusal};
use tonic::{Code, Response, Status};

use crate::support::{App, call_each, call_each_about, titled};

const SECRET: &str = "the secret words of the trigger";

/// Makes every write execute this PL/pgSQL first.
async fn before_each_write(database: &TestDatabase, statement: &str) {
    database
        .execute(format!(
            "create function sabotage() returns trigger language plpgsql as $$
                 begin {statement}; return coalesce(new, old); end
             $$;
             create trigger sabotage before insert or update or delete on task.tasks
                 for each row execute function sabotage()"
        ))
        .await;
}

/// Checks that a call failed as INTERNAL and that its status has none of these words.
fn assert_internal(method: &str, answer: Result<Response<()>, Status>, secrets: &[&str]) {
    let status = answer.expect_err("it is sabotaged");
    assert_eq!(status.message(), "internal error", "{method}");
    let all = format!("{status:?} {}", String::from_utf8_lossy(status.details()));
    assert!(!secrets.iter().any(|secret| all.contains(secret)), "{method}: {all}");
    let refused = refusal(Err::<Response<()>, _>(status));
    assert_eq!(refused, Refusal::new(Code::Internal, "INTERNAL"), "{method}");
}

#[tokio::test]
async fn a_database_error_in_a_write_is_internal_and_reveals_nothing() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    before_each_write(&app.database, &format!("raise exception '{SECRET}'")).await;
    let created = alice.try_create(titled("y")).await.map(|response| response.map(|_| ()));
    let [_, _, updated, all_updated, deleted, _, all_deleted] =
        call_each_about(&alice.client, &task.id).await;
    for (method, answer) in [("CreateTask", created), updated, all_updated, deleted, all_deleted] {
        assert_internal(method, answer, &["secret", "sabotage"]);
    }
    assert_eq!(alice.page(0, "").await.tasks, [task]);
}

#[tokio::test]
async fn a_missing_table_is_an_internal_error_of_every_rpc() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.create("x").await;
    app.database.execute("alter table task.tasks rename to stolen").await;
    for (method, answer) in call_each(&alice.client).await {
        assert_internal(method, answer, &["task.tasks", "relation"]);
    }
    app.database.execute("alter table task.stolen rename to tasks").await;
    assert_eq!(alice.page(0, "").await.tasks.len(), 1);
}

#[tokio::test]
async fn a_slow_statement_exceeds_the_deadline() {
    let app = App::start_with(&["--database-statement-timeout-ms", "100"]).await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    before_each_write(&app.database, "perform pg_sleep(30)").await;
    let created = alice.try_create(titled("y")).await.map(|response| response.map(|_| ()));
    let [_, _, updated, all_updated, deleted, _, all_deleted] =
        call_each_about(&alice.client, &task.id).await;
    for (method, answer) in [("CreateTask", created), updated, all_updated, deleted, all_deleted] {
        let expected = Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        assert_eq!(refusal(answer), expected, "{method}");
    }
    assert_eq!(alice.page(0, "").await.tasks, [task]);
}

#[tokio::test]
async fn a_task_locked_by_another_transaction_is_a_conflict() {
    let app = App::start_with(&["--database-lock-timeout-ms", "100"]).await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    let pool = app.database.pool().await;
    let mut other = pool.acquire().await.unwrap();
    sqlx::raw_sql("begin; select * from task.tasks for update").execute(&mut *other).await.unwrap();
    let [(_, read), (_, all_read), changes @ ..] = call_each_about(&alice.client, &task.id).await;
    assert!(read.is_ok() && all_read.is_ok());
    for (method, answer) in changes {
        assert_eq!(refusal(answer), Refusal::new(Code::Aborted, "CONFLICT"), "{method}");
    }
    sqlx::raw_sql("rollback").execute(&mut *other).await.unwrap();
    assert_eq!(alice.get(&task.id).await, task);
    assert_eq!(alice.update(pb::Task { title: "y".into(), ..task }, &["title"]).await.title, "y");
}
