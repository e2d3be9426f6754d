//! PostgreSQL finds a page of 10,000 tasks along the index of its order, however deep it is.

use proto::task::v1 as pb;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

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

#[tokio::test]
async fn each_order_walks_along_its_index_without_a_sort() {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice, bob] = app.users();
    alice.seed(&app.database, 10_000).await;
    bob.seed(&app.database, 1_000).await;
    app.database.execute("analyze task.tasks").await;
    let pool = app.database.pool().await;
    let mut database = pool.acquire().await.unwrap();
    let id = "'80000000-0000-0000-0000-000000000000'";
    let time = "'2026-01-01 00:08:20'";
    for (order_by, index, place) in [
        ("", "create_time", time),
        ("create_time", "create_time", time),
        ("update_time", "update_time", time),
        ("update_time desc", "update_time", time),
        ("due", "due_asc", time),
        ("due desc", "due_desc", time),
        ("priority", "priority", "2"),
        ("priority desc", "priority", "2"),
        ("title", "title", "'task 3'"),
        ("title desc", "title", "'task 3'"),
    ] {
        second_page(&alice, order_by).await;
        for mode in ["force_custom_plan", "force_generic_plan"] {
            database.execute(AssertSqlSafe(format!("set plan_cache_mode = {mode}"))).await.unwrap();
            let arguments = format!("'{}', {place}, {id}, 51", alice.id);
            let plan = plan(&mut database, &arguments).await;
            let walks = format!("using tasks_{index}_idx");
            assert!(plan.contains(&walks), "{order_by}, {mode}: {plan}");
            assert!(!plan.contains("Sort"), "{order_by}, {mode}: {plan}");
            assert!(!plan.contains("Filter"), "{order_by}, {mode}: {plan}");
        }
    }
}

#[tokio::test]
async fn an_order_by_several_fields_uses_the_index_of_the_first() {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice] = app.users();
    alice.seed(&app.database, 10_000).await;
    app.database.execute("analyze task.tasks").await;
    let pool = app.database.pool().await;
    let mut database = pool.acquire().await.unwrap();
    let (id, time) = ("'80000000-0000-0000-0000-000000000000'", "'2026-01-01 00:08:20'");
    for (order_by, index, places) in [
        ("title, due", "title", format!("'task 3', {time}")),
        ("title desc, due", "title", format!("'task 3', 'task 3', 'task 3', {time}, {time}")),
        ("create_time desc, title", "create_time", format!("{time}, {time}, {time}, 'a', 'a'")),
    ] {
        second_page(&alice, order_by).await;
        let arguments = format!("'{}', {places}, {id}, 51", alice.id);
        let plan = plan(&mut database, &arguments).await;
        assert!(plan.contains(&format!("using tasks_{index}_idx")), "{order_by}: {plan}");
        // Only those that are equal by the first field are sorted.
        assert!(plan.contains("Incremental Sort"), "{order_by}: {plan}");
    }
}
