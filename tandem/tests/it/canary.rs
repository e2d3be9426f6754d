//! Uses recognizable secrets in every RPC, with every log level on: none appears in the log.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
};

use nix::sys::signal::Signal;
use proto::{
    auth::v1::{self as auth_pb, auth_service_client::AuthServiceClient},
    task::v1::{self as task_pb, task_service_client::TaskServiceClient},
};
use test_support::{TestDatabase, eventually};
use tonic::{Request, transport::Channel};

use crate::support::{Program, command, directory, with_token};

const PASSWORD: &str = "canary-quiet-otter-sails-north";
const NEW_PASSWORD: &str = "canary-loud-heron-walks-south";
const WRONG_PASSWORD: &str = "canary-wrong-password";
const WEAK_PASSWORD: &str = "canary1";
const DATABASE_PASSWORD: &str = "canary-database-password";
const NO_TOKEN: &str = "canary.no.token";
/// "canary" and more, 32 bytes in base64.
const ROOT_KEY: &str = "Y2FuYXJ5LXJvb3Qta2V5LWNhbmFyeS1yb290LWtleS4=";
const EVENTS_SECRET: &str = "canary-account-events-secret-of-32";

type Auth = AuthServiceClient<Channel>;
type Tasks = TaskServiceClient<Channel>;

fn credentials(password: &str) -> auth_pb::LoginRequest {
    auth_pb::LoginRequest { username: "ada".into(), password: password.into() }
}

fn registration(password: &str) -> auth_pb::RegisterRequest {
    let (username, password) = ("ada".to_owned(), password.to_owned());
    auth_pb::RegisterRequest { username, password, ..Default::default() }
}

async fn refresh(auth: &mut Auth, token: &str) -> Result<auth_pb::TokenPair, tonic::Status> {
    let request = auth_pb::RefreshTokenRequest { refresh_token: token.into() };
    let answer = auth.refresh_token(request).await?.into_inner();
    Ok(answer.tokens.expect("tokens are returned"))
}

async fn log_in(auth: &mut Auth, password: &str) -> auth_pb::TokenPair {
    let answer = auth.login(credentials(password)).await.expect("the password is right");
    answer.into_inner().tokens().expect("tokens are returned")
}

/// Makes every call that needs a token. Returns how many succeeded.
async fn call_all(auth: &mut Auth, tasks: &mut Tasks, token: &str) -> usize {
    fn with<T: Default>(token: &str) -> Request<T> {
        with_token(token, T::default())
    }
    let session = auth_pb::RevokeSessionRequest { session_id: "no id".into() };
    let task = Some(task_pb::Task { title: "x".into(), ..Default::default() });
    let create = task_pb::CreateTaskRequest { task, ..Default::default() };
    let creates =
        task_pb::BatchCreateTasksRequest { requests: vec![create.clone()], ..Default::default() };
    [
        auth.get_current_user(with(token)).await.is_ok(),
        auth.list_sessions(with(token)).await.is_ok(),
        auth.list_events(with(token)).await.is_ok(),
        auth.revoke_session(with_token(token, session)).await.is_ok(),
        auth.revoke_other_sessions(with(token)).await.is_ok(),
        tasks.create_task(with_token(token, create)).await.is_ok(),
        tasks.batch_create_tasks(with_token(token, creates)).await.is_ok(),
        tasks.list_tasks(with(token)).await.is_ok(),
        tasks.get_task(with(token)).await.is_ok(),
        tasks.update_task(with(token)).await.is_ok(),
        tasks.delete_task(with(token)).await.is_ok(),
        tasks.undelete_task(with(token)).await.is_ok(),
        tasks.batch_get_tasks(with(token)).await.is_ok(),
        tasks.batch_update_tasks(with(token)).await.is_ok(),
        tasks.batch_delete_tasks(with(token)).await.is_ok(),
    ]
    .into_iter()
    .filter(|is_ok| *is_ok)
    .count()
}

async fn change_password(auth: &mut Auth, token: &str, current: &str, new: &str) -> bool {
    let (current_password, new_password) = (current.to_owned(), new.to_owned());
    let request = auth_pb::ChangePasswordRequest { current_password, new_password };
    auth.change_password(with_token(token, request)).await.is_ok()
}

