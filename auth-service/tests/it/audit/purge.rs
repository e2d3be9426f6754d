//! Deleted users and old events are purged, by one instance at a time.

use sqlx::{Connection as _, PgConnection};
use test_support::eventually;

use crate::support::App;

const FLAGS: [&str; 4] = ["--purge-interval-seconds", "1", "--audit-retention-seconds", "3600"];

/// Inserts this many events of this age.
async fn add_events(app: &App, count: usize, age: &str) {
    let add = format!(
        "insert into auth.events (id, create_time, event, actor)
         select gen_random_uuid(), now() - interval '{age}', 'logged_out', 'user'
         from generate_series(1, {count})"
    );
    app.database.execute(add).await;
}

/// Sets the times of deletion of users, the purge this long after now.
async fn delete_users(app: &App, names: &str, purge: &str) {
    let delete = format!(
        "update auth.users
         set delete_time = now() - interval '30 days', purge_time = now() + interval '{purge}'
         where username like '{names}'"
    );
    app.database.execute(delete).await;
}

#[tokio::test]
async fn events_beyond_the_retention_are_purged() {
    let app = App::with(&FLAGS).await;
    add_events(&app, 1200, "3601 seconds").await;
    add_events(&app, 30, "3500 seconds").await;
    eventually("old events are purged", async || app.audit_rows().await.len() == 30).await;
    app.register("ada").await;
    app.eventually_audit_rows(31).await;
}

#[tokio::test]
async fn a_deleted_user_is_purged_after_the_purge_time_and_listed_and_recorded() {
    let app = App::with(&FLAGS).await;
    let ada = app.register("ada").await;
    app.log_in("ada").await;
    app.register("bob").await;
    app.register("eve").await;
    app.eventually_audit_rows(4).await;
    delete_users(&app, "bob", "1 hour").await;
    delete_users(&app, "ada", "-1 second").await;
    eventually("the user is purged", async || app.users().await == "2").await;
    let rows = app.eventually_audit_rows(5).await;
    assert_eq!(rows.last().unwrap()["event"], "user_purged");
    let row = rows.last().unwrap();
    assert_eq!((&row["user_id"], &row["username"]), (&ada.id.clone().into(), &"ada".into()));
    assert_eq!((&row["actor"], &row["actor_id"]), (&"service".into(), &serde_json::Value::Null));
    let listed = "select string_agg(user_id::text, ',') from auth.purged_users";
    assert_eq!(app.query(listed).await, ada.id);
    assert_eq!(app.query("select count(*)::text from auth.sessions").await, "0");
    app.register("ada").await;
}

#[tokio::test]
async fn replicas_purge_each_user_once() {
    let app = App::with(&FLAGS).await;
    let _replicas = tokio::join!(App::on(&app.database, &FLAGS), App::on(&app.database, &FLAGS));
    let add = "insert into auth.users (id, username, password_hash, create_time, update_time)
               select gen_random_uuid(), 'user-' || n, '', now(), now()
               from generate_series(1, 220) as n";
    app.database.execute(add).await;
    delete_users(&app, "%", "-1 second").await;
    eventually("all are purged", async || app.users().await == "0").await;
    let counts = "select concat(count(*), ' ', count(distinct user_id)) from auth.purged_users";
    assert_eq!(app.query(counts).await, "220 220");
    app.eventually_audit_rows(220).await;
}

#[tokio::test]
async fn while_another_instance_purges_events_this_one_does_not() {
    let app = App::with(&FLAGS).await;
    let mut other = PgConnection::connect(app.database.url()).await.unwrap();
    // "tandem" and the number of the lock.
    let lock = sqlx::query("select pg_advisory_lock(x'74616e64656d0002'::bigint)");
    lock.execute(&mut other).await.unwrap();
    add_events(&app, 1, "2 hours").await;
    // The users are purged before the events: after two rounds, one purge of events has ended.
    for (users, purged) in [("ada", 1), ("bob", 2)] {
        app.register(users).await;
        delete_users(&app, users, "-1 second").await;
        let count = "select count(*)::text from auth.purged_users";
        let is_purged = async || app.query(count).await == purged.to_string();
        eventually("a round of the purge has begun", is_purged).await;
    }
    let old = "select count(*)::text from auth.events where event = 'logged_out'";
    assert_eq!(app.query(old).await, "1");
    other.close().await.unwrap();
    eventually("the event is purged", async || app.query(old).await == "0").await;
}
