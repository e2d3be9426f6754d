//! The harness: a running task-service with a database of its own, an issuer whose keys the test
//! holds, and users with a client each.

mod program;
mod user;
mod wire;

use proto::task::v1::{self as pb, task_service_client::TaskServiceClient};
use shared::{config::CommandLine, ids::UserId};
use task_service::Config;
use test_support::{Refusal, Service, TestDatabase, TestIssuer, TestKey, bearer, refusal};
use tonic::{
    Code, Request, Response, Status,
    metadata::AsciiMetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

pub(crate) use program::Program;
pub(crate) use user::{User, titled};
pub(crate) use wire::{METHODS, call_with_bytes};

/// A well-formed id that no task has.
pub(crate) const ABSENT_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// With these flags a service has one connection for its calls.
pub(crate) const ONE_CONNECTION: [&str; 4] =
    ["--server-workers", "1", "--database-max-connections", "1"];

/// A running task-service.
pub(crate) struct App {
    pub(crate) database: TestDatabase,
    pub(crate) key: TestKey,
    pub(crate) issuer: TestIssuer,
    pub(crate) service: Service,
}

/// A client whose every call carries what a test says as `authorization`.
pub(crate) type Client = TaskServiceClient<InterceptedService<Channel, Authorization>>;

impl App {
    /// With a database of its own, ready for calls.
    pub(crate) async fn start() -> Self {
        Self::start_on(TestDatabase::create().await, &[]).await
    }

    /// With a database of its own and these flags, ready for calls.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_on(TestDatabase::create().await, flags).await
    }

    /// On this database and with these flags, ready for calls.
    pub(crate) async fn start_on(database: TestDatabase, flags: &[&str]) -> Self {
        let key = TestKey::generate("first");
        let issuer = TestIssuer::start(&[&key]).await;
        let service = run(&database, issuer.url(), flags).await.ready().await;
        Self { database, key, issuer, service }
    }

    /// Another service on the same database with the same issuer, ready for calls.
    pub(crate) async fn replica(&self) -> Service {
        self.replica_with(&[]).await
    }

    /// Another service on the same database with the same issuer and these flags, ready for calls.
    pub(crate) async fn replica_with(&self, flags: &[&str]) -> Service {
        run(&self.database, self.issuer.url(), flags).await.ready().await
    }

    /// The same user at another service.
    pub(crate) fn at(&self, service: &Service, user: &User) -> User {
        let token = bearer(&self.key.token(user.id));
        User { id: user.id, client: client_of(service, &[&token]) }
    }

    /// New users: `let [alice, bob] = app.users();`
    pub(crate) fn users<const N: usize>(&self) -> [User; N] {
        std::array::from_fn(|_| {
            let id = UserId::generate();
            User { id, client: self.client(&self.key.token(id)) }
        })
    }

    /// A client that sends this token.
    pub(crate) fn client(&self, token: &str) -> Client {
        client_of(&self.service, &[&bearer(token)])
    }
}

/// Runs a service on this database with the keys at this URL, and these flags. It need not be
/// ready.
pub(crate) async fn run(database: &TestDatabase, jwks_url: &str, flags: &[&str]) -> Service {
    let config = config(database, jwks_url, flags);
    Service::start(|listener, shutdown| task_service::run(config, listener, shutdown)).await
}

/// The settings of a service on this database with the keys at this URL, and these flags.
pub(crate) fn config(database: &TestDatabase, jwks_url: &str, flags: &[&str]) -> Config {
    let mut args = vec!["task-service", "--database-url", database.url()];
    args.extend(["--jwks-url", jwks_url, "--server-drain-delay-seconds", "0"]);
    args.extend(flags);
    let command_line = CommandLine::new::<Config>(clap::Command::new("task-service"), args);
    command_line.settings().expect("the test's flags are good")
}

/// A client of this service that sends these `authorization` entries.
pub(crate) fn client_of(service: &Service, entries: &[&str]) -> Client {
    let parse = |entry: &&str| entry.parse().expect("the test's entries are ASCII");
    let authorization = Authorization(entries.iter().map(parse).collect());
    TaskServiceClient::with_interceptor(service.channel(), authorization)
}

