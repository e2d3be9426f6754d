//! When a user is purged, task-service purges their tasks: both real services, each with a database
//! of its own.

use std::net::SocketAddr;

use proto::{
    auth::v1::{
        self as auth_pb, admin_service_client::AdminServiceClient,
        auth_service_client::AuthServiceClient,
    },
    task::v1::{self as task_pb, task_service_client::TaskServiceClient},
};
use shared::config;
use sqlx::AssertSqlSafe;
use test_support::{Service, TestDatabase, eventually, with_token};

use crate::support::PASSWORD;

const SECRET: &str = "a-secret-of-32-visible-characters";
const OTHER_SECRET: &str = "another-secret-of-32-characters!";
/// Before the first look, so that none is made.
const NEVER: &str = "86400";

/// Two databases and an auth-service on one of them.
struct World {
    auth_database: TestDatabase,
    task_database: TestDatabase,
    auth: Service,
    /// The access token of an administrator.
    admin: String,
}

impl World {
    async fn new() -> Self {
        let (auth_database, task_database) =
            (TestDatabase::create().await, TestDatabase::create().await);
        let auth = start_auth(&auth_database, ([127, 0, 0, 1], 0).into()).await;
        let auth = auth.ready().await;
        register(&auth, "operator-1").await;
        auth_database.execute("update auth.users set roles = '{admin}'").await;
        let admin = log_in(&auth, "operator-1").await;
        Self { auth_database, task_database, auth, admin }
    }

    /// A task-service that presents this secret, and looks for events in this interval.
    async fn start_tasks(&self, secret: &str, interval: &str) -> Service {
        let jwks = format!("{}/.well-known/jwks.json", self.auth.url());
        let url = self.task_database.url();
        let flags = ["--database-url", url, "--jwks-url", &jwks, "--account-events-secret", secret];
        let more = ["--account-events-interval-seconds", interval];
        let more = [&more[..], &["--server-drain-delay-seconds", "0"]].concat();
        let config: task_service::Config =
            config::settings([&flags[..], &more].concat()).expect("the flags are valid");
        let run = |listener, shutdown| task_service::run(config, listener, shutdown);
        Service::start(run).await.ready().await
    }

    /// Registers a user who creates tasks. Returns the user's id.
    async fn new_owner(&self, tasks: &Service, name: &str, count: usize) -> String {
        let user_id = register(&self.auth, name).await;
        let token = log_in(&self.auth, name).await;
        let mut client = TaskServiceClient::new(tasks.channel());
        let task = Some(task_pb::Task { title: "x".into(), ..Default::default() });
        let create = task_pb::CreateTaskRequest { task, ..Default::default() };
        for (i, batch) in vec![(); count].chunks(100).enumerate() {
            let requests = vec![create.clone(); batch.len()];
            let request_id = uuid_of(i);
            let batch =
                task_pb::BatchCreateTasksRequest { requests, request_id, ..Default::default() };
            let created = client.batch_create_tasks(with_token(&token, batch)).await;
            created.expect("the tasks are created");
        }
        let task_id = {
            let list = with_token(&token, task_pb::ListTasksRequest::default());
            let tasks = client.list_tasks(list).await.expect("the tasks are listed").into_inner();
            tasks.tasks[0].id.clone()
        };
        let delete = task_pb::DeleteTaskRequest { task_id, ..Default::default() };
        client.delete_task(with_token(&token, delete)).await.expect("the task is deleted");
        user_id
    }

    /// Deletes a user, and waits until the user is purged.
    async fn purge(&self, user_id: &str) {
        let mut client = AdminServiceClient::new(self.auth.channel());
        let delete = auth_pb::DeleteUserRequest { user_id: user_id.into(), etag: String::new() };
        let deleted = client.delete_user(with_token(&self.admin, delete)).await;
        deleted.expect("the user is deleted");
        let listed = format!("select count(*) from auth.purged_users where user_id = '{user_id}'");
        let is_purged = async || count(&self.auth_database, &listed).await == 1;
        eventually("the user is purged", is_purged).await;
    }

    /// The number of rows that this user owns.
    async fn rows_of(&self, user_id: &str) -> i64 {
        let rows = ["task.tasks", "task.feeds", "task.requests"]
            .map(|table| format!("(select count(*) from {table} where owner_id = '{user_id}')"));
        count(&self.task_database, &format!("select {}", rows.join(" + "))).await
    }

    async fn eventually_gone(&self, user_id: &str) {
        eventually("nothing of the user is left", async || self.rows_of(user_id).await == 0).await;
    }
}

async fn register(auth: &Service, username: &str) -> String {
    let mut client = AuthServiceClient::new(auth.channel());
    let (username, password) = (username.to_owned(), PASSWORD.to_owned());
    let request = auth_pb::RegisterRequest { username, password, ..Default::default() };
    let answer = client.register(request).await.expect("the user is registered").into_inner();
    answer.user.expect("the user is returned").id
}

async fn log_in(auth: &Service, username: &str) -> String {
    let mut client = AuthServiceClient::new(auth.channel());
    let (username, password) = (username.to_owned(), PASSWORD.to_owned());
    let answer = client.login(auth_pb::LoginRequest { username, password }).await;
    let tokens = answer.expect("the login succeeds").into_inner().tokens();
    tokens.expect("tokens are returned").access_token
}

