//! Calls that are coalesced into one statement stay independent of each other.

mod quarantine;

use std::{collections::HashMap, time::Duration};

use proto::task::v1 as pb;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use test_support::{Refusal, eventually, refusal};
use tokio::{task::JoinHandle, time::timeout};
use tonic::Code;

use crate::support::{App, User, titled};

const CREATE: (&str, &str) = ("tandem.task.v1.TaskService", "CreateTask");
const ONE_WORKER: [&str; 8] = [
    "--server-workers",
    "1",
    // Longer than any test: a blocked call waits for the test to release it.
    "--call-timeout-seconds",
    "60",
    "--database-statement-timeout-ms",
    "60000",
    "--database-lock-timeout-ms",
    "60000",
];

/// A create that waits for a lock, so that later calls queue behind it.
struct Blocked {
    first: JoinHandle<pb::Task>,
    lock: PgConnection,
}

impl Blocked {
    /// Blocks a create of a new user.
    async fn start(app: &App) -> Self {
        let [zoe] = app.users();
        zoe.create("before").await;
        let mut lock =
            PgConnection::connect(app.database.url()).await.expect("the database answers");
        let sql = format!("begin; select from task.feeds where owner_id = '{}' for update", zoe.id);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut lock).await.expect("the database answers");
        let first = tokio::spawn(async move { zoe.create("first").await });
        eventually("the first create waits", async || waiting(&mut lock).await == 1).await;
        Self { first, lock }
    }

    /// Waits until so many creates have arrived since the service started.
    async fn until_arrived(&mut self, app: &App, count: u64) {
        let [service, method] = [CREATE.0, CREATE.1];
        let series = format!(
            "grpc_server_started_total{{grpc_method=\"{method}\",grpc_service=\"{service}\",\
             grpc_type=\"unary\"}}"
        );
        eventually("all calls have arrived", async || app.service.count(&series).await == count)
            .await;
        assert_eq!(waiting(&mut self.lock).await, 1, "only the blocked statement is running");
    }

    async fn release(mut self) {
        sqlx::raw_sql("commit").execute(&mut self.lock).await.expect("the database answers");
        self.first.await.expect("it is created");
    }
}

/// How many statements wait for a lock.
async fn waiting(database: &mut PgConnection) -> i64 {
    // Without this, a transaction does not see connections that were opened after its first query.
    let clear = sqlx::query("select pg_stat_clear_snapshot()").execute(&mut *database);
    clear.await.expect("the database answers");
    let sql = "select count(*) from pg_stat_activity
               where wait_event_type = 'Lock' and datname = current_database()";
    sqlx::query_scalar(sql).fetch_one(database).await.expect("the database answers")
}

fn spawn_create(user: &User, title: &str) -> JoinHandle<Result<pb::Task, tonic::Status>> {
    let (user, task) = (user.clone(), titled(title));
    tokio::spawn(async move {
        Ok(user.try_create(task).await?.into_inner().task.expect("a task is returned"))
    })
}

