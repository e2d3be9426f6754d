//! Both services under the roles of `deploy/roles.sql`. Each role reaches only its own schema.

use std::time::Duration;

use proto::{
    auth::v1::{self as auth_pb, auth_service_client::AuthServiceClient},
    task::v1::{self as task_pb, task_service_client::TaskServiceClient},
};
use shared::{
    config::{self, DatabaseConfig},
    db,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, error::DatabaseError};
use test_support::{Service, TestDatabase};
use tonic::Status;
use url::Url;

use crate::support::{PASSWORD, document, with_token};

const SERVICES: [&str; 2] = ["auth_service", "task_service"];
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The services' database, on its own server because roles belong to the server.
struct Database {
    server: TestDatabase,
}

impl Database {
    /// An empty database, owned by a role that is not a superuser.
    async fn create() -> Self {
        let server = TestDatabase::create_on_own_server().await;
        server.execute("create role owner login createrole").await;
        server.execute("create database tandem owner owner").await;
        Self { server }
    }

    fn url(&self, role: &str) -> String {
        let mut url: Url = self.server.url().parse().expect("it is a URL");
        url.set_username(role).expect("such a URL has a user");
        url.set_path("tandem");
        url.into()
    }

    async fn migrate(&self) {
        let config = settings::<DatabaseConfig>(&["--database-url", &self.url("owner")]);
        db::migrate(&config).await.expect("the owner can migrate");
    }

    async fn make_roles(&self) {
        self.execute("owner", &document("deploy/roles.sql"))
            .await
            .expect("the owner can create roles");
    }

    async fn execute(&self, role: &str, sql: &str) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect(&self.url(role)).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.map(drop)
    }
}

/// A database with the newest schema and the roles.
async fn database() -> Database {
    let database = Database::create().await;
    database.migrate().await;
    database.make_roles().await;
    database
}

fn settings<T: clap::Args>(flags: &[&str]) -> T {
    config::settings(flags).expect("the flags are valid")
}

async fn start_auth(database: &Database) -> Service {
    start_auth_as("auth_service", database).await
}

async fn start_auth_as(role: &str, database: &Database) -> Service {
    let url = database.url(role);
    let config = settings::<auth_service::Config>(&[
        "--database-url",
        &url,
        "--database-migrate-on-start=false",
        "--root-key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "--bcrypt-cost=4",
        "--server-drain-delay-seconds=0",
    ]);
    Service::start(|listener, shutdown| auth_service::run(config, listener, shutdown)).await
}

async fn start_tasks(database: &Database, auth: &Service) -> Service {
    start_tasks_as("task_service", database, auth).await
}

async fn start_tasks_as(role: &str, database: &Database, auth: &Service) -> Service {
    let url = database.url(role);
    let jwks_url = format!("{}/.well-known/jwks.json", auth.url());
    let config = settings::<task_service::Config>(&[
        "--database-url",
        &url,
        "--database-migrate-on-start=false",
        "--jwks-url",
        &jwks_url,
        "--jwks-refresh-seconds=1",
        "--server-drain-delay-seconds=0",
    ]);
    Service::start(|listener, shutdown| task_service::run(config, listener, shutdown)).await
}

/// Registers a user, who creates, changes, deletes and lists tasks.
async fn use_both(auth: &Service, tasks: &Service) -> Result<(), Status> {
    let mut auth = AuthServiceClient::new(auth.channel());
    let (username, password) = ("ada".to_owned(), PASSWORD.to_owned());
    let register = auth_pb::RegisterRequest { username, password, ..Default::default() };
    auth.register(register).await?;
    let login = auth_pb::LoginRequest { username: "ada".into(), password: PASSWORD.into() };
    let tokens = auth.login(login).await?.into_inner().tokens().expect("tokens are returned");
    let refresh = auth_pb::RefreshTokenRequest { refresh_token: tokens.refresh_token };
    let tokens =
        auth.refresh_token(refresh).await?.into_inner().tokens.expect("tokens are returned");
    let token = &tokens.access_token;

    let mut tasks = TaskServiceClient::new(tasks.channel());
    let task = task_pb::Task { title: "Water the plants".into(), ..Default::default() };
    let create = task_pb::CreateTaskRequest { task: Some(task), ..Default::default() };
    let created = tasks.create_task(with_token(token, create)).await?.into_inner();
    let task =
        task_pb::Task { title: "Feed the cat".into(), ..created.task.expect("it is returned") };
    let task_id = task.id.clone();
    let update = task_pb::UpdateTaskRequest { task: Some(task), ..Default::default() };
    tasks.update_task(with_token(token, update)).await?;
    let list = with_token(token, task_pb::ListTasksRequest::default());
    assert_eq!(tasks.list_tasks(list).await?.into_inner().tasks[0].title, "Feed the cat");
    let delete = task_pb::DeleteTaskRequest { task_id, ..Default::default() };
    tasks.delete_task(with_token(token, delete)).await?;
    Ok(())
}

