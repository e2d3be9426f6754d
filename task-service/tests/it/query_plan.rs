//! How PostgreSQL finds a page: by the index, however deep the page is.

use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::support::App;

/// The statement that the service has just sent, with its parameters as `$1` and so on.
async fn list_statement(database: &mut PgConnection) -> String {
    sqlx::query_scalar(
        "select query
         from pg_stat_activity
         where application_name = 'task-service' and query like 'select%from task.tasks%limit%'",
    )
    .fetch_one(database)
    .await
    .expect("the service has listed")
}

#[tokio::test]
async fn the_first_page_and_a_deep_one_come_from_the_index_without_a_sort() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    alice.seed(&app.database, 10_000).await;
    bob.seed(&app.database, 1_000).await;
    app.database.execute("analyze task.tasks").await;
    alice.page(0, "").await;

    let pool = app.database.pool().await;
    let mut database = pool.acquire().await.unwrap();
    let statement = list_statement(&mut database).await;
    sqlx::raw_sql(AssertSqlSafe(format!("prepare page as {statement}")))
        .execute(&mut *database)
        .await
        .unwrap();
    for mode in ["force_custom_plan", "force_generic_plan"] {
        database.execute(AssertSqlSafe(format!("set plan_cache_mode = {mode}"))).await.unwrap();
        for create_time in ["294276-12-31", "2026-01-01 00:08:20"] {
            let explain = format!(
                "explain (costs off) execute page(
                    '{}', '{create_time}', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 51
                 )",
                alice.id
            );
            let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *database).await;
            let lines = rows.unwrap().iter().map(|row| row.get(0)).collect::<Vec<String>>();
            let plan = lines.join("\n");
            assert!(plan.contains("using tasks_owner_create_time_idx"), "{mode}: {plan}");
            assert!(!plan.contains("Sort") && !plan.contains("Filter"), "{mode}: {plan}");
        }
    }
}