/// How many tasks of a user each transaction wrote.
async fn by_transaction(app: &App, user: &User) -> HashMap<String, i64> {
    let sql = format!(
        "select xmin::text, count(*) from task.tasks where owner_id = '{}' group by 1",
        user.id
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&app.database.pool().await).await;
    rows.expect("the database answers").iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn queued_calls_share_one_transaction() {
    let app = App::start_with(&ONE_WORKER).await;
    let mut blocked = Blocked::start(&app).await;
    let users: [User; 20] = app.users();
    let calls: Vec<_> = users.iter().map(|user| spawn_create(user, &user.id.to_string())).collect();
    blocked.until_arrived(&app, 22).await;
    blocked.release().await;
    let mut transactions = Vec::new();
    for (user, call) in users.iter().zip(calls) {
        let task = call.await.unwrap().unwrap();
        assert_eq!(task.title, user.id.to_string());
        assert_eq!(user.get(&task.id).await, task);
        transactions.extend(by_transaction(&app, user).await.into_keys());
    }
    assert_eq!(transactions.len(), 20);
    assert!(transactions.iter().all(|other| *other == transactions[0]), "{transactions:?}");
}

#[tokio::test]
async fn a_failing_call_fails_no_other_call_of_its_batch() {
    let app = App::start_with(&ONE_WORKER).await;
    app.database
        .execute(
            "create function refuse() returns trigger language plpgsql as $$
                 begin
                     if new.title = 'bad' then raise exception 'on purpose'; end if;
                     return new;
                 end
             $$;
             create trigger refuse before insert on task.tasks
                 for each row execute function refuse()",
        )
        .await;
    let mut blocked = Blocked::start(&app).await;
    let users: [User; 9] = app.users();
    let title = |i| if i == 4 { "bad" } else { "good" };
    let calls = users.iter().enumerate().map(|(i, user)| spawn_create(user, title(i)));
    let calls: Vec<_> = calls.collect();
    blocked.until_arrived(&app, 11).await;
    blocked.release().await;
    for (i, (user, call)) in users.iter().zip(calls).enumerate() {
        let answer = call.await.unwrap();
        if i == 4 {
            assert_eq!(refusal(answer), Refusal::new(Code::Internal, "INTERNAL"));
            assert_eq!(user.count(&app.database).await, 0);
        } else {
            assert_eq!(user.get(&answer.unwrap().id).await.title, "good");
        }
    }
}

#[tokio::test]
async fn a_call_cancelled_while_queued_is_not_executed() {
    let app = App::start_with(&ONE_WORKER).await;
    let mut blocked = Blocked::start(&app).await;
    let [alice, bob] = app.users();
    let cancelled_call = spawn_create(&alice, "cancelled");
    let kept = spawn_create(&bob, "kept");
    blocked.until_arrived(&app, 4).await;
    cancelled_call.abort();
    let cancelled = async || app.service.handled(CREATE, "Canceled").await == 1;
    eventually("the service has seen the cancellation", cancelled).await;
    blocked.release().await;
    kept.await.unwrap().unwrap();
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn an_owner_with_many_calls_leaves_room_for_others() {
    let app = App::start_with(&ONE_WORKER).await;
    let mut blocked = Blocked::start(&app).await;
    let [alice, bob] = app.users();
    let hers: Vec<_> = (0..150).map(|n| spawn_create(&alice, &n.to_string())).collect();
    blocked.until_arrived(&app, 152).await;
    let his = spawn_create(&bob, "small");
    blocked.until_arrived(&app, 153).await;
    blocked.release().await;
    let his = his.await.unwrap().unwrap();
    let mut later = 0;
    for call in hers {
        let created = call.await.unwrap().unwrap().create_time.unwrap();
        let his = his.create_time.unwrap();
        later += usize::from((created.seconds, created.nanos) > (his.seconds, his.nanos));
    }
    assert!(later > 75, "{later} of 150 earlier calls were executed after his");
}

#[tokio::test]
async fn of_queued_updates_with_one_etag_exactly_one_wins() {
    let app = App::start_with(&ONE_WORKER).await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let (alice, task) = (alice.clone(), task.clone());
            let task = pb::Task { title: n.to_string(), ..task };
            tokio::spawn(async move { alice.try_update(task, &["title"]).await })
        })
        .collect();
    let mut made = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => made.extend(answer.into_inner().task),
            refused => assert_eq!(refusal(refused).reason, "ETAG_MISMATCH"),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(alice.get(&task.id).await, made[0]);
}

#[tokio::test]
async fn an_unreadable_task_hides_no_other() {
    let app = App::start_with(&ONE_WORKER).await;
    let [alice, bob] = app.users();
    let (hers, his) = (alice.create("x").await, bob.create("y").await);
    app.database.execute("update task.tasks set create_time = 'infinity' where title = 'x'").await;
    let both = (0..20).map(|_| async {
        let (broken, good) = tokio::join!(alice.try_get(&hers.id), bob.try_get(&his.id));
        assert_eq!(refusal(broken), Refusal::new(Code::Internal, "INTERNAL"));
        assert_eq!(good.unwrap().into_inner().task, Some(his.clone()));
    });
    let all = futures_util::future::join_all(both);
    timeout(Duration::from_secs(20), all).await.expect("all are answered");
}
