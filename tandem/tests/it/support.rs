//! The harness: a running program with a data directory of its own, and clients.

use std::{
    fs::Permissions,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::{
    auth::v1::{self as auth_pb, auth_service_client::AuthServiceClient},
    task::v1::{self as task_pb, task_service_client::TaskServiceClient},
};
use tempfile::{Builder, TempDir};
use test_support::eventually;
use tonic::{Request, transport::Channel};

/// A password that every rule accepts.
pub(crate) const PASSWORD: &str = "quiet-otter-sails-north";

/// A running program, killed on drop.
pub(crate) struct Program {
    child: Child,
    /// Its output until it was ready.
    pub(crate) welcome: String,
    /// The addresses of auth-service and task-service.
    pub(crate) addresses: [String; 2],
}

/// A directory that PostgreSQL's user can traverse when the tests run as root.
pub(crate) fn directory() -> TempDir {
    let passage = Permissions::from_mode(0o711);
    Builder::new().permissions(passage).tempdir().expect("a directory can be made")
}

/// The program on free ports, with its data in `dir` and a clean environment.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    command
        .env_clear()
        .env("PATH", option_env!("PATH").unwrap_or_default())
        .env("TANDEM_DATA_DIR", dir)
        .env("AUTH_LISTEN_ADDRESS", "127.0.0.1:0")
        .env("TASK_LISTEN_ADDRESS", "127.0.0.1:0")
        .env("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:0")
        .env("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:0")
        .env("AUTH_BCRYPT_COST", "4")
        .stdin(Stdio::null());
    command
}

impl Program {
    /// Starts the program and waits for its welcome.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::run(&mut command(dir))
    }

    /// Runs this command and waits for the welcome.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut lines = output.lines().map(|line| line.expect("it prints UTF-8"));
        let mut welcome: Vec<_> =
            lines.by_ref().take_while(|line| !line.contains("DeleteTask")).collect();
        welcome.extend(lines.next());
        let welcome = welcome.join("\n");
        let words = welcome.split_whitespace().map(|word| word.trim_end_matches([',', '.']));
        let mut addresses = words.filter(|word| word.starts_with("127.0.0.1:"));
        let mut next = || addresses.next().expect("the welcome names the addresses").to_owned();
        let addresses = [next(), next()];
        Self { child, welcome, addresses }
    }

    /// A client of auth-service.
    pub(crate) async fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::connect(format!("http://{}", self.addresses[0]))
            .await
            .expect("auth-service answers")
    }

    /// A client of task-service.
    pub(crate) async fn tasks(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::connect(format!("http://{}", self.addresses[1]))
            .await
            .expect("task-service answers")
    }

    /// Registers a new user and returns the username.
    pub(crate) async fn register(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let username = format!("ada-{}", now.as_nanos());
        let password = PASSWORD.to_owned();
        let request =
            auth_pb::RegisterRequest { username: username.clone(), password, ..Default::default() };
        self.auth().await.register(request).await.expect("a new user can register");
        username
    }

    /// Logs a user in and returns the access token.
    pub(crate) async fn log_in(&self, username: &str) -> String {
        self.try_log_in(username).await.expect("the user can log in")
    }

    /// Tries to log a user in.
    pub(crate) async fn try_log_in(&self, username: &str) -> Result<String, tonic::Status> {
        let request =
            auth_pb::LoginRequest { username: username.into(), password: PASSWORD.into() };
        let answer = self.auth().await.login(request).await?;
        Ok(answer.into_inner().tokens().expect("tokens are returned").access_token)
    }

    /// The titles of the user's tasks.
    pub(crate) async fn titles(&self, token: &str) -> Result<Vec<String>, tonic::Status> {
        let request = with_token(token, task_pb::ListTasksRequest::default());
        let answer = self.tasks().await.list_tasks(request).await?;
        Ok(answer.into_inner().tasks.into_iter().map(|task| task.title).collect())
    }

    pub(crate) async fn create(&self, token: &str, title: &str) {
        let task = Some(task_pb::Task { title: title.into(), ..Default::default() });
        let request = with_token(token, task_pb::CreateTaskRequest { task, ..Default::default() });
        self.tasks().await.create_task(request).await.expect("the task is created");
    }

    /// Sends a signal and waits until the program has ended.
    pub(crate) async fn end(&mut self, signal: Signal) -> ExitStatus {
        let pid = self.child.id().try_into().expect("a pid is positive");
        kill(Pid::from_raw(pid), signal).expect("it is there");
        let mut status = None;
        eventually("the program has ended", async || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit code and the standard error of a command that fails.
pub(crate) fn failure(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it runs");
    let mut text = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut text).expect("it prints UTF-8");
    (child.wait().expect("it is our child").code(), text)
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a workspace")
}

/// A file of the repository, by its path from the root.
pub(crate) fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("the document is there")
}

/// The process id of the PostgreSQL with its data in `dir`.
pub(crate) fn postgres(dir: &Path) -> Option<Pid> {
    let clusters = std::fs::read_dir(dir).expect("the data directory is there");
    let pid_file = clusters
        .map(|entry| entry.expect("it is readable").path())
        .map(|path| path.join("postmaster.pid"))
        .find(|path| path.is_file())?;
    let text = std::fs::read_to_string(pid_file).ok()?;
    Some(Pid::from_raw(text.lines().next()?.parse().ok()?))
}

pub(crate) fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().expect("a token is ASCII");
    request.metadata_mut().insert("authorization", value);
    request
}
