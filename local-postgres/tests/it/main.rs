//! The crate with the installed binaries. The tests pass as root and as any other user.

#![expect(clippy::unwrap_used, reason = "clippy does not see that the helpers are test code")]

mod child;
mod death;
mod durable;
mod environment;
mod stray;
mod throwaway;

use std::{
    fs::{self, DirEntry, Permissions},
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

/// The processes whose command line contains all of these texts. Empty on a system without `/proc`.
fn pids_of(texts: &[&str]) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let has_all = |process: &DirEntry| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        texts.iter().all(|text| line.contains(text))
    };
    processes
        .filter(has_all)
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .collect()
}

fn processes_in(dir: &Path) -> Vec<i32> {
    pids_of(&[dir.to_str().unwrap()])
}

/// Waits until no command line contains this directory. The watcher of a stopped server ends by
/// itself.
fn eventually_left(dir: &Path) {
    eventually("all processes have ended", || processes_in(dir).is_empty());
}
