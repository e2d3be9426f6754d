//! The harness: a running auth-service with a database of its own, and a client.

use auth_service::Config;
use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use shared::config::CommandLine;
use test_support::{Service, TestDatabase};
use tonic::{Request, transport::Channel};

/// A password that every rule accepts.
pub(crate) const PASSWORD: &str = "quiet-otter-sails-north";
const ROOT_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A running auth-service.
pub(crate) struct App {
    pub(crate) database: TestDatabase,
    pub(crate) service: Service,
}

impl App {
    /// With a database of its own, ready for calls.
    pub(crate) async fn start() -> Self {
        Self::start_on(TestDatabase::create().await, &[]).await
    }

    /// On this database and with these flags, ready for calls.
    pub(crate) async fn start_on(database: TestDatabase, flags: &[&str]) -> Self {
        let config = config(&database, flags);
        let run = |listener, shutdown| auth_service::run(config, listener, shutdown);
        let service = Service::start(run).await.ready().await;
        Self { database, service }
    }

    pub(crate) fn client(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.service.channel())
    }

    /// Registers somebody with [`PASSWORD`].
    pub(crate) async fn register(&self, username: &str) -> pb::User {
        let request = pb::RegisterRequest { username: username.into(), password: PASSWORD.into() };
        let answer = self.client().register(request).await.expect("the user is registered");
        answer.into_inner().user.expect("a user is returned")
    }

    /// Logs somebody in with [`PASSWORD`] and returns the access token.
    pub(crate) async fn log_in(&self, username: &str) -> String {
        let request = pb::LoginRequest { username: username.into(), password: PASSWORD.into() };
        let answer = self.client().login(request).await.expect("the user is logged in");
        answer.into_inner().tokens.expect("tokens are returned").access_token
    }
}

/// The settings of a service on this database, with a cheap bcrypt and these flags.
pub(crate) fn config(database: &TestDatabase, flags: &[&str]) -> Config {
    let mut args = vec!["auth-service", "--database-url", database.url()];
    args.extend(["--bcrypt-cost", "4", "--server-drain-delay-seconds", "0"]);
    if !flags.contains(&"--root-key") {
        args.extend(["--root-key", ROOT_KEY]);
    }
    args.extend(flags);
    let command_line = CommandLine::new::<Config>(clap::Command::new("auth-service"), args);
    command_line.settings().expect("the test's flags are good")
}

/// A request with an access token.
pub(crate) fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().expect("a token is ASCII");
    request.metadata_mut().insert("authorization", value);
    request
}
