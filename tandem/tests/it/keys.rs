//! Key rotation under load: task-service accepts every token that auth-service signs.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use auth_service::KeyCommand;
use proto::{
    auth::v1::{self as auth_pb, auth_service_client::AuthServiceClient},
    task::v1::{self as task_pb, task_service_client::TaskServiceClient},
};
use shared::config::settings;
use test_support::{Service, TestDatabase, eventually};
use tokio::{task::JoinSet, time::sleep};
use tonic::{Request, Status, transport::Channel};

const PASSWORD: &str = "quiet-otter-sails-north";

/// The duration of the load: three rotations.
const LOAD: Duration = Duration::from_secs(6);

/// Two auth-services on one database, and a task-service that fetches the keys from the second.
pub(crate) struct Pair {
    pub(crate) auth: [Service; 2],
    pub(crate) task: Service,
    config: auth_service::Config,
    _database: TestDatabase,
}

impl Pair {
    pub(crate) async fn start(auth_flags: &[&str], task_flags: &[&str]) -> Self {
        let database = TestDatabase::create().await;
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let args = ["--root-key", key, "--database-url", database.url()];
        let common = ["--bcrypt-cost", "4", "--hashing-queue", "1000"];
        let args = [&args[..], &common, auth_flags].concat();
        let config: auth_service::Config = settings(args).expect("the test's flags are valid");
        config.check().expect("the test's flags do not contradict each other");
        let mut auth = Vec::new();
        for _ in 0..2 {
            let config = config.clone();
            let run = |listener, shutdown| auth_service::run(config, listener, shutdown);
            auth.push(Service::start(run).await.ready().await);
        }
        let jwks = format!("{}/.well-known/jwks.json", auth[1].url());
        let args = ["--database-url", database.url(), "--jwks-url", &jwks];
        let args = [&args[..], task_flags].concat();
        let task_config: task_service::Config = settings(args).expect("the flags are valid");
        let run = |listener, shutdown| task_service::run(task_config, listener, shutdown);
        let task = Service::start(run).await.ready().await;
        let auth = auth.try_into().expect("there are two");
        Self { auth, task, config, _database: database }
    }

    fn client(&self) -> Client {
        let auth = [0, 1].map(|i| AuthServiceClient::new(self.auth[i].channel()));
        Client { auth, task: TaskServiceClient::new(self.task.channel()) }
    }
}

#[derive(Clone)]
struct Client {
    auth: [AuthServiceClient<Channel>; 2],
    task: TaskServiceClient<Channel>,
}

impl Client {
    async fn log_in(&mut self, username: &str) -> Result<auth_pb::TokenPair, Status> {
        let (username, password) = (username.to_owned(), PASSWORD.to_owned());
        let answer = self.auth[0].login(auth_pb::LoginRequest { username, password }).await?;
        Ok(answer.into_inner().tokens().expect("tokens are returned"))
    }

    /// Refreshes at the second instance; logins go to the first.
    async fn refresh(&mut self, tokens: auth_pb::TokenPair) -> Result<auth_pb::TokenPair, Status> {
        let refresh_token = tokens.refresh_token;
        let request = auth_pb::RefreshTokenRequest { refresh_token };
        let answer = self.auth[1].refresh_token(request).await?;
        Ok(answer.into_inner().tokens.expect("tokens are returned"))
    }

    /// Presents a token to all three services.
    async fn present(&mut self, token: &str) -> Result<(), Status> {
        for auth in &mut self.auth {
            auth.get_current_user(authorized(token, auth_pb::GetCurrentUserRequest {})).await?;
        }
        self.list_tasks(token).await
    }

    async fn list_tasks(&mut self, token: &str) -> Result<(), Status> {
        let request = authorized(token, task_pb::ListTasksRequest::default());
        self.task.list_tasks(request).await.map(drop)
    }
}

fn authorized<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let entry = format!("Bearer {token}").parse().expect("a token is ASCII");
    request.metadata_mut().insert("authorization", entry);
    request
}

/// The header of a token, which names its key.
fn header(token: &str) -> String {
    token.split('.').next().expect("a token has parts").to_owned()
}

/// Calls in a loop until the load is over. Returns the headers of all tokens.
async fn work(mut client: Client, username: String) -> Result<BTreeSet<String>, Status> {
    let (begun, mut headers) = (Instant::now(), BTreeSet::new());
    while begun.elapsed() < LOAD {
        let first = client.log_in(&username).await?;
        client.present(&first.access_token).await?;
        let second = client.refresh(first.clone()).await?;
        client.present(&second.access_token).await?;
        // Tokens from before a rotation must still be accepted.
        sleep(Duration::from_millis(700)).await;
        client.present(&first.access_token).await?;
        client.present(&second.access_token).await?;
        headers.extend([header(&first.access_token), header(&second.access_token)]);
    }
    Ok(headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_with_a_rotation_every_other_second_no_valid_call_fails() {
    let rotation = ["--key-rotation-seconds", "2", "--key-lead-seconds", "1"];
    let short = ["--key-refresh-ms", "200", "--access-token-lifetime-seconds", "20"];
    let exact = ["--token-leeway-seconds", "0"];
    // Fetches happen only for tokens with an unknown key.
    let verifier = ["--jwks-refresh-seconds", "300", "--jwks-unknown-kid-seconds", "0"];
    let auth_flags = [&rotation[..], &short, &exact].concat();
    let pair = Pair::start(&auth_flags, &[&verifier[..], &exact].concat()).await;
    let mut calls = JoinSet::new();
    for i in 0..20 {
        let (mut client, username) = (pair.client(), format!("user-{i}"));
        let request = auth_pb::RegisterRequest {
            username: username.clone(),
            password: PASSWORD.into(),
            ..Default::default()
        };
        client.auth[0].register(request).await.expect("the user is registered");
        calls.spawn(work(client, username));
    }
    let mut headers = BTreeSet::new();
    while let Some(ended) = calls.join_next().await {
        headers.extend(ended.expect("it does not panic").expect("no call fails"));
    }
    assert!(headers.len() >= 3, "{} keys signed", headers.len());
}

#[tokio::test]
async fn a_revoked_key_is_rejected_within_one_refresh_of_the_verifier() {
    let pair = Pair::start(&["--key-refresh-ms", "50"], &["--jwks-refresh-seconds", "1"]).await;
    let mut client = pair.client();
    let request = auth_pb::RegisterRequest {
        username: "ada".into(),
        password: PASSWORD.into(),
        ..Default::default()
    };
    client.auth[0].register(request).await.expect("the user is registered");
    let token = client.log_in("ada").await.expect("the user is logged in").access_token;
    client.present(&token).await.expect("the token is valid");

    let list = auth_service::run_key_command(&pair.config, KeyCommand::List).await;
    let list = list.expect("the keys are listed");
    let kid = list.lines().nth(1).and_then(|line| line.split(' ').next()).expect("there is one");
    let revoke = KeyCommand::Revoke { kid: kid.to_owned(), lost_root_key: false };
    auth_service::run_key_command(&pair.config, revoke).await.expect("the key is revoked");
    let revoked = Instant::now();
    let rejected = async || client.clone().list_tasks(&token).await.is_err();
    eventually("task-service rejects the token", rejected).await;
    let took = revoked.elapsed();
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    let token = client.log_in("ada").await.expect("the user is logged in").access_token;
    client.list_tasks(&token).await.expect("the next key is fetched");
}
