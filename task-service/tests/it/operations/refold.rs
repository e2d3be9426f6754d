//! Texts that an older version has folded are refolded in the background.

use proto::task::v1 as pb;
use sqlx::AssertSqlSafe;
use test_support::{TestDatabase, eventually};

use crate::support::App;

async fn count(database: &TestDatabase, rows: &str) -> i64 {
    let pool = database.pool().await;
    let sql = AssertSqlSafe(format!("select count(*) from {rows}"));
    sqlx::query_scalar(sql).fetch_one(&pool).await.expect("it is counted")
}

#[tokio::test]
async fn replicas_refold_the_texts_of_an_older_version() {
    let app = App::start_with(&["--purge-interval-seconds", "3600"]).await;
    let users: [_; 5] = app.users();
    let [alice, ..] = &users;
    let decomposed = alice.create("Ka\u{308}se").await;
    for user in &users {
        user.seed(&app.database, 500).await;
    }
    app.database
        .execute(
            "update task.tasks set title_folded = lower(title) || '?', description_folded = '?';
             insert into task.refolds (pass, begin_time)
             values (1, now()), (2, now()), (3, now() + interval '1 day')",
        )
        .await;
    let flags = ["--purge-interval-seconds", "1"];
    let _replicas = tokio::join!(app.replica_with(&flags), app.replica_with(&flags));
    eventually("both passes are complete", async || {
        count(&app.database, "task.refolds where pass < 3").await == 0
    })
    .await;
    assert_eq!(count(&app.database, "task.refolds").await, 1);
    assert_eq!(count(&app.database, "task.tasks where title_folded like '%?'").await, 0);
    assert_eq!(count(&app.database, "task.tasks where description_folded <> ''").await, 0);
    let filter = Some(pb::TaskFilter { text: "KÄSE".into(), ..Default::default() });
    let list = pb::ListTasksRequest { filter, ..Default::default() };
    // No client sees a change.
    assert_eq!(alice.list(list).await, [decomposed]);
}
