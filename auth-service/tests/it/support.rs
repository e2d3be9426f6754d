//! The harness: a running auth-service with a database of its own, and its clients.

use std::sync::Arc;

use auth_service::Config;
use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use shared::{config, error::Error};
use sqlx::AssertSqlSafe;
use test_support::{Service, TestDatabase, with_token};
use tokio::task::JoinHandle;
use tonic::{Response, Status, transport::Channel};

mod account;
mod admin;
mod audit;
mod factor;
mod login;
mod program;
mod request;
mod sabotage;
mod token;

pub(crate) use admin::{Admin, imported_user, new_user};
pub(crate) use factor::Authenticator;
pub(crate) use login::Login;
pub(crate) use program::{PATH, healthcheck, migrate, run, serve, settings, start};
pub(crate) use request::{
    credentials, credentials_invalid, current_password_wrong, database_unavailable, forwarded,
    login_challenge_invalid, overloaded, registration, reset_token_invalid, second_factor_wrong,
    too_many_attempts, unauthenticated,
};
pub(crate) use token::TokenParts;

/// A password that satisfies every rule.
pub(crate) const PASSWORD: &str = "quiet-otter-sails-north";
pub(crate) const ROOT_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
pub(crate) const OTHER_ROOT_KEY: &str = "b3RoZXItcm9vdC1rZXktb3RoZXItcm9vdC1rZXktMTI=";

/// The result of a call.
pub(crate) type Answer<T> = Result<Response<T>, Status>;

/// A running auth-service.
pub(crate) struct App {
    pub(crate) database: Arc<TestDatabase>,
    pub(crate) service: Service,
}

impl App {
    /// Starts a service with a database of its own, and waits until it is ready.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Like [`start`](Self::start), with these flags.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        Self::on(&database().await, flags).await
    }

    /// Like [`with`](Self::with), with a database that can be halted.
    pub(crate) async fn with_own_server(flags: &[&str]) -> Self {
        Self::on(&Arc::new(TestDatabase::create_on_own_server().await), flags).await
    }

    /// Starts a service on this database with these flags, and waits until it is ready.
    pub(crate) async fn on(database: &Arc<TestDatabase>, flags: &[&str]) -> Self {
        Self::launch(database, flags).await.ready().await
    }

    /// Starts a service on this database with these flags.
    pub(crate) async fn launch(database: &Arc<TestDatabase>, flags: &[&str]) -> Self {
        let config = config(database, flags);
        let run = |listener, shutdown| auth_service::run(config, listener, shutdown);
        Self { database: database.clone(), service: Service::start(run).await }
    }

    pub(crate) async fn ready(self) -> Self {
        Self { service: self.service.ready().await, ..self }
    }

    /// Shuts the service down and waits for its end.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.service.stop().await
    }

    pub(crate) fn client(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.service.channel())
    }

    /// Registers a user with [`PASSWORD`].
    pub(crate) async fn register(&self, username: &str) -> pb::User {
        let answer = self.try_register(username, PASSWORD).await.expect("registration succeeds");
        answer.into_inner().user.expect("a user is returned")
    }

    pub(crate) async fn try_register(
        &self,
        username: &str,
        password: &str,
    ) -> Answer<pb::RegisterResponse> {
        self.client().register(registration(username, password)).await
    }

    /// Logs a user in with [`PASSWORD`] and returns the access token.
    pub(crate) async fn log_in(&self, username: &str) -> String {
        self.begin_session(username).await.tokens.access_token
    }

    /// Registers a user, logs them in and returns the access token.
    pub(crate) async fn new_token(&self, username: &str) -> String {
        self.register(username).await;
        self.log_in(username).await
    }

    pub(crate) async fn try_log_in(
        &self,
        username: &str,
        password: &str,
    ) -> Answer<pb::LoginResponse> {
        self.client().login(credentials(username, password)).await
    }

    /// Logs a user in with [`PASSWORD`] in the background.
    pub(crate) fn spawn_log_in(&self, username: &str) -> JoinHandle<Answer<pb::LoginResponse>> {
        let (mut client, request) = (self.client(), credentials(username, PASSWORD));
        tokio::spawn(async move { client.login(request).await })
    }

    /// Registers a user with [`PASSWORD`] in the background.
    pub(crate) fn spawn_register(
        &self,
        username: &str,
    ) -> JoinHandle<Answer<pb::RegisterResponse>> {
        let (mut client, request) = (self.client(), registration(username, PASSWORD));
        tokio::spawn(async move { client.register(request).await })
    }

    pub(crate) async fn current_user(&self, token: &str) -> Answer<pb::GetCurrentUserResponse> {
        self.client().get_current_user(with_token(token, pb::GetCurrentUserRequest {})).await
    }

    pub(crate) async fn key_set(&self) -> Answer<pb::GetJsonWebKeySetResponse> {
        self.client().get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await
    }

    /// The only published key.
    pub(crate) async fn key(&self) -> pb::JsonWebKey {
        let mut keys = self.key_set().await.expect("keys are published").into_inner().keys;
        let key = keys.pop().expect("a key is published");
        assert!(keys.is_empty(), "more than one key is published");
        key
    }

    /// Runs a query that returns one text.
    pub(crate) async fn query(&self, sql: &str) -> String {
        let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        query.fetch_one(&self.database.pool().await).await.expect("the query returns a text")
    }

    /// The number of users.
    pub(crate) async fn users(&self) -> String {
        self.query("select count(*)::text from auth.users").await
    }
}

/// A database with the newest schema.
pub(crate) async fn database() -> Arc<TestDatabase> {
    Arc::new(TestDatabase::create().await)
}

/// A database without our schemas.
pub(crate) async fn empty_database() -> Arc<TestDatabase> {
    let database = database().await;
    database.execute("drop schema auth cascade; drop schema task cascade").await;
    database.execute("drop table _sqlx_migrations").await;
    database
}

/// The settings of a service on this database, with a low bcrypt cost and these flags.
fn config(database: &TestDatabase, flags: &[&str]) -> Config {
    let defaults = [
        ("--database-url", database.url()),
        ("--root-key", ROOT_KEY),
        ("--bcrypt-cost", "4"),
        ("--server-drain-delay-seconds", "0"),
        // All tests come from one address.
        ("--login-attempts-per-source", "1000000"),
        ("--login-attempts-per-name", "1000000"),
    ];
    let mut args = Vec::new();
    for (flag, value) in defaults {
        if !flags.contains(&flag) {
            args.extend([flag, value]);
        }
    }
    args.extend(flags);
    let config: Config = config::settings(args).expect("the test's flags are valid");
    config.check().expect("the test's flags do not contradict each other");
    config
}
