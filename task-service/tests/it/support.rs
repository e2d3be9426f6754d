//! The harness: a running task-service with a database of its own, an issuer whose keys the test
//! holds, and users with a client each.

mod program;
mod user;
mod wire;

use proto::task::v1::{self as pb, task_service_client::TaskServiceClient};
use shared::{config, ids::UserId};
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

/// A client that sends fixed `authorization` entries with every call.
pub(crate) type Client = TaskServiceClient<InterceptedService<Channel, Authorization>>;

impl App {
    /// Starts a service on a new database, and waits until it is ready.
    pub(crate) async fn start() -> Self {
        Self::start_on(TestDatabase::create().await, &[]).await
    }

    /// As [`start`](Self::start), with these flags.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        Self::start_on(TestDatabase::create().await, flags).await
    }

    /// As [`start`](Self::start), on this database and with these flags.
    pub(crate) async fn start_on(database: TestDatabase, flags: &[&str]) -> Self {
        let key = TestKey::generate("first");
        let issuer = TestIssuer::start(&[&key]).await;
        let service = run(&database, issuer.url(), flags).await.ready().await;
        Self { database, key, issuer, service }
    }

    /// Starts another service on the same database with the same issuer.
    pub(crate) async fn replica(&self) -> Service {
        self.replica_with(&[]).await
    }

    /// As [`replica`](Self::replica), with these flags.
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

/// Starts a service on this database with the keys at this URL and these flags, without waiting
/// until it is ready.
pub(crate) async fn run(database: &TestDatabase, jwks_url: &str, flags: &[&str]) -> Service {
    let config = config(database, jwks_url, flags);
    Service::start(|listener, shutdown| task_service::run(config, listener, shutdown)).await
}

/// The settings of a service on this database with the keys at this URL, and these flags.
pub(crate) fn config(database: &TestDatabase, jwks_url: &str, flags: &[&str]) -> Config {
    let mut args = vec!["--database-url", database.url()];
    args.extend(["--jwks-url", jwks_url, "--server-drain-delay-seconds", "0"]);
    args.extend(flags);
    config::settings(args).expect("the test's flags are valid")
}

/// A client of this service that sends these `authorization` entries.
pub(crate) fn client_of(service: &Service, entries: &[&str]) -> Client {
    let parse = |entry: &&str| entry.parse().expect("the test's entries are ASCII");
    let authorization = Authorization(entries.iter().map(parse).collect());
    TaskServiceClient::with_interceptor(service.channel(), authorization)
}

/// Adds `authorization` entries to every call: none, one or several.
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

/// The method of a call and its result without the message.
pub(crate) type CallResult = (&'static str, Result<Response<()>, Status>);

/// Calls each RPC that takes a task id with this one; those that delete come last.
pub(crate) async fn call_each_about(client: &Client, id: &str) -> [CallResult; 7] {
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
        ("GetTask", get.map(without_message)),
        ("BatchGetTasks", gets.map(without_message)),
        ("UpdateTask", update.map(without_message)),
        ("BatchUpdateTasks", updates.map(without_message)),
        ("DeleteTask", delete.map(without_message)),
        ("UndeleteTask", undelete.map(without_message)),
        ("BatchDeleteTasks", deletes.map(without_message)),
    ]
}

/// Calls each RPC with a valid request, with an absent task where it takes an id.
pub(crate) async fn call_each(client: &Client) -> Vec<CallResult> {
    let create = pb::CreateTaskRequest { task: Some(titled("new")), ..Default::default() };
    let creates =
        pb::BatchCreateTasksRequest { requests: vec![create.clone()], ..Default::default() };
    let create = client.clone().create_task(create).await.map(without_message);
    let creates = client.clone().batch_create_tasks(creates).await.map(without_message);
    let list = client.clone().list_tasks(pb::ListTasksRequest::default()).await;
    let mut outcomes = vec![
        ("CreateTask", create),
        ("BatchCreateTasks", creates),
        ("ListTasks", list.map(without_message)),
    ];
    outcomes.extend(call_each_about(client, ABSENT_ID).await);
    outcomes
}

/// Checks that each RPC rejects a valid request with the same error.
pub(crate) async fn assert_each_refuses(client: &Client, expected: &Refusal, case: &str) {
    for (method, answer) in call_each(client).await {
        assert_eq!(refusal(answer), *expected, "{method}: {case}");
    }
}

/// Whether the service accepts the token of this client.
pub(crate) async fn accepts(client: &Client) -> bool {
    client.clone().list_tasks(pb::ListTasksRequest::default()).await.is_ok()
}

/// The error of a call without a valid access token.
pub(crate) fn unauthenticated(reason: &str) -> Refusal {
    Refusal::new(Code::Unauthenticated, reason)
}

/// The error of a call for an absent task.
pub(crate) fn task_not_found() -> Refusal {
    Refusal::new(Code::NotFound, "TASK_NOT_FOUND")
}

fn without_message<T>(response: Response<T>) -> Response<()> {
    response.map(|_| ())
}
