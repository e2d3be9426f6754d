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

use super::postgres::Postgres;
use crate::{cpu::Meter, serve};

/// How long one may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// It ends when this is dropped, and when the benchmark ends in whatever way.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// task-service with the settings of production.
    pub(super) fn start_task(
        postgres: &Postgres,
        jwks_url: &str,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let settings = [
            ("DATABASE_URL", postgres.url("tandem")),
            ("TASK_JWKS_URL", jwks_url.to_owned()),
            ("TASK_LISTEN_ADDRESS", "127.0.0.1:0".to_owned()),
            ("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:0".to_owned()),
            // A benchmark makes more in a minute than a person in a life.
            ("TASK_TASKS_PER_USER", "1000000".to_owned()),
        ];
        let process = Self::start("serve-task", settings, dir)?;
        process.wait_until_ready(postgres)?;
        Ok(process)
    }

    /// The usual service.
    pub(super) fn start_usual(postgres: &Postgres, dir: &Path) -> anyhow::Result<Self> {
        Self::start("serve-usual", [("DATABASE_URL", postgres.url("usual"))], dir)
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its CPU time.
    pub(crate) fn meter(&self) -> Meter {
        Meter::Process(self.child.id())
    }

    /// Starts this program as another; its log is a file, as a container's is.
    fn start(
        subcommand: &str,
        settings: impl IntoIterator<Item = (&'static str, String)>,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let log = dir.join(format!("{subcommand}.log"));
        let mut child = Command::new(std::env::current_exe()?)
            .arg(subcommand)
            .env_clear()
            .envs(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked to be a pipe");
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix(serve::LISTENS);
        let told = || std::fs::read_to_string(&log).unwrap_or_default();
        let address = address.with_context(|| format!("{subcommand} ended: {}", told()))?;
        Ok(Self { child, address: address.parse()? })
    }

    fn wait_until_ready(&self, postgres: &Postgres) -> anyhow::Result<()> {
        let start = Instant::now();
        while !postgres.block_on(shared::server::is_ready(self.address)) {
            ensure!(start.elapsed() < PATIENCE, "a service is not ready after {PATIENCE:?}");
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It can only fail if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
