//! However a process ends, its server stops and leaves no process and no file.

use std::{fs, path::Path};

use local_postgres::LocalPostgres;
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, getpgid},
};

use crate::{
    child::Process, cluster_of, eventually, eventually_left, execute, open_dir, postmaster_of,
    processes_in, query,
};

fn wait_until_removed(cluster: &Path) {
    let home = cluster.parent().unwrap();
    eventually(&format!("{} is removed", home.display()), || !home.exists());
    eventually_left(home);
}

fn assert_server_ends_after(end: impl FnOnce(&mut Process)) {
    let mut process = Process::throwaway();
    let cluster = cluster_of(&process.url());
    assert!(!processes_in(&cluster).is_empty() || !Path::new("/proc").exists());
    end(&mut process);
    process.wait();
    wait_until_removed(&cluster);
}

#[test]
fn a_killed_process_leaves_nothing() {
    assert_server_ends_after(|process| process.signal(Signal::SIGKILL));
}

#[test]
fn a_terminated_process_leaves_nothing() {
    assert_server_ends_after(|process| process.signal(Signal::SIGTERM));
}

#[test]
fn a_process_that_exits_without_drop_leaves_nothing() {
    assert_server_ends_after(|process| process.send("exit"));
}

#[test]
fn a_panicking_process_leaves_nothing() {
    assert_server_ends_after(|process| process.send("panic"));
}

#[test]
fn a_process_killed_while_its_server_is_halted_leaves_nothing() {
    assert_server_ends_after(|process| {
        process.send("halt");
        process.url();
        process.signal(Signal::SIGKILL);
    });
}

#[test]
fn data_are_usable_after_process_and_server_are_killed() {
    let dir = open_dir();
    let mut process = Process::durable(dir.path());
    let cluster = cluster_of(&process.url());
    kill(Pid::from_raw(postmaster_of(&cluster)), Signal::SIGKILL).unwrap();
    process.signal(Signal::SIGKILL);
    process.wait();
    // The pid file, the socket and the shared memory still exist.
    LocalPostgres::durable(dir.path()).unwrap().stop().unwrap();
    eventually_left(dir.path());
}

#[test]
fn another_child_of_the_process_does_not_delay_the_end() {
    let mut process = Process::throwaway();
    let cluster = cluster_of(&process.url());
    process.send("child");
    let sleeper = process.url().parse().unwrap();
    process.signal(Signal::SIGKILL);
    process.wait();
    wait_until_removed(&cluster);
    kill(Pid::from_raw(sleeper), Signal::SIGKILL).expect("the other child outlived the server");
}

#[test]
fn a_start_after_an_interrupted_initdb_creates_the_cluster() {
    let dir = open_dir();
    let mut process = Process::durable(dir.path());
    let is_unfinished = || {
        let entries = fs::read_dir(dir.path()).unwrap().flatten();
        entries.into_iter().any(|entry| entry.path().extension().is_some_and(|e| e == "new"))
    };
    eventually("initdb is running", is_unfinished);
    process.signal(Signal::SIGKILL);
    process.wait();
    let mut next = Process::durable(dir.path());
    assert_eq!(query(&next.url(), "1 + 1"), "2");
    assert!(!is_unfinished());
    drop(next);
    eventually_left(dir.path());
}

#[test]
fn a_restart_waits_for_the_orphaned_server() {
    let dir = open_dir();
    let mut process = Process::durable(dir.path());
    let first = process.url();
    execute(&first, "create table kept as select 42 as answer");
    let orphan = postmaster_of(&cluster_of(&first));
    process.signal(Signal::SIGKILL);
    let server = LocalPostgres::durable(dir.path()).unwrap();
    assert_eq!(server.url("postgres"), first);
    assert_eq!(query(&first, "select answer from kept"), "42");
    assert_ne!(postmaster_of(&cluster_of(&first)), orphan);
    server.stop().unwrap();
    eventually_left(dir.path());
}

#[test]
fn the_server_has_its_own_process_group() {
    let server = LocalPostgres::throwaway().unwrap();
    let postmaster = Pid::from_raw(postmaster_of(&cluster_of(&server.url("postgres"))));
    assert_eq!(getpgid(Some(postmaster)).unwrap(), postmaster);
}
