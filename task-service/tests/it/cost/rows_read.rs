//! How many rows PostgreSQL reads for a call: only those of its tasks, whatever the statistics were
//! when the statement was planned.

use std::time::Duration;

use proto::task::v1 as pb;
use test_support::{TestDatabase, eventually};
use tokio::time::sleep;

use crate::support::{App, ONE_CONNECTION, User, call_each_about, titled};

/// More rows than any statement here needs, and a small part of any table.
const FEW: i64 = 500;
const MANY: usize = 5_000;

/// How many rows were read so far, in tables and indexes. The service must have stopped: PostgreSQL
/// updates these counts when a connection closes.
async fn rows_read(database: &TestDatabase) -> i64 {
    let pool = database.pool().await;
    eventually("the service's connections are closed", async || {
        let count = sqlx::query_scalar::<_, i64>(
            "select count(*)
             from pg_stat_activity
             where datname = current_database() and application_name = 'task-service'",
        );
        count.fetch_one(&pool).await.expect("it is counted") == 0
    })
    .await;
    let count = sqlx::query_scalar(
        "select (
            (select sum(seq_tup_read) from pg_stat_user_tables where schemaname = 'task')
            + (select sum(idx_tup_read) from pg_stat_user_indexes where schemaname = 'task')
         )::bigint",
    );
    count.fetch_one(&pool).await.expect("it is counted")
}

/// Each call that finds tasks by id or along an index, and the purge.
async fn call_all(user: &User) {
    let create = pb::CreateTaskRequest {
        task: Some(titled("new")),
        request_id: uuid::Uuid::now_v7().into(),
        validate_only: false,
    };
    let answer = user.client.clone().create_task(create.clone()).await.expect("it is created");
    let task = answer.into_inner().task.expect("a task is returned");
    user.client.clone().create_task(create).await.expect("it is repeated");
    user.page(10, "").await;
    for (method, answer) in call_each_about(&user.client, &task.id).await {
        answer.unwrap_or_else(|status| panic!("{method}: {status}"));
    }
    eventually("it is purged", async || {
        // Each get reads rows, too. Many of them would use up the bound.
        sleep(Duration::from_millis(100)).await;
        user.try_get(&task.id).await.is_err()
    })
    .await;
}

/// Gives the user tasks and as many requests.
async fn seed(user: &User, database: &TestDatabase, count: usize) {
    user.seed(database, count).await;
    let owner = user.id;
    database
        .execute(format!(
            "insert into task.requests
             select '{owner}', 'CreateTask', gen_random_uuid(), '', array[]::uuid[], 1, now()
             from generate_series(1, {count})"
        ))
        .await;
}

/// Analyzes the tables with so many rows, if at all. The first calls come next, then the rows.
async fn reads_few_rows(analyzed_with: Option<usize>) {
    let flags = ["--purge-interval-seconds", "1", "--deleted-retention-seconds", "1"];
    let app = App::start_with(&[&ONE_CONNECTION[..], &flags].concat()).await;
    // The calls are bob's. His rows are stored after those of alice.
    let [alice, bob] = app.users();
    if let Some(count) = analyzed_with {
        seed(&bob, &app.database, count).await;
        app.database.execute("analyze").await;
    }
    call_all(&bob).await;
    seed(&alice, &app.database, MANY).await;
    seed(&bob, &app.database, MANY).await;
    call_all(&bob).await;
    app.service.stop().await.expect("it stops");
    let read = rows_read(&app.database).await;
    assert!((20..FEW).contains(&read), "{read} rows were read");
}

#[tokio::test]
async fn a_call_reads_only_its_rows_if_the_tables_were_never_analyzed() {
    reads_few_rows(None).await;
}

#[tokio::test]
async fn a_call_reads_only_its_rows_if_the_tables_were_analyzed_while_empty() {
    reads_few_rows(Some(0)).await;
}

#[tokio::test]
async fn a_call_reads_only_its_rows_if_the_tables_were_analyzed_while_small() {
    reads_few_rows(Some(5)).await;
}

#[tokio::test]
async fn a_cached_page_is_not_read_again() {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice] = app.users();
    alice.seed(&app.database, 200).await;
    for _ in 0..50 {
        alice.page(100, "").await;
    }
    app.service.stop().await.expect("it stops");
    let read = rows_read(&app.database).await;
    assert!((100..FEW).contains(&read), "{read} rows were read");
}

#[tokio::test]
async fn a_list_in_another_order_reads_each_task_of_its_owner_once() {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice, bob] = app.users();
    alice.seed(&app.database, MANY).await;
    bob.seed(&app.database, MANY).await;
    app.database.execute("vacuum analyze task.tasks").await;
    let filter = pb::TaskFilter { priorities: vec![4], ..Default::default() };
    let list = pb::ListTasksRequest { filter: Some(filter), ..Default::default() };
    for order_by in ["", "update_time desc", "title", "priority, due"] {
        alice.list(pb::ListTasksRequest { order_by: order_by.into(), ..list.clone() }).await;
    }
    app.service.stop().await.expect("it stops");
    let read = rows_read(&app.database).await;
    let most = 4 * i64::try_from(MANY).unwrap() + FEW;
    assert!((1..most).contains(&read), "{read} rows were read");
}

#[tokio::test]
async fn a_search_reads_no_more_texts_than_fill_its_page() {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice] = app.users();
    alice.seed(&app.database, MANY).await;
    let filter = pb::TaskFilter { text: "task".into(), ..Default::default() };
    for order_by in ["", "create_time", "title desc", "due, priority desc"] {
        let (filter, order_by) = (Some(filter.clone()), order_by.into());
        alice.list(pb::ListTasksRequest { filter, order_by, ..Default::default() }).await;
    }
    app.service.stop().await.expect("it stops");
    // Each reads the keys of all tasks, and the texts of a page.
    let read = rows_read(&app.database).await - 4 * i64::try_from(MANY).unwrap();
    assert!((1..FEW).contains(&read), "{read} texts were read");
}

#[tokio::test]
async fn updates_write_to_no_index() {
    let app = App::start_with(&ONE_CONNECTION).await;
    let [alice] = app.users();
    let mut task = alice.create("first").await;
    for n in 0..20 {
        let title = format!("title {n}");
        let next = pb::Task { title, is_complete: n % 2 == 0, priority: 1 + n % 4, ..task };
        task = alice.update(next, &["title", "is_complete", "priority"]).await;
    }
    app.service.stop().await.expect("it stops");
    rows_read(&app.database).await;
    let pool = app.database.pool().await;
    let updates = sqlx::query_as::<_, (i64, i64)>(
        "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'tasks'",
    );
    assert_eq!(updates.fetch_one(&pool).await.expect("they are counted"), (20, 20));
}
