//! The harness: a running task-service with a database of its own, an issuer whose keys the test
//! holds, and users with a client each.

use proto::task::v1::{self as pb, task_service_client::TaskServiceClient};
use shared::{config::CommandLine, ids::UserId};
use task_service::Config;
use test_support::{Service, TestDatabase, TestIssuer, TestKey};
use tonic::{
    Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

/// A running task-service.
pub(crate) struct App {
    pub(crate) database: TestDatabase,
    pub(crate) key: TestKey,
    pub(crate) issuer: TestIssuer,
    pub(crate) service: Service,
}

/// A client whose every call carries an access token.
pub(crate) type Client = TaskServiceClient<InterceptedService<Channel, Token>>;

/// Somebody with tasks.
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) client: Client,
}

impl App {
    /// With a database of its own, ready for calls.
    pub(crate) async fn start() -> Self {
        Self::start_on(TestDatabase::create().await, &[]).await
    }

    /// On this database and with these flags, ready for calls.
    pub(crate) async fn start_on(database: TestDatabase, flags: &[&str]) -> Self {
        let key = TestKey::generate("first");
        let issuer = TestIssuer::start(&[&key]).await;
        let config = config(&database, &issuer, flags);
        let run = |listener, shutdown| task_service::run(config, listener, shutdown);
        let service = Service::start(run).await.ready().await;
        Self { database, key, issuer, service }
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
        TaskServiceClient::with_interceptor(self.service.channel(), Token(token.to_owned()))
    }
}

impl User {
    /// Creates a task with this title and nothing else.
    pub(crate) async fn create(&self, title: &str) -> pb::Task {
        let task = pb::Task { title: title.into(), ..Default::default() };
        let request = pb::CreateTaskRequest { task: Some(task) };
        let answer = self.client.clone().create_task(request).await.expect("it is created");
        answer.into_inner().task.expect("a task is returned")
    }
}

/// The settings of a service on this database that trusts this issuer, with these flags.
pub(crate) fn config(database: &TestDatabase, issuer: &TestIssuer, flags: &[&str]) -> Config {
    let mut args = vec!["task-service", "--database-url", database.url()];
    args.extend(["--jwks-url", issuer.url(), "--server-drain-delay-seconds", "0"]);
    args.extend(flags);
    let command_line = CommandLine::new::<Config>(clap::Command::new("task-service"), args);
    command_line.settings().expect("the test's flags are good")
}

/// Puts an access token into every call.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = format!("Bearer {}", self.0).parse().expect("a token is ASCII");
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}
