//! The real program, in a process of its own with no variables but those that a test gives it.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use test_support::{TestDatabase, eventually};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use super::ROOT_KEY;

/// The longest that a program may run that should end by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// An environment.
pub(crate) type Variables<'a> = Vec<(&'a str, &'a str)>;

/// What a program that has ended left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program that runs until this is dropped.
pub(crate) struct Program {
    child: Child,
    log: Arc<Mutex<String>>,
}

/// Settings with which the program serves on a free port.
pub(crate) fn settings(database: &TestDatabase) -> Variables<'_> {
    vec![
        ("AUTH_BCRYPT_COST", "4"),
        ("AUTH_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("AUTH_ROOT_KEY", ROOT_KEY),
        ("DATABASE_URL", database.url()),
        ("SERVER_DRAIN_DELAY_SECONDS", "0"),
    ]
}

/// Runs the program to its end.
pub(crate) async fn run(args: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = timeout(PATIENCE, command(args, variables).output()).await;
    let output = output.expect("the program ends in time").expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
    let ended = Ended {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    ended
}

/// Brings a database to the newest schema.
pub(crate) async fn migrate(database: &TestDatabase) -> Ended {
    run(&["migrate"], &[("DATABASE_URL", database.url())]).await
}

/// Asks the service with this operations port whether it is ready.
pub(crate) async fn healthcheck(ops_address: SocketAddr) -> Ended {
    run(&["healthcheck"], &[("AUTH_OPS_LISTEN_ADDRESS", &ops_address.to_string())]).await
}

fn command(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    command.args(args).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Program {
    /// Starts the program with these variables, to serve.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = command(&["serve"], variables).spawn().expect("the program starts");
        let log = Arc::default();
        let stderr = child.stderr.take().expect("it is piped");
        tokio::spawn(keep_lines(stderr, Arc::clone(&log)));
        Self { child, log }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        lock(&self.log).clone()
    }

    pub(crate) async fn eventually_logs(&self, text: &str) {
        let what = format!("the log says {text:?}");
        eventually(&what, async || lock(&self.log).contains(text)).await;
    }

    /// Where it listens, as its log says.
    pub(crate) async fn address(&self) -> SocketAddr {
        self.logged_address("address").await
    }

    /// Where its operations port is, as its log says.
    pub(crate) async fn ops_address(&self) -> SocketAddr {
        self.logged_address("ops_address").await
    }

    async fn logged_address(&self, field: &str) -> SocketAddr {
        self.eventually_logs("auth-service listens").await;
        let log = self.log();
        // As text or as JSON.
        let fields = [format!(" {field}="), format!("\"{field}\":\"")];
        let text = fields.iter().find_map(|field| Some(log.split_once(field)?.1));
        let text = text.expect("the log names the address").split([' ', '\n', '"']).next();
        let text = text.expect("the address is there");
        text.parse().expect("it is an address")
    }

    pub(crate) async fn eventually_ready(&self) {
        let address = self.address().await;
        let ready = async || tandem_server::is_ready(address).await;
        eventually("the program is ready", ready).await;
    }

    /// Sends SIGTERM, waits for the end and returns the exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().expect("it runs");
        let pid = Pid::from_raw(id.try_into().expect("a process id fits"));
        kill(pid, Signal::SIGTERM).expect("it can be signalled");
        self.child.wait().await.expect("it ends").code()
    }

    /// Ends it at once, with SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }
}

async fn keep_lines(stderr: ChildStderr, log: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = lock(&log);
        log.push_str(&line);
        log.push('\n');
    }
}

fn lock(log: &Mutex<String>) -> MutexGuard<'_, String> {
    log.lock().expect("nobody panics while holding it")
}
