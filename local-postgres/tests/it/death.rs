//! However a process ends, its server ends and nothing is left behind.

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

fn nothing_is_left(cluster: &Path) {
    let home = cluster.parent().unwrap();
    eventually(&format!("{} is gone", home.display()), || !home.exists());
    eventually_left(home);
}

fn dies(end: impl FnOnce(&mut Process)) {
    let mut process = Process::throwaway();
    let cluster = cluster_of(&process.url());
    assert!(!processes_in(&cluster).is_empty() || !Path::new("/proc").exists());
    end(&mut process);
    process.wait();
    nothing_is_left(&cluster);
}

#[test]
fn killed() {
    dies(|process| process.signal(Signal::SIGKILL));
}

#[test]
fn terminated() {
    dies(|process| process.signal(Signal::SIGTERM));
}

#[test]
fn exited_without_dropping() {
    dies(|process| process.tell("exit"));
}

#[test]
fn panicked() {
    dies(|process| process.tell("panic"));
}

#[test]
fn killed_while_the_server_was_halted() {
    dies(|process| {
        process.tell("halt");
        process.url();
        process.signal(Signal::SIGKILL);
    });
}

#[test]
fn killed_together_with_the_server() {
    let dir = open_dir();
    let mut process = Process::durable(dir.path());
    let cluster = cluster_of(&process.url());
    kill(Pid::from_raw(postmaster_of(&cluster)), Signal::SIGKILL).unwrap();
    process.signal(Signal::SIGKILL);
    process.wait();
    // Its pid file, socket and shared memory are still there.
    LocalPostgres::durable(dir.path()).unwrap().stop().unwrap();
    eventually_left(dir.path());
}

#[test]
fn killed_while_another_child_lives_on() {
    let mut process = Process::throwaway();
    let cluster = cluster_of(&process.url());
    process.tell("child");
    let sleeper = process.url().parse().unwrap();
    process.signal(Signal::SIGKILL);
    process.wait();
    nothing_is_left(&cluster);
    kill(Pid::from_raw(sleeper), Signal::SIGKILL).expect("the other child outlived the server");
}

#[test]
fn killed_in_the_middle_of_initdb() {
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
fn a_restart_waits_for_the_orphan() {
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
fn a_terminal_interrupts_the_process_and_not_the_server() {
    let server = LocalPostgres::throwaway().unwrap();
    let postmaster = Pid::from_raw(postmaster_of(&cluster_of(&server.url("postgres"))));
    assert_eq!(getpgid(Some(postmaster)).unwrap(), postmaster);
}
