//! The seed: the FastAPI demo that the idea began from, under uvicorn with two workers. What it
//! needs is installed by pip beside the build, once.

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

use crate::{
    environment::{Dataset, Postgres, Process, target_dir},
    say,
};

mod caller;

pub(crate) use caller::{SeedCaller, SeedLogin};

const DATABASE: &str = "seed";
/// As it stands in app.py.
const SECRET: &[u8] = b"a-baseline-needs-no-secret-of-its-own";
const APP_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/seed");
const REQUIREMENTS: &str = include_str!("../../seed/requirements.txt");
/// How long it may take to make its tables.
const PATIENCE: Duration = Duration::from_mins(1);

/// It ends when this is dropped.
pub(crate) struct Seed {
    pub(crate) process: Process,
}

impl Seed {
    /// With its data; `None` where Python cannot run it, which is said.
    pub(crate) fn start(
        postgres: &Postgres,
        dataset: Dataset,
        dir: &Path,
    ) -> anyhow::Result<Option<Self>> {
        let python = match install() {
            Ok(python) => python,
            Err(reason) => {
                say(&format!("seed: skipped: {reason:#}"));
                return Ok(None);
            }
        };
        postgres.execute("postgres", &format!("create database {DATABASE}"))?;
        let process = start(&python, postgres, dir)?;
        let tables = "select count(*) from pg_tables where tablename in ('users', 'tasks')";
        let start = Instant::now();
        while postgres.query(DATABASE, tables)? < 2 {
            ensure!(start.elapsed() < PATIENCE, "the seed makes no tables: see {}", dir.display());
            sleep(Duration::from_millis(50));
        }
        dataset.fill(postgres, DATABASE, include_str!("../../sql/seed.sql"))?;
        Ok(Some(Self { process }))
    }
}

/// A Python that has all that is required.
fn install() -> anyhow::Result<PathBuf> {
    let venv = target_dir()?.join("python");
    let python = venv.join("bin/python");
    let installed = venv.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(python);
    }
    say("installing what the seed needs");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(pip).arg(Path::new(APP_DIR).join("requirements.txt")))?;
    fs::write(&installed, REQUIREMENTS)?;
    Ok(python)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("no {name}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {}", told.lines().last().unwrap_or_default());
    Ok(())
}

fn start(python: &Path, postgres: &Postgres, dir: &Path) -> anyhow::Result<Process> {
    // SQLAlchemy spells it otherwise.
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

/// Free a moment ago: uvicorn does not say which port it takes if it is left to choose.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    exp: i64,
}

/// A token that it accepts for ten minutes.
pub(crate) fn token(owner: u64) -> String {
    let claims = Claims { sub: username(owner), exp: shared::time::now().timestamp() + 600 };
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::default(), &claims, &key).expect("HS256 signs anything")
}

/// The name of the owner with this number.
fn username(owner: u64) -> String {
    format!("user-{owner}")
}