async fn is_ready(service: &Service) -> bool {
    tandem_server::is_ready(service.address()).await
}

/// Checks that each service reports an old schema as the reason that it is not ready.
async fn assert_too_old(database: &Database) {
    for role in SERVICES {
        let config = settings(&["--database-url", &database.url(role)]);
        let (_, probe) = db::connect(&config, "test", 1, &[], Duration::from_secs(30));
        let reason = probe.check().await.expect_err("the schema is too old");
        assert!(reason.contains("too old: run `migrate`"), "{role}: {reason}");
    }
}

#[tokio::test]
async fn both_services_work() {
    let database = database().await;
    let auth = start_auth(&database).await.ready().await;
    let tasks = start_tasks(&database, &auth).await.ready().await;
    use_both(&auth, &tasks).await.unwrap();
}

#[tokio::test]
async fn services_started_before_the_migrations_report_it_and_become_ready_later() {
    let database = Database::create().await;
    database.make_roles().await;
    let auth = start_auth(&database).await;
    let tasks = start_tasks(&database, &auth).await;
    assert_too_old(&database).await;
    assert!(!is_ready(&auth).await && !is_ready(&tasks).await);
    database.migrate().await;
    use_both(&auth.ready().await, &tasks.ready().await).await.unwrap();
}

#[tokio::test]
async fn services_wait_for_the_migration_of_a_newer_version() {
    let database = database().await;
    let rename = "update _sqlx_migrations set version = 106 where version = 6";
    database.execute("owner", rename).await.unwrap();
    let auth = start_auth(&database).await;
    let tasks = start_tasks(&database, &auth).await;
    assert_too_old(&database).await;
    assert!(!is_ready(&auth).await && !is_ready(&tasks).await);
    let rename = "update _sqlx_migrations set version = 6 where version = 106";
    database.execute("owner", rename).await.unwrap();
    use_both(&auth.ready().await, &tasks.ready().await).await.unwrap();
}

#[tokio::test]
async fn a_role_reaches_only_its_own_schema_and_alters_no_schema() {
    let database = database().await;
    database.make_roles().await;
    let foreign = [
        ["select from task.tasks", "select from task.feeds", "select from task.page_token_keys"],
        ["select from auth.users", "select from auth.sessions", "select from auth.signing_keys"],
    ];
    let forbidden = [
        "create table x ()",
        "create table auth.x ()",
        "create table task.x ()",
        "create temporary table x ()",
        "create schema x",
        "truncate auth.users",
        "truncate task.tasks",
        "delete from public._sqlx_migrations",
    ];
    for (role, foreign) in SERVICES.into_iter().zip(foreign) {
        for statement in foreign.into_iter().chain(forbidden) {
            let refused = database.execute(role, statement).await.unwrap_err();
            let code = refused.as_database_error().and_then(DatabaseError::code);
            assert_eq!(code.as_deref(), Some(INSUFFICIENT_PRIVILEGE), "{role}: {statement}");
        }
    }
}

#[tokio::test]
async fn tables_of_later_migrations_are_covered() {
    let database = database().await;
    let create = "create table auth.later (x int); create table task.later (x int)";
    database.execute("owner", create).await.unwrap();
    for (role, schema) in SERVICES.into_iter().zip(["auth", "task"]) {
        for statement in [
            format!("insert into {schema}.later values (1)"),
            format!("update {schema}.later set x = 2 where x = 1"),
            format!("delete from {schema}.later"),
        ] {
            database.execute(role, &statement).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_service_with_the_role_of_the_other_ends_and_reports_why() {
    let database = database().await;
    let auth = start_auth(&database).await.ready().await;
    let tasks = start_tasks_as("auth_service", &database, &auth).await;
    let other = start_auth_as("task_service", &database).await;
    for (service, schema) in [(tasks, "task"), (other, "auth")] {
        let causes = service.ended().await.unwrap_err().causes();
        assert!(causes.contains("deploy/roles.sql"), "{causes}");
        assert!(causes.ends_with(&format!("permission denied for schema {schema}")), "{causes}");
    }
}

#[tokio::test]
async fn a_role_without_the_right_to_migrate_fails_at_once_and_reports_why() {
    let database = Database::create().await;
    database.make_roles().await;
    for role in SERVICES {
        let config = settings::<DatabaseConfig>(&["--database-url", &database.url(role)]);
        let causes = db::migrate(&config).await.unwrap_err().causes();
        assert!(causes.contains("permission denied for schema public"), "{causes}");
    }
}
