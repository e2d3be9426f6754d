//! PostgreSQL finds a page of 10,000 tasks along an index, in every order.

use proto::task::v1 as pb;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Postgres, Row as _, pool::PoolConnection};

use crate::support::{App, ONE_CONNECTION, User};

/// PostgreSQL's plan of the last list statement of the service, with these arguments.
async fn plan(database: &mut PgConnection, arguments: &str) -> String {
    let statement: String = sqlx::query_scalar(
        "select query
         from pg_stat_activity
         where datname = current_database()
            and application_name = 'task-service'
            and query like 'select%from task.tasks%limit%'
         order by state_change desc
         limit 1",
    )
    .fetch_one(&mut *database)
    .await
    .expect("the service has listed");
    let prepare = format!("prepare page as {statement}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *database).await.expect("it is good");
    let explain = format!("explain (costs off) execute page({arguments})");
    let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *database).await;
    database.execute("deallocate page").await.expect("it was prepared");
    let rows = rows.expect("it has a plan");
    rows.iter().map(|row| row.get(0)).collect::<Vec<String>>().join("\n")
}

/// Alice's page behind the first, in this order.
async fn second_page(alice: &User, order_by: &str) {
    let list = pb::ListTasksRequest { order_by: order_by.into(), ..Default::default() };
    let answer = alice.try_list(list.clone()).await.expect("it is listed");
    let page_token = answer.into_inner().next_page_token;
    alice.list(pb::ListTasksRequest { page_token, ..list }).await;
}

/// Alice with 10,000 tasks, bob with 1,000, and a connection that plans statements.
async fn start() -> (App, User, PoolConnection<Postgres>) {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice, bob] = app.users();
    alice.seed(&app.database, 10_000).await;
    bob.seed(&app.database, 1_000).await;
    app.database.execute("analyze task.tasks").await;
    let mut database = app.database.pool().await.acquire().await.expect("it is there");
    // As in the service's sessions.
    database.execute("set enable_seqscan = off").await.expect("it is a setting");
    (app, alice, database)
}

const ID: &str = "'80000000-0000-0000-0000-000000000000'";
const TIME: &str = "'2026-01-01 00:08:20'";

#[tokio::test]
async fn a_list_by_create_time_walks_along_its_index_without_a_sort() {
    let (_app, alice, mut database) = start().await;
    for order_by in ["", "create_time"] {
        second_page(&alice, order_by).await;
        for mode in ["force_custom_plan", "force_generic_plan"] {
            database.execute(AssertSqlSafe(format!("set plan_cache_mode = {mode}"))).await.unwrap();
            let arguments = format!("'{}', {TIME}, {ID}, 51", alice.id);
            let plan = plan(&mut database, &arguments).await;
            assert!(plan.contains("using tasks_create_time_idx"), "{order_by}, {mode}: {plan}");
            assert!(!plan.contains("Sort"), "{order_by}, {mode}: {plan}");
            assert!(!plan.contains("Filter"), "{order_by}, {mode}: {plan}");
        }
    }
}

#[tokio::test]
async fn the_day_of_a_user_reads_only_the_tasks_of_the_owner() {
    let (_app, alice, mut database) = start().await;
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let filter = Some(pb::TaskFilter {
        due_after: at(1_795_852_800),
        due_before: at(1_795_939_200),
        time_zone: "America/Los_Angeles".into(),
        ..Default::default()
    });
    for order_by in ["due", "", "title desc"] {
        alice
            .list(pb::ListTasksRequest {
                filter: filter.clone(),
                order_by: order_by.into(),
                ..Default::default()
            })
            .await;
        for mode in ["force_custom_plan", "force_generic_plan"] {
            database.execute(AssertSqlSafe(format!("set plan_cache_mode = {mode}"))).await.unwrap();
            let arguments = format!("'{}', {TIME}, {TIME}, {TIME}, {TIME}, 51", alice.id);
            let plan = plan(&mut database, &arguments).await;
            assert!(plan.contains("Index Cond: (owner_id = "), "{order_by}, {mode}: {plan}");
            assert!(!plan.contains("Seq Scan"), "{order_by}, {mode}: {plan}");
        }
    }
}

#[tokio::test]
async fn each_other_order_reads_only_the_tasks_of_the_owner() {
    let (_app, alice, mut database) = start().await;
    for (order_by, places) in [
        ("update_time", TIME.to_owned()),
        ("update_time desc", TIME.to_owned()),
        ("due", TIME.to_owned()),
        ("due desc", TIME.to_owned()),
        ("priority", "2".to_owned()),
        ("priority desc", "2".to_owned()),
        ("title", "'task 3'".to_owned()),
        ("title desc", "'task 3'".to_owned()),
        ("title, due", format!("'task 3', {TIME}")),
        ("title desc, due", format!("'task 3', 'task 3', {TIME}, {TIME}")),
    ] {
        second_page(&alice, order_by).await;
        for mode in ["force_custom_plan", "force_generic_plan"] {
            database.execute(AssertSqlSafe(format!("set plan_cache_mode = {mode}"))).await.unwrap();
            let arguments = format!("'{}', {places}, {ID}, 51", alice.id);
            let plan = plan(&mut database, &arguments).await;
            assert!(plan.contains("Index Cond: (owner_id = "), "{order_by}, {mode}: {plan}");
            assert!(!plan.contains("Seq Scan"), "{order_by}, {mode}: {plan}");
        }
    }
}