/// Uses every secret in valid and invalid calls. Returns the secrets that the services made.
async fn use_all_secrets(
    auth: &mut Auth,
    tasks: &mut Tasks,
    database: &TestDatabase,
) -> Vec<String> {
    auth.register(registration(WEAK_PASSWORD)).await.expect_err("it is refused");
    auth.register(registration(PASSWORD)).await.expect("it succeeds");
    auth.register(registration(PASSWORD)).await.expect_err("it is refused");
    auth.login(credentials(WRONG_PASSWORD)).await.expect_err("it is refused");
    let first = log_in(auth, PASSWORD).await;
    assert!(call_all(auth, tasks, &first.access_token).await >= 6);
    assert_eq!(call_all(auth, tasks, NO_TOKEN).await, 0);
    let bad_signature = format!("{}canary", first.access_token);
    assert_eq!(call_all(auth, tasks, &bad_signature).await, 0);

    let second = refresh(auth, &first.refresh_token).await.expect("it succeeds");
    let third = refresh(auth, &second.refresh_token).await.expect("it succeeds");
    refresh(auth, &first.refresh_token).await.expect_err("it is refused");
    refresh(auth, &third.refresh_token).await.expect_err("it is refused");
    refresh(auth, NO_TOKEN).await.expect_err("it is refused");

    let fourth = log_in(auth, PASSWORD).await;
    let token = &fourth.access_token;
    assert!(!change_password(auth, token, WRONG_PASSWORD, NEW_PASSWORD).await);
    assert!(!change_password(auth, token, PASSWORD, WEAK_PASSWORD).await);
    assert!(change_password(auth, token, PASSWORD, NEW_PASSWORD).await);
    let fifth = log_in(auth, NEW_PASSWORD).await;
    let logout = with_token(&fifth.access_token, auth_pb::LogoutRequest {});
    auth.logout(logout).await.expect("it succeeds");
    auth.get_json_web_key_set(auth_pb::GetJsonWebKeySetRequest {}).await.expect("it succeeds");

    // From here every call fails, and the log has the reason.
    database.execute("drop schema auth cascade; drop schema task cascade").await;
    auth.register(registration(PASSWORD)).await.expect_err("it is refused");
    auth.login(credentials(NEW_PASSWORD)).await.expect_err("it is refused");
    refresh(auth, &fourth.refresh_token).await.expect_err("it is refused");
    assert_eq!(call_all(auth, tasks, token).await, 0);
    let made = [first, second, third, fourth, fifth];
    made.into_iter().flat_map(|pair| [pair.access_token, pair.refresh_token]).collect()
}

/// Sends a token over HTTP/1.1, which the server parses with other code.
fn send_over_http1(address: &str, token: &str) {
    let mut connection = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "POST /tandem.auth.v1.AuthService/GetCurrentUser HTTP/1.1\r\nhost: {address}\r\n\
         content-type: application/grpc\r\nauthorization: Bearer {token}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("it answers");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// The secret part: of a token the last part, since the others are public claims.
fn mark(secret: &str) -> &str {
    secret.rsplit('.').next().unwrap_or(secret)
}

#[tokio::test]
async fn no_secret_is_logged_by_any_call_or_failure() {
    let database = TestDatabase::create().await;
    let url = database.url().replacen("postgres@", &format!("postgres:{DATABASE_PASSWORD}@"), 1);
    let dir = directory();
    let (log, variables) =
        (dir.path().join("log"), [("RUST_LOG", "trace"), ("LOG_FORMAT", "json")]);
    let mut command = command(dir.path());
    command.envs(variables).env("DATABASE_URL", &url).env("AUTH_ROOT_KEY", ROOT_KEY);
    command.env("ACCOUNT_EVENTS_SECRET", EVENTS_SECRET);
    command.env("TASK_ACCOUNT_EVENTS_INTERVAL_SECONDS", "1");
    let mut program = Program::run(command.stderr(File::create(&log).unwrap()));
    let (mut auth, mut tasks) = (program.auth().await, program.tasks().await);
    for address in &program.addresses {
        send_over_http1(address, NO_TOKEN);
    }
    // task-service presents its secret, with every log level on.
    let look = "AccountEventsService/ListAccountEvents\"";
    let is_logged = async || fs::read_to_string(&log).unwrap().contains(look);
    eventually("task-service has looked for account events", is_logged).await;
    let made = use_all_secrets(&mut auth, &mut tasks, &database).await;
    program.end(Signal::SIGTERM).await;

    let log = fs::read_to_string(log).unwrap();
    for proof in ["\"level\":\"TRACE\"", "call failed", "\"code\":\"Internal\"", "h2::", "sqlx"] {
        assert!(log.contains(proof), "{proof} is not logged: is every level on?");
    }
    let known =
        [PASSWORD, NEW_PASSWORD, WRONG_PASSWORD, WEAK_PASSWORD, DATABASE_PASSWORD, ROOT_KEY];
    let known = known.into_iter().chain([NO_TOKEN, &ROOT_KEY[..20], "canary"]);
    for secret in known.chain(made.iter().map(|token| mark(token))) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is logged");
    }
}
