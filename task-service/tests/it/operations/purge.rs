//! Expired rows are purged, by any number of replicas.

use proto::task::v1 as pb;
use sqlx::AssertSqlSafe;
use test_support::{TestDatabase, eventually, refusal};
use uuid::Uuid;

use crate::support::{App, task_not_found, titled};

async fn count(database: &TestDatabase, table: &str) -> i64 {
    let pool = database.pool().await;
    let sql = AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(sql).fetch_one(&pool).await.expect("it is counted")
}

#[tokio::test]
async fn a_deleted_task_is_purged_after_its_purge_time() {
    let flags = ["--purge-interval-seconds", "1", "--deleted-retention-seconds", "1"];
    let app = App::start_with(&flags).await;
    let [alice] = app.users();
    let [kept, back, gone] =
        [alice.create("kept").await, alice.create("back").await, alice.create("gone").await];
    alice.delete(&back.id).await;
    alice.delete(&gone.id).await;
    let back = alice.undelete(&back.id).await;
    eventually("it is purged", async || alice.try_get(&gone.id).await.is_err()).await;
    assert_eq!(refusal(alice.try_get(&gone.id).await), task_not_found());
    assert_eq!(refusal(alice.try_undelete(&gone.id).await), task_not_found());
    assert_eq!(alice.page(0, "").await.tasks, [back, kept]);
    assert_eq!(alice.count(&app.database).await, 2);
}

/// PostgreSQL's clock does not advance within a statement, so that equality tells it from any other.
#[tokio::test]
async fn the_times_that_decide_a_purge_come_from_the_databases_clock() {
    let app = App::start_with(&["--deleted-retention-seconds", "3600"]).await;
    let [alice] = app.users();
    app.database
        .execute(
            "create function reject_other_clocks() returns trigger language plpgsql as $$ begin
                if new.update_time <> current_timestamp
                    or new.complete_time <> current_timestamp
                    or new.delete_time <> current_timestamp
                    or new.purge_time <> current_timestamp + interval '3600s'
                    or tg_op = 'INSERT' and new.create_time <> current_timestamp
                then raise exception 'another clock';
                end if;
                return new;
             end $$;
             create function reject_other_clock() returns trigger language plpgsql as $$ begin
                if new.create_time <> current_timestamp then raise exception 'another clock';
                end if;
                return new;
             end $$;
             create trigger reject_other_clocks before insert or update on task.tasks
             for each row execute function reject_other_clocks();
             create trigger reject_other_clocks before insert on task.requests
             for each row execute function reject_other_clock()",
        )
        .await;
    let create = pb::CreateTaskRequest {
        task: Some(titled("x")),
        request_id: Uuid::now_v7().into(),
        validate_only: false,
    };
    let mut client = alice.client.clone();
    let created = client.create_task(create.clone()).await.unwrap().into_inner().task.unwrap();
    assert_eq!(alice.get(&created.id).await, created);
    let again = client.create_task(create).await.unwrap().into_inner().task.unwrap();
    assert_eq!(again, created);
    let deleted = alice.delete(&created.id).await;
    assert_eq!(alice.get(&created.id).await, deleted);
    let back = alice.undelete(&created.id).await;
    let complete = pb::Task { is_complete: true, ..back };
    let completed = alice.update(complete, &["is_complete"]).await;
    assert_eq!(completed.complete_time, completed.update_time);
}

#[tokio::test]
async fn replicas_purge_concurrently_without_a_deadlock() {
    let flags = ["--purge-interval-seconds", "1"];
    let app = App::start_with(&["--purge-interval-seconds", "3600"]).await;
    let users: [_; 20] = app.users();
    for user in &users {
        user.seed(&app.database, 300).await;
    }
    app.database
        .execute(
            "update task.tasks
             set delete_time = '2026-01-01', purge_time = '2026-01-02'
             where priority < 4;
             update task.feeds set task_count = 75;
             insert into task.requests
             select
                owner_id, 'CreateTask', gen_random_uuid(), '', array[id], 1,
                timestamptz '2026-01-01' + revision * interval '1 year'
             from task.tasks
             where revision < 3 and priority <> 4",
        )
        .await;
    let _replicas =
        tokio::join!(app.replica_with(&flags), app.replica_with(&flags), app.replica_with(&flags));
    eventually("all are purged", async || count(&app.database, "task.tasks").await == 20 * 75)
        .await;
    // Requests from 2027 on are kept.
    eventually("expired requests are purged", async || {
        count(&app.database, "task.requests where create_time < now()").await == 0
    })
    .await;
    assert_eq!(count(&app.database, "task.requests").await, 40);
    // The task of revision 300 has priority 1, and was the last one to be purged.
    assert_eq!(count(&app.database, "task.feeds where purged_revision = 300").await, 20);
    assert_eq!(users[0].count(&app.database).await, 75);
}
