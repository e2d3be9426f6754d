//! The seed: the FastAPI demo that Tandem began from, under uvicorn with two workers. pip installs
//! its packages beside the build, once.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

use self::clients::{SeedLoginClient, SeedTaskClient};
use crate::{
    environment::{Environment, Postgres, Process, TokenCache, target_dir},
    load::Protocol,
    progress,
    workload::{Calls, Clients, TaskCalls, Workload},
};

mod clients;

const DATABASE: &str = "seed";
/// The secret in app.py.
const SECRET: &[u8] = b"a-baseline-needs-no-secret-of-its-own";
const APP_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/seed");
const REQUIREMENTS: &str = include_str!("../../seed/requirements.txt");
/// How long the demo may take to create its tables.
const PATIENCE: Duration = Duration::from_mins(1);

/// Dropping it stops the process.
pub(super) struct Seed {
    process: Process,
    tokens: TokenCache,
}

impl Seed {
    /// Starts the demo with its data. Returns `None`, and prints why, if Python cannot run it.
    pub(super) fn start(environment: &Environment) -> anyhow::Result<Option<Self>> {
        let Environment { postgres, dataset, dir, .. } = environment;
        let python = match install() {
            Ok(python) => python,
            Err(reason) => {
                progress::print(format_args!("skipping seed: {reason:#}"));
                return Ok(None);
            }
        };
        postgres.create_database(DATABASE)?;
        let process = start(&python, postgres, dir.path())?;
        let tables = "select count(*) from pg_tables where tablename in ('users', 'tasks')";
        let start = Instant::now();
        while postgres.query(DATABASE, tables)? < 2 {
            let log = dir.path().display();
            ensure!(start.elapsed() < PATIENCE, "the seed created no tables, see its log in {log}");
            sleep(Duration::from_millis(50));
        }
        progress::during(format_args!("creating {} tasks for seed", dataset.tasks()), || {
            dataset.fill(postgres, DATABASE, include_str!("../../sql/seed.sql"))
        })?;
        Ok(Some(Self { process, tokens: TokenCache::default() }))
    }

    pub(super) fn clients(
        &mut self,
        environment: &Environment,
        workload: &Workload,
    ) -> Option<Clients> {
        let (process, postgres) = (&self.process, &environment.postgres);
        match workload.calls {
            Calls::Tasks(mix, owners) => {
                let population = environment.dataset.population(owners);
                let tokens = self.tokens.tokens(population, token);
                let calls = TaskCalls { mix, population, tokens };
                let client = move |i| SeedTaskClient::new(calls.clone(), i);
                Some(Clients::new(process, Protocol::Http1, postgres, client))
            }
            Calls::Login => {
                let client = |i: usize| SeedLoginClient::new(username(i as u64 + 1));
                Some(Clients::new(process, Protocol::Http1, postgres, client))
            }
            Calls::Refresh => None,
        }
    }
}

/// A Python that has all required packages.
fn install() -> anyhow::Result<PathBuf> {
    let venv = target_dir()?.join("python");
    let python = venv.join("bin/python");
    let installed = venv.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(python);
    }
    progress::during("installing the seed's Python packages", || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let requirements = Path::new(APP_DIR).join("requirements.txt");
        run(Command::new(&python).args(pip).arg("--requirement").arg(requirements))
    })?;
    fs::write(&installed, REQUIREMENTS)?;
    Ok(python)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("no {name}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {}", errors.lines().last().unwrap_or_default());
    Ok(())
}

fn start(python: &Path, postgres: &Postgres, dir: &Path) -> anyhow::Result<Process> {
    // SQLAlchemy has a URL syntax of its own.
    let url = postgres.url(DATABASE);
    let (_, socket_dir) = url.split_once("host=").context("PostgreSQL has a socket")?;
    let socket_dir = socket_dir.split('&').next().unwrap_or_default();
    let url = format!("postgresql+asyncpg://postgres@/{DATABASE}?host={socket_dir}");
    let address = free_address()?;
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let args = [
        &["-m", "uvicorn", "app:app", "--app-dir", APP_DIR, "--host", &host, "--port", &port][..],
        &["--workers", "2", "--loop", "uvloop", "--http", "httptools", "--no-access-log"],
    ];
    let variables = [("DATABASE_URL", url.as_str())];
    Process::start_program(python, &args.concat(), &variables, dir, address)
}

/// An address that was free a moment ago: uvicorn does not print a port that it chooses itself.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    exp: i64,
}

/// An access token, valid for ten minutes.
fn token(owner: u64) -> String {
    let claims = Claims { sub: username(owner), exp: shared::time::now().timestamp() + 600 };
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::default(), &claims, &key).expect("HS256 signs anything")
}

fn username(owner: u64) -> String {
    format!("user-{owner}")
}