async fn start_auth(database: &TestDatabase, address: SocketAddr) -> Service {
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let flags = ["--root-key", key, "--database-url", database.url(), "--bcrypt-cost", "4"];
    let more = ["--account-events-secret", SECRET, "--purge-interval-seconds", "1"];
    let drain = ["--server-drain-delay-seconds", "0", "--deleted-user-retention-seconds", "1"];
    let config: auth_service::Config =
        config::settings([&flags[..], &more, &drain].concat()).expect("the flags are valid");
    let run = |listener, shutdown| auth_service::run(config, listener, shutdown);
    Service::start_at(address, run).await
}

async fn count(database: &TestDatabase, sql: &str) -> i64 {
    let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
    query.fetch_one(&database.pool().await).await.expect("it is counted")
}

/// Any id, another for each number.
fn uuid_of(number: usize) -> String {
    format!("01890a5d-ac96-774b-bcce-{number:012}")
}

#[tokio::test]
async fn tasks_of_a_purged_user_are_purged_even_if_task_service_was_down() {
    let world = World::new().await;
    let tasks = world.start_tasks(SECRET, NEVER).await;
    // More than a statement purges.
    let ada = world.new_owner(&tasks, "ada", 1100).await;
    let bob = world.new_owner(&tasks, "bob", 3).await;
    let (of_ada, of_bob) = (world.rows_of(&ada).await, world.rows_of(&bob).await);
    // Tasks, the feed, and a request for each batch.
    assert_eq!((of_ada, of_bob), (1100 + 1 + 11, 3 + 1 + 1));
    tasks.stop().await.unwrap();
    world.purge(&ada).await;

    let tasks = world.start_tasks(SECRET, "1").await;
    world.eventually_gone(&ada).await;
    assert_eq!(world.rows_of(&bob).await, of_bob);
    let series = "tandem_task_account_events_caught_up_timestamp_seconds";
    eventually("all events are applied", async || tasks.count(series).await > 0).await;
    assert_eq!(tasks.count("tandem_task_account_events_pending").await, 0);
    world.purge(&bob).await;
    world.eventually_gone(&bob).await;
}

#[tokio::test]
async fn task_service_goes_on_without_auth_service_and_follows_when_it_is_back() {
    let mut world = World::new().await;
    let tasks = world.start_tasks(SECRET, "1").await;
    let ada = world.new_owner(&tasks, "ada", 2).await;
    // Another instance, which purges but answers at another address.
    let other = start_auth(&world.auth_database, ([127, 0, 0, 1], 0).into()).await.ready().await;
    let known = std::mem::replace(&mut world.auth, other);
    let address = known.address();
    known.stop().await.unwrap();
    let failed = "tandem_task_account_events_polls_total{result=\"failed\"}";
    eventually("a look fails", async || tasks.count(failed).await > 0).await;
    assert!(tasks.is_ready().await);
    world.purge(&ada).await;
    assert!(world.rows_of(&ada).await > 0, "no auth-service answers at {address}");
    let _auth = start_auth(&world.auth_database, address).await.ready().await;
    world.eventually_gone(&ada).await;
}

#[tokio::test]
async fn with_a_wrong_secret_tasks_stay_until_it_is_right() {
    let world = World::new().await;
    let tasks = world.start_tasks(OTHER_SECRET, "1").await;
    let ada = world.new_owner(&tasks, "ada", 2).await;
    world.purge(&ada).await;
    let before = world.rows_of(&ada).await;
    let failed = "tandem_task_account_events_polls_total{result=\"failed\"}";
    eventually("two looks fail", async || tasks.count(failed).await > 1).await;
    assert_eq!(world.rows_of(&ada).await, before);
    let _right = world.start_tasks(SECRET, "1").await;
    world.eventually_gone(&ada).await;
}

#[tokio::test]
async fn replicas_of_task_service_apply_all_events_and_one_at_a_time_follows() {
    let world = World::new().await;
    let first = world.start_tasks(SECRET, "1").await;
    let mut owners = Vec::new();
    for i in 0..6 {
        owners.push(world.new_owner(&first, &format!("user-{i}"), 2).await);
    }
    let _others = tokio::join!(world.start_tasks(SECRET, "1"), world.start_tasks(SECRET, "1"));
    for owner in &owners {
        world.purge(owner).await;
    }
    for owner in &owners {
        world.eventually_gone(owner).await;
    }
    let failed = "tandem_task_account_events_polls_total{result=\"failed\"}";
    assert_eq!(first.count(failed).await, 0);

    // While an instance has the lease, no other one looks.
    let ada = world.new_owner(&first, "ada", 2).await;
    let lease = "update task.followed
                 set holder = gen_random_uuid(), lease_expire_time = now() + interval '1 hour'";
    world.task_database.execute(lease).await;
    world.purge(&ada).await;
    let polls = "tandem_task_account_events_polls_total{result=\"succeeded\"}";
    let before = first.count(polls).await;
    eventually("two looks are skipped", async || first.count(polls).await > before + 1).await;
    assert!(world.rows_of(&ada).await > 0);
    world.task_database.execute("update task.followed set lease_expire_time = now()").await;
    world.eventually_gone(&ada).await;
}

#[tokio::test]
async fn a_restored_auth_database_is_followed_from_its_beginning() {
    let world = World::new().await;
    let tasks = world.start_tasks(SECRET, "1").await;
    let ada = world.new_owner(&tasks, "ada", 2).await;
    // As after a restore of auth-service's database from a backup.
    world.task_database.execute("update task.followed set sequence = 1000").await;
    world.purge(&ada).await;
    world.eventually_gone(&ada).await;
    let place = "select sequence from task.followed";
    eventually("the place is that of the last event", async || {
        count(&world.task_database, place).await == 1
    })
    .await;
}
