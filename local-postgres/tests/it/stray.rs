//! A start after every process that would have stopped the previous server was killed.

use std::{fs, path::Path, process::Command};

use local_postgres::LocalPostgres;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    child::Process, cluster_of, eventually_left, execute, open_dir, pids_of, postmaster_of, query,
};

/// Kills the processes whose command line contains all of these texts.
fn kill_helpers(texts: &[&str]) {
    let helpers = pids_of(texts);
    assert!(!helpers.is_empty() || !Path::new("/proc").exists(), "no process has {texts:?}");
    for pid in helpers {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
}

/// Kills a process and these helpers of it, then starts a server on the same data.
fn assert_start_after_kill_of(helpers: &[&str]) {
    let dir = open_dir();
    let home = dir.path().to_str().unwrap();
    let mut process = Process::durable(dir.path());
    let url = process.url();
    execute(&url, "create table kept as select 42 as answer");
    let stray = postmaster_of(&cluster_of(&url));
    for helper in helpers {
        kill_helpers(&["/bin/sh", helper, home]);
    }
    process.signal(Signal::SIGKILL);
    process.wait();

    let server = LocalPostgres::durable(dir.path()).unwrap();
    assert_eq!(query(&url, "select answer from kept"), "42");
    assert_ne!(postmaster_of(&cluster_of(&url)), stray);
    server.stop().unwrap();
    eventually_left(dir.path());
}

#[test]
fn a_start_stops_the_server_of_killed_processes() {
    assert_start_after_kill_of(&["watcher", "sweeper"]);
}

#[test]
fn a_start_stops_the_server_that_only_the_sweeper_waits_for() {
    assert_start_after_kill_of(&["watcher"]);
}

#[test]
fn a_process_that_is_no_postmaster_is_not_stopped() {
    let dir = open_dir();
    let server = LocalPostgres::durable(dir.path()).unwrap();
    let cluster = cluster_of(&server.url("postgres"));
    server.stop().unwrap();
    let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(cluster.join("postmaster.pid"), format!("{}\n", sleeper.id())).unwrap();
    // PostgreSQL itself decides whether the file prevents the start.
    drop(LocalPostgres::durable(dir.path()));
    assert!(sleeper.try_wait().unwrap().is_none(), "the process was stopped");
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}
