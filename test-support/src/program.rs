//! A service's real program, in a process of its own. Its environment holds only the variables
//! that a test sets.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    task::JoinHandle,
    time::timeout,
};
use tonic::transport::Channel;

use crate::service::{PATIENCE, channel, eventually};

/// The result of a program that has ended.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A program that serves until this is dropped.
pub struct Program {
    child: Child,
    log: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

/// Runs the program at `path` to its end, and checks that it does not panic.
pub async fn run(path: &str, args: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = timeout(PATIENCE, command(path, args, variables).output()).await;
    let output = output.expect("the program ends in time").expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
    let ended = Ended {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    ended
}

fn command(path: &str, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(path);
    command.args(args).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Program {
    /// Starts `serve` of the program at `path`.
    #[must_use]
    pub fn start(path: &str, variables: &[(&str, &str)]) -> Self {
        let mut program = Self::start_unread(path, variables);
        let stderr = program.child.stderr.take().expect("stderr is piped");
        program.reading = Some(tokio::spawn(read(stderr, program.log.clone())));
        program
    }

    /// Starts `serve` of the program at `path`, with a log that is never read.
    #[must_use]
    pub fn start_unread(path: &str, variables: &[(&str, &str)]) -> Self {
        let child = command(path, &["serve"], variables).spawn().expect("the program starts");
        Self { child, log: Arc::default(), reading: None }
    }

    /// The log so far; the whole log after [`terminate`](Self::terminate).
    #[must_use]
    pub fn log(&self) -> String {
        lock(&self.log).clone()
    }

    /// Waits until the log contains `text`.
    pub async fn eventually_logs(&self, text: &str) {
        let what = format!("the log contains {text:?}");
        eventually(&what, async || lock(&self.log).contains(text)).await;
    }

    /// The address for calls, according to the log.
    pub async fn address(&self) -> SocketAddr {
        self.logged_address("address").await
    }

    /// The address of the operations port, according to the log.
    pub async fn ops_address(&self) -> SocketAddr {
        self.logged_address("ops_address").await
    }

    async fn logged_address(&self, field: &str) -> SocketAddr {
        self.eventually_logs(" listens").await;
        let log = self.log();
        // As text or as JSON.
        let fields = [format!(" {field}="), format!("\"{field}\":\"")];
        let text = fields.iter().find_map(|field| Some(log.split_once(field)?.1));
        let text = text.expect("the log names the address").split([' ', '\n', '"']).next();
        text.expect("the field has a value").parse().expect("the value is an address")
    }

    /// A connection to the program, which opens on first use.
    pub async fn channel(&self) -> Channel {
        channel(self.address().await)
    }

    /// Waits until the service is ready for calls.
    pub async fn eventually_ready(&self) {
        let address = self.address().await;
        eventually("the program is ready", async || tandem_server::is_ready(address).await).await;
    }

    /// Sends SIGTERM, waits for the end and returns the exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().expect("the program runs");
        let pid = Pid::from_raw(id.try_into().expect("a process id fits"));
        kill(pid, Signal::SIGTERM).expect("the program can be signalled");
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the program ends in time");
        if let Some(reading) = self.reading.take() {
            reading.await.expect("the reader does not panic");
        }
        status.expect("the program is a child").code()
    }

    /// Ends the program with SIGKILL.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("the program runs");
    }
}

async fn read(stderr: ChildStderr, log: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = lock(&log);
        log.push_str(&line);
        log.push('\n');
    }
}

fn lock(log: &Mutex<String>) -> MutexGuard<'_, String> {
    log.lock().expect("no thread panics while holding the lock")
}
