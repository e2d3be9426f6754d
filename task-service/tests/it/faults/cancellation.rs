//! Calls that clients cancel at any moment.

use std::time::Duration;

use proto::task::v1 as pb;
use test_support::eventually;
use tokio::time::timeout;

use crate::support::{App, ONE_CONNECTION, User, titled};

/// Starts each kind of call and cancels it after a moment.
async fn cancel_calls(alice: &User, task: &pb::Task, random: &mut fastrand::Rng) {
    let mut patience = || Duration::from_micros(random.u64(0..3_000));
    let changed = pb::Task { title: "cancelled".into(), ..task.clone() };
    let _ = timeout(patience(), alice.try_create(titled("cancelled"))).await;
    let _ = timeout(patience(), alice.try_get(&task.id)).await;
    let _ = timeout(patience(), alice.try_update(changed, &["title"])).await;
    let _ = timeout(patience(), alice.try_page(0, "")).await;
}

#[tokio::test]
async fn cancelled_calls_leave_no_transaction_open() {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..100 {
        cancel_calls(&alice, &task, &mut random).await;
    }
    let pool = app.database.pool().await;
    eventually("no backend of the service is busy", async || {
        let busy: i64 = sqlx::query_scalar(
            "select count(*)
             from pg_stat_activity
             where application_name = 'task-service'
                 and datname = current_database()
                 and state = 'active'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        busy == 0
    })
    .await;
    let open: i64 = sqlx::query_scalar(
        "select count(*)
         from pg_stat_activity
         where datname = current_database() and state like 'idle in transaction%'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(open, 0);
}

#[tokio::test]
async fn a_write_after_cancelled_calls_is_committed() {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..20 {
        cancel_calls(&alice, &task, &mut random).await;
        let created = alice.create("kept").await;
        // Over another connection, which sees only committed writes.
        let sql = format!("select title from task.tasks where id = '{}'", created.id);
        let pool = app.database.pool().await;
        let title: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
        assert_eq!(title, "kept");
    }
}
