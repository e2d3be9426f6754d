//! Ctrl-C before the private PostgreSQL is ready.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use test_support::eventually;

use crate::support::{Program, command, directory, postgres};

/// Has PostgreSQL wait for `sleep` before it is ready, as in a long recovery.
fn prevent_readiness(dir: &Path) {
    let entries = fs::read_dir(dir).expect("the data directory is there");
    let mut paths = entries.map(|entry| entry.expect("it is readable").path());
    let cluster = paths.find(|path| path.join("PG_VERSION").is_file()).expect("there is a cluster");
    let settings = "restore_command = 'sleep 60'\n";
    fs::write(cluster.join("postgresql.auto.conf"), settings).expect("it is writable");
    fs::write(cluster.join("recovery.signal"), "").expect("it is writable");
}

#[tokio::test]
async fn an_interrupt_while_postgresql_starts_ends_the_program_and_postgresql() {
    let dir = directory();
    Program::start(dir.path()).end(Signal::SIGINT).await;
    prevent_readiness(dir.path());
    let mut child = command(dir.path()).stdout(Stdio::null()).spawn().expect("it starts");
    eventually("PostgreSQL starts", async || postgres(dir.path()).is_some()).await;
    let server = postgres(dir.path()).expect("PostgreSQL starts");

    let interrupted = Instant::now();
    let pid = child.id().try_into().expect("a pid is positive");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("it is there");
    let status = child.wait().expect("it is our child");
    let duration = interrupted.elapsed();
    assert!(status.success(), "{status}");
    assert!(duration < Duration::from_secs(5), "it took {duration:?}");
    assert!(kill(server, None).is_err(), "PostgreSQL has ended");
}
