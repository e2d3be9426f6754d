//! A system under test as a process of its own, so that its CPU time and its memory are its own.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::runtime::Runtime;

use crate::{serve, usage};

/// How long one may take until it answers, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(30);

/// It ends when this is dropped, and when the benchmark ends in whatever way.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

/// Which of the systems, and its settings: beside these it has those of production.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    subcommand: &'static str,
    variables: Vec<(&'static str, String)>,
}

impl Settings {
    pub(super) fn task(database_url: &str, jwks_url: &str) -> Self {
        Self::of("serve-task", database_url)
            .with("TASK_JWKS_URL", jwks_url)
            .with("TASK_LISTEN_ADDRESS", "127.0.0.1:0")
            .with("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:0")
            // A benchmark makes more in a minute than a person in a life.
            .with("TASK_TASKS_PER_USER", "1000000")
    }

    pub(super) fn auth(database_url: &str) -> Self {
        Self::of("serve-auth", database_url)
            .with("AUTH_ROOT_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .with("AUTH_LISTEN_ADDRESS", "127.0.0.1:0")
            .with("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:0")
    }

    pub(super) fn usual(database_url: &str) -> Self {
        Self::of("serve-usual", database_url)
    }

    fn of(subcommand: &'static str, database_url: &str) -> Self {
        Self { subcommand, variables: vec![("DATABASE_URL", database_url.to_owned())] }
    }

    pub(crate) fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.variables.push((variable, value.to_owned()));
        self
    }
}

impl Process {
    /// Starts this program as one of the services, and waits until it is ready.
    pub(crate) fn start_service(
        settings: Settings,
        dir: &Path,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let process = Self::start(settings, dir)?;
        let start = Instant::now();
        while !runtime.block_on(tandem_server::is_ready(process.address)) {
            ensure!(start.elapsed() < PATIENCE, "a service is not ready after {PATIENCE:?}");
            sleep(Duration::from_millis(1));
        }
        Ok(process)
    }

    /// Starts this program as one of the systems.
    pub(crate) fn start(settings: Settings, dir: &Path) -> anyhow::Result<Self> {
        let Settings { subcommand, variables } = settings;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(subcommand).env_clear().envs(variables).stdout(Stdio::piped());
        let (mut child, log) = spawn(&mut command, dir, subcommand)?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked to be a pipe");
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix(serve::LISTENS);
        let address = address.with_context(|| format!("{subcommand} ends: {}", log()))?.parse()?;
        Ok(Self { child, address })
    }

    /// Starts another program, which will listen at this address, and which SIGTERM ends.
    pub(crate) fn start_program(
        program: &Path,
        args: &[&str],
        variables: &[(&str, &str)],
        dir: &Path,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        // The same as what our own systems do: it is told to end when its standard input does.
        let script = "exec 3<&0 </dev/null
            (read -r line; kill -TERM $$) <&3 >/dev/null 2>&1 &
            exec \"$@\" 3<&-";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(program).args(args).envs(variables.iter().copied());
        let (child, _) = spawn(command.stdout(Stdio::null()), dir, "seed")?;
        Ok(Self { child, address })
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it has now, in MiB.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        usage::resident_mib(self.pid())
    }
}

/// Starts a program that has our pipe as its standard input; its log is a file, as a container's
/// is.
fn spawn(
    command: &mut Command,
    dir: &Path,
    name: &str,
) -> anyhow::Result<(Child, impl Fn() -> String)> {
    let log = dir.join(format!("{name}.log"));
    let child = command.stdin(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
    Ok((child, move || std::fs::read_to_string(&log).unwrap_or_default()))
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Ok(Some(_)) | Err(_) = self.child.try_wait() {
                return;
            }
            sleep(Duration::from_millis(5));
        }
        // It can only fail if the process has ended meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
