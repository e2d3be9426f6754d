//! A server that keeps its data.

use std::{
    cell::Cell,
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
    time::{Duration, Instant},
};

use local_postgres::{Error, LocalPostgres, durable_dir};
use nix::unistd::Uid;

use crate::{child::Process, cluster_of, eventually_left, execute, open_dir, pids_of, query};

#[test]
fn data_outlive_a_restart_at_the_same_url() {
    let dir = open_dir();
    let home = dir.path().join("made/if not there, be \"100%\" ok? é");
    let server = LocalPostgres::durable(&home).unwrap();
    let url = server.url("postgres");
    assert!(server.major() >= 15);
    execute(&url, "create database \"a/b c?\"");
    execute(&server.url("a/b c?"), "create table kept as select 42 as answer");
    assert_eq!(query(&url, "current_setting('fsync')"), "on");
    assert_eq!(query(&url, "current_setting('listen_addresses')"), "");
    server.stop().unwrap();
    eventually_left(&home);

    let server = LocalPostgres::durable(&home).unwrap();
    assert_eq!(server.url("postgres"), url);
    assert_eq!(query(&server.url("a/b c?"), "select answer from kept"), "42");
}

#[test]
fn only_its_user_can_enter() {
    let dir = open_dir();
    let server = LocalPostgres::durable(dir.path()).unwrap();
    let cluster = fs::metadata(dir.path().join(format!("pg-{}", server.major()))).unwrap();
    assert_eq!(cluster.permissions().mode() & 0o777, 0o700);
    assert_ne!(cluster.uid(), 0);
    assert_eq!(cluster.uid() == Uid::effective().as_raw(), !Uid::effective().is_root());
}

#[test]
fn a_directory_in_use_is_refused_with_the_pid_of_its_user() {
    let dir = open_dir();
    let mut process = Process::durable(dir.path());
    process.url();
    let error = LocalPostgres::durable(dir.path()).unwrap_err();
    let Error::InUse { pid, .. } = &error else { panic!("{error}") };
    assert_eq!(*pid, process.id().to_string());
}

