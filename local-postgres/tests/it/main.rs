//! The crate against installed binaries: as root, and as any other user.

#![expect(clippy::unwrap_used, reason = "also in helpers, which clippy takes for no tests")]

mod child;
mod death;
mod durable;
mod surroundings;
mod throwaway;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// The first column of the first row, as text, by way of the driver that the services use.
fn query(url: &str, sql: &str) -> String {
    let ask = async {
        let mut connection = PgConnection::connect(url).await?;
        let sql = sqlx::AssertSqlSafe(format!("select ({sql})::text"));
        sqlx::query_scalar(sql).fetch_one(&mut connection).await
    };
    runtime().block_on(ask).expect(sql)
}

fn execute(url: &str, sql: &str) {
    let run = async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await
    };
    runtime().block_on(run).expect(sql);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A directory that the user PostgreSQL runs as can enter.
fn open_dir() -> TempDir {
    let dir = tempfile::Builder::new().prefix("local-postgres-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "not after 10 s: {what}");
        sleep(Duration::from_millis(5));
    }
}

/// The directory of the server with this URL; a throw-away one is `dir/pg-<major>`.
fn cluster_of(url: &str) -> PathBuf {
    query(url, "current_setting('data_directory')").into()
}

fn postmaster_of(cluster: &Path) -> i32 {
    let file = fs::read_to_string(cluster.join("postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

/// Command lines of all processes that name this directory; empty where there is no /proc.
fn processes_in(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(dir))
        .collect()
}

/// Waits until no process names this directory. The watcher of one that was stopped is told so, and
/// ends by itself.
fn eventually_left(dir: &Path) {
    eventually("all processes are gone", || processes_in(dir).is_empty());
}
