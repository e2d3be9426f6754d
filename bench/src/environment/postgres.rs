//! The private PostgreSQL: durable, as in production, and with memory for all the data.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use local_postgres::LocalPostgres;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::usage::{self, Meter};

/// Keep reads from disk and checkpoints out of the comparison. All other settings have PostgreSQL's
/// defaults; `fsync` and `synchronous_commit` are on.
pub(crate) const SETTINGS: [(&str, &str); 2] = [("shared_buffers", "2GB"), ("max_wal_size", "4GB")];

/// The prefix of data directories. The id of the process that created one follows.
const DATA_DIR: &str = "data-";

/// The server. Dropping it stops it.
pub(crate) struct Postgres {
    server: LocalPostgres,
    meter: Meter,
    handle: Handle,
}

/// The directory for everything that the benchmark creates, beside the build.
pub(crate) fn target_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("a program is in target/release")?;
    let dir = target.join("bench");
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Creates a data directory on a disk, for the user that PostgreSQL runs as, and removes those of
/// runs that were killed. Dropping it removes it.
pub(super) fn data_dir() -> anyhow::Result<TempDir> {
    let home = local_postgres::durable_dir(&target_dir()?)?;
    fs::create_dir_all(&home)?;
    for entry in fs::read_dir(&home)?.flatten() {
        if owner_of(&entry.file_name()).is_some_and(|pid| !usage::is_alive(pid)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let prefix = format!("{DATA_DIR}{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir_in(home)?)
}

/// The process that created a data directory.
fn owner_of(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix(DATA_DIR)?.split('-').next()?.parse().ok()
}

impl Postgres {
    pub(crate) fn start(dir: &Path, handle: &Handle) -> anyhow::Result<Self> {
        let mut server = LocalPostgres::durable(&dir.join("data"))?;
        let url = server.url("postgres");
        for (name, value) in SETTINGS {
            handle.block_on(execute(&url, &format!("alter system set {name} = '{value}'")))?;
        }
        server.halt()?;
        server.resume()?;
        let backend: i32 = handle.block_on(async {
            let mut connection = PgConnection::connect(&url).await?;
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await
        })?;
        let postmaster = usage::parent_of(backend.try_into()?)?;
        let meter = Meter::Family(postmaster);
        Ok(Self { server, meter, handle: handle.clone() })
    }

    pub(crate) fn create_database(&self, name: &str) -> anyhow::Result<()> {
        self.execute("postgres", &format!("create database {name}"))
    }

    /// Runs statements in one transaction, unless there is only one.
    pub(crate) fn execute(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        self.handle.block_on(execute(&self.server.url(database), sql))
    }

    /// Runs a query that returns one number.
    pub(crate) fn query(&self, database: &str, sql: &str) -> anyhow::Result<i64> {
        self.handle.block_on(async {
            let mut connection = PgConnection::connect(&self.server.url(database)).await?;
            let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
            let number = query.fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(number)
        })
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// The major version.
    pub(crate) fn major(&self) -> u32 {
        self.server.major()
    }

    /// The path of a program of this version.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.server.bin_dir().join(name)
    }

    /// The CPU time of all processes of the server.
    pub(crate) fn meter(&self) -> Meter {
        self.meter
    }
}

async fn execute(url: &str, sql: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
