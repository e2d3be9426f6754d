//! A system under test as a process of its own, so that its CPU time and memory can be measured.

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

use crate::usage;

/// Before the address, on the first line that a system prints on standard output.
pub(crate) const LISTENS: &str = "listens on ";

/// How long a process may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Dropping it stops the process. The process also ends with the benchmark, however that ends.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

/// How to start a system. All other settings have their defaults.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    subcommand: &'static str,
    variables: Vec<(&'static str, String)>,
    /// The program that runs the system, with its arguments; empty if none does.
    runner: Vec<String>,
}

impl Settings {
    pub(super) fn task(database_url: &str, jwks_url: &str) -> Self {
        Self::new("serve-task", database_url)
            .with("TASK_JWKS_URL", jwks_url)
            .with("TASK_LISTEN_ADDRESS", "127.0.0.1:0")
            .with("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:0")
            // A benchmark creates more in a minute than a user in years.
            .with("TASK_TASKS_PER_USER", "1000000")
            .with("TASK_BYTES_PER_USER", "1000000000")
    }

    pub(super) fn auth(database_url: &str) -> Self {
        Self::new("serve-auth", database_url)
            .with("AUTH_ROOT_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .with("AUTH_LISTEN_ADDRESS", "127.0.0.1:0")
            .with("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:0")
    }

    /// Settings of the system that this program is with `subcommand`.
    pub(crate) fn new(subcommand: &'static str, database_url: &str) -> Self {
        let variables = vec![("DATABASE_URL", database_url.to_owned())];
        Self { subcommand, variables, runner: Vec::new() }
    }

    pub(crate) fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.variables.push((variable, value.to_owned()));
        self
    }

    /// Runs the system under another program, a profiler for example.
    pub(crate) fn under(mut self, runner: &[&str]) -> Self {
        self.runner = runner.iter().map(|&arg| arg.to_owned()).collect();
        self
    }
}

impl Process {
    /// Starts this program as one of the services, and waits until it is ready.
    pub(super) fn start_service(
        settings: Settings,
        dir: &Path,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let process = Self::start(settings, dir)?;
        let start = Instant::now();
        while !runtime.block_on(tandem_server::is_ready(process.address)) {
            ensure!(start.elapsed() < PATIENCE, "a service was not ready within {PATIENCE:?}");
            sleep(Duration::from_millis(1));
        }
        Ok(process)
    }

    /// Starts this program as one of the systems.
    pub(crate) fn start(settings: Settings, dir: &Path) -> anyhow::Result<Self> {
        let Settings { subcommand, variables, runner } = settings;
        let program = std::env::current_exe()?;
        let mut command = match runner.split_first() {
            Some((runner, args)) => {
                let mut command = Command::new(runner);
                command.args(args).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg(subcommand).env_clear().envs(variables).stdout(Stdio::piped());
        let (mut child, log) = spawn(&mut command, dir, subcommand)?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix(LISTENS);
        let address = address.with_context(|| format!("{subcommand} ended: {}", log()))?.parse()?;
        Ok(Self { child, address })
    }

    /// Starts another program, which listens on this address and ends on SIGTERM.
    pub(crate) fn start_program(
        program: &Path,
        args: &[&str],
        variables: &[(&str, &str)],
        dir: &Path,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        // Ends the program when standard input closes, as our own systems do.
        let script = "exec 3<&0 </dev/null
            (read -r line; kill -TERM $$) <&3 >/dev/null 2>&1 &
            exec \"$@\" 3<&-";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).arg(program).args(args).envs(variables.iter().copied());
        let (child, _) = spawn(command.stdout(Stdio::null()), dir, "seed")?;
        Ok(Self { child, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in MiB.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        usage::resident_mib(self.pid())
    }
}

/// Starts a program with a pipe of ours as standard input. Its log goes to a file, as in a
/// container.
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
        // Fails only if the process has ended meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