#[test]
fn a_long_path_gets_a_short_socket() {
    let dir = open_dir();
    let home = dir.path().join("long".repeat(30));
    let socket_dir = |url: &str| {
        let host = url.split_once("host=").unwrap().1.split_once('&').unwrap().0;
        host.replace("%2F", "/")
    };
    let server = LocalPostgres::durable(&home).unwrap();
    let url = server.url("postgres");
    let short = socket_dir(&url);
    assert!(short.starts_with("/tmp/"), "{short}");
    assert_eq!(fs::metadata(&short).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(cluster_of(&url).starts_with(&home));
    server.stop().unwrap();
    assert!(!Path::new(&short).exists());

    let mut process = Process::durable(&home);
    assert_eq!(process.url(), url);
    drop(process);
    crate::eventually("the short directory is removed", || !Path::new(&short).exists());

    // Any user can create it while no server runs.
    fs::create_dir(&short).unwrap();
    fs::set_permissions(&short, Permissions::from_mode(0o755)).unwrap();
    let untrusted = LocalPostgres::durable(&home).unwrap_err();
    fs::remove_dir(&short).unwrap();
    assert!(matches!(untrusted, Error::Untrusted { .. }), "{untrusted}");
}

#[test]
fn the_error_contains_the_log_of_a_failed_start() {
    let dir = open_dir();
    let server = LocalPostgres::durable(dir.path()).unwrap();
    let cluster = cluster_of(&server.url("postgres"));
    server.stop().unwrap();
    fs::write(cluster.join("postgresql.auto.conf"), "no_such_setting = on\n").unwrap();
    let error = LocalPostgres::durable(dir.path()).unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}

#[test]
fn data_of_a_version_that_is_not_installed_are_not_touched() {
    let dir = open_dir();
    fs::create_dir(dir.path().join("pg-99")).unwrap();
    let error = LocalPostgres::durable(dir.path()).unwrap_err();
    assert!(matches!(error, Error::MajorNotInstalled { needed: 99, .. }), "{error}");
}

#[test]
fn root_uses_a_directory_that_postgresql_can_enter() {
    let private = open_dir();
    fs::set_permissions(private.path(), Permissions::from_mode(0o700)).unwrap();
    let preferred = private.path().join("clone/.tandem");
    fs::create_dir(private.path().join("clone")).unwrap();
    let chosen = durable_dir(&preferred).unwrap();
    if Uid::effective().is_root() {
        assert_eq!(chosen.parent(), Some(Path::new("/var/lib/tandem")));
        assert_eq!(chosen, durable_dir(&preferred).unwrap());
        let error = LocalPostgres::durable(&preferred).unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        LocalPostgres::durable(&chosen).unwrap().stop().unwrap();
        fs::remove_dir_all(&chosen).unwrap();
        let _ = fs::remove_dir("/var/lib/tandem"); // unless it holds other data
    } else {
        assert_eq!(chosen, preferred);
    }
    let open = open_dir();
    assert_eq!(durable_dir(&open.path().join("new")).unwrap(), open.path().join("new"));
}

#[test]
fn root_uses_no_other_directory_if_no_process_can_be_started() {
    if !Uid::effective().is_root() {
        return; // Only root uses another directory.
    }
    let dir = open_dir();
    let what = format!("durable_dir_without_processes {}", dir.path().display());
    let error = Process::spawn(&what, &[]).answer().unwrap_err();
    let expected = format!("cannot run /bin/sh in {}: ", dir.path().display());
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_path_that_is_not_unicode_works() {
    let dir = open_dir();
    let home = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
    let server = LocalPostgres::durable(&home).unwrap();
    let url = server.url("postgres");
    execute(&url, "create table kept as select 42 as answer");
    server.stop().unwrap();
    let server = LocalPostgres::durable(&home).unwrap();
    assert_eq!(query(&url, "select answer from kept"), "42");
    drop(server);
    eventually_left(dir.path());
}

/// Has PostgreSQL wait for `sleep` before it is ready, as in a long recovery.
fn prevent_readiness(cluster: &Path) {
    fs::write(cluster.join("postgresql.auto.conf"), "restore_command = 'sleep 60'\n").unwrap();
    fs::write(cluster.join("recovery.signal"), "").unwrap();
}

#[test]
fn a_cancelled_start_ends_soon_and_stops_the_server() {
    let dir = open_dir();
    let server = LocalPostgres::durable(dir.path()).unwrap();
    let cluster = cluster_of(&server.url("postgres"));
    server.stop().unwrap();
    prevent_readiness(&cluster);
    let cancelled_at = Cell::new(None);
    let cancelled = || {
        let is_starting = cluster.join("postmaster.pid").exists();
        if is_starting && cancelled_at.get().is_none() {
            cancelled_at.set(Some(Instant::now()));
        }
        is_starting
    };
    let error = LocalPostgres::durable_unless(dir.path(), &cancelled).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    let duration = cancelled_at.get().unwrap().elapsed();
    assert!(duration < Duration::from_secs(5), "{duration:?}");
    assert!(!cluster.join("postmaster.pid").exists());
    eventually_left(dir.path());
}

#[test]
fn a_start_is_cancelled_during_initdb() {
    let dir = open_dir();
    let is_in_initdb = || pids_of(&["/initdb", dir.path().to_str().unwrap()]).len() > 1;
    let error = LocalPostgres::durable_unless(dir.path(), &is_in_initdb).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    eventually_left(dir.path());
    LocalPostgres::durable(dir.path()).unwrap().stop().unwrap();
}

#[test]
fn root_refuses_the_directory_of_another_user() {
    if !Uid::effective().is_root() {
        return; // Only root may write to the directory of another user.
    }
    let dir = open_dir();
    std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
    let error = LocalPostgres::durable(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
