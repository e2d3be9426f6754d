//! The crate with the installed binaries. The tests pass as root and as any other user.

#![expect(clippy::unwrap_used, reason = "clippy does not see that the helpers are test code")]

mod child;
mod death;
mod durable;
mod environment;
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

/// The first column of the first row, as text. It uses the driver of the services.
fn query(url: &str, sql: &str) -> String {
    let querying = async {
        let mut connection = PgConnection::connect(url).await?;
        let sql = sqlx::AssertSqlSafe(format!("select ({sql})::text"));
        sqlx::query_scalar(sql).fetch_one(&mut connection).await
    };
    runtime().block_on(querying).expect(sql)
}

fn execute(url: &str, sql: &str) {
    let executing = async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await
    };
    runtime().block_on(executing).expect(sql);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A directory that PostgreSQL's user can enter.
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

/// The data directory of the server with this URL: `<home>/pg-<major>`.
fn cluster_of(url: &str) -> PathBuf {
    query(url, "current_setting('data_directory')").into()
}

fn postmaster_of(cluster: &Path) -> i32 {
    let file = fs::read_to_string(cluster.join("postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

/// The command lines that contain this directory. Empty on a system without `/proc`.
fn processes_in(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(dir))
        .collect()
}

/// Waits until no command line contains this directory. The watcher of a stopped server ends by
/// itself.
fn eventually_left(dir: &Path) {
    eventually("all processes have ended", || processes_in(dir).is_empty());
}