/// Puts `authorization` entries into every call: none, one or more.
#[derive(Clone)]
pub(crate) struct Authorization(Vec<AsciiMetadataValue>);

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for entry in &self.0 {
            request.metadata_mut().append("authorization", entry.clone());
        }
        Ok(request)
    }
}

/// A call's method and its outcome without the content.
pub(crate) type Outcome = (&'static str, Result<Response<()>, Status>);

/// Calls each RPC that takes a task's id, about this one: those that delete come last.
pub(crate) async fn call_each_about(client: &Client, id: &str) -> [Outcome; 7] {
    let mut client = client.clone();
    let (task_id, task_ids) = (id.to_owned(), vec![id.to_owned()]);
    let task = pb::Task { id: task_id.clone(), title: "changed".into(), ..Default::default() };
    let update = pb::UpdateTaskRequest { task: Some(task), ..Default::default() };
    let updates =
        pb::BatchUpdateTasksRequest { requests: vec![update.clone()], validate_only: false };
    let delete = pb::DeleteTaskRequest { task_id: task_id.clone(), etag: String::new() };
    let deletes = pb::BatchDeleteTasksRequest { requests: vec![delete.clone()] };
    let get = client.get_task(pb::GetTaskRequest { task_id: task_id.clone() }).await;
    let gets = client.batch_get_tasks(pb::BatchGetTasksRequest { task_ids }).await;
    let update = client.update_task(update).await;
    let updates = client.batch_update_tasks(updates).await;
    let delete = client.delete_task(delete).await;
    let undelete = client.undelete_task(pb::UndeleteTaskRequest { task_id }).await;
    let deletes = client.batch_delete_tasks(deletes).await;
    [
        ("GetTask", get.map(without_content)),
        ("BatchGetTasks", gets.map(without_content)),
        ("UpdateTask", update.map(without_content)),
        ("BatchUpdateTasks", updates.map(without_content)),
        ("DeleteTask", delete.map(without_content)),
        ("UndeleteTask", undelete.map(without_content)),
        ("BatchDeleteTasks", deletes.map(without_content)),
    ]
}

/// Calls each RPC with a good request, about a task that is not there where it takes an id.
pub(crate) async fn call_each(client: &Client) -> Vec<Outcome> {
    let create = pb::CreateTaskRequest { task: Some(titled("new")), ..Default::default() };
    let creates =
        pb::BatchCreateTasksRequest { requests: vec![create.clone()], ..Default::default() };
    let create = client.clone().create_task(create).await.map(without_content);
    let creates = client.clone().batch_create_tasks(creates).await.map(without_content);
    let list = client.clone().list_tasks(pb::ListTasksRequest::default()).await;
    let mut outcomes = vec![
        ("CreateTask", create),
        ("BatchCreateTasks", creates),
        ("ListTasks", list.map(without_content)),
    ];
    outcomes.extend(call_each_about(client, ABSENT_ID).await);
    outcomes
}

/// Checks that each RPC refuses a good request in the same way.
pub(crate) async fn assert_each_refuses(client: &Client, expected: &Refusal, case: &str) {
    for (method, answer) in call_each(client).await {
        assert_eq!(refusal(answer), *expected, "{method}: {case}");
    }
}

/// Whether the service takes the token of this client now.
pub(crate) async fn accepts(client: &Client) -> bool {
    client.clone().list_tasks(pb::ListTasksRequest::default()).await.is_ok()
}

/// What a call without a good access token gets.
pub(crate) fn unauthenticated(reason: &str) -> Refusal {
    Refusal::new(Code::Unauthenticated, reason)
}

/// What a call about an absent task gets.
pub(crate) fn task_not_found() -> Refusal {
    Refusal::new(Code::NotFound, "TASK_NOT_FOUND")
}

fn without_content<T>(response: Response<T>) -> Response<()> {
    response.map(|_| ())
}
