//! The environment variables that apply, and those that do not reach PostgreSQL.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};

use nix::unistd::Uid;

use crate::{child::Process, cluster_of, execute, open_dir, processes_in, query};

#[test]
fn a_wrong_pg_bin_dir_is_an_error() {
    let mut process = Process::spawn("throwaway", &[("PG_BIN_DIR", "/nowhere")]);
    let error = process.answer().unwrap_err();
    assert!(error.contains("PG_BIN_DIR is /nowhere, which does not hold"), "{error}");
}

#[test]
fn pg_bin_dir_is_used_without_a_search_of_path() {
    let mut process = Process::throwaway();
    let bin_dir = query(&process.url(), "select setting from pg_config where name = 'BINDIR'");
    let mut process =
        Process::spawn("throwaway", &[("PG_BIN_DIR", &bin_dir), ("PATH", "/usr/bin:/bin")]);
    assert_eq!(query(&process.url(), "1 + 1"), "2");
}

#[test]
fn variables_of_libpq_and_postgresql_are_ignored() {
    let env =
        [("PGDATA", "/nowhere"), ("PGPORT", "1"), ("PGHOST", "nowhere"), ("PGOPTIONS", "-c x=y")];
    let mut process = Process::spawn("throwaway", &env);
    assert_eq!(query(&process.url(), "1 + 1"), "2");
}

#[test]
fn other_variables_do_not_reach_postgresql() {
    let mut process = Process::spawn("throwaway", &[("AUTH_ROOT_KEY", "secret")]);
    let url = process.url();
    execute(&url, "create table environment (line text); copy environment from program 'env'");
    let found = "select count(*)::text from environment where line like 'AUTH_ROOT_KEY=%'";
    assert_eq!(query(&url, found), "0");
    assert_ne!(query(&url, "select count(*)::text from environment"), "0");
}

#[test]
fn no_helper_process_has_the_environment_of_its_parent() {
    let env = [("AUTH_ROOT_KEY", "very-secret"), ("PGOPTIONS", "-c x=y")];
    let mut process = Process::spawn("throwaway", &env);
    let home = cluster_of(&process.url()).parent().unwrap().to_owned();
    let helpers = processes_in(&home);
    assert!(helpers.len() >= 3 || !Path::new("/proc").exists(), "sweeper, watcher, postmaster");
    for pid in helpers {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment);
        assert!(!environment.contains("very-secret"), "{pid}: {environment}");
        assert!(!environment.contains("PGOPTIONS"), "{pid}: {environment}");
    }
}

/// A directory with a `postgres` that leaves a file `executed` behind, and with an `initdb`.
fn install_fake(bin_dir: &Path) {
    fs::create_dir(bin_dir).unwrap();
    let executed = bin_dir.join("executed");
    let script =
        format!("#!/bin/sh\ntouch {}\necho 'postgres (PostgreSQL) 99'\n", executed.display());
    for program in ["postgres", "initdb", "pg_config"] {
        fs::write(bin_dir.join(program), &script).unwrap();
        fs::set_permissions(bin_dir.join(program), Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn root_does_not_execute_a_program_that_another_user_can_change() {
    if !Uid::effective().is_root() {
        return; // Every other user chooses the programs in PATH.
    }
    let dir = open_dir();
    let places =
        ["writable", "foreign-directory", "foreign-program"].map(|name| dir.path().join(name));
    for place in &places {
        install_fake(place);
    }
    fs::set_permissions(&places[0], Permissions::from_mode(0o777)).unwrap();
    chown(&places[1], Some(65534), None).unwrap();
    for program in ["postgres", "initdb", "pg_config"] {
        chown(places[2].join(program), Some(65534), None).unwrap();
    }
    let path = places.each_ref().map(|place| place.to_str().unwrap()).join(":");
    let path = format!("{path}:{}", env!("PATH"));
    let mut process = Process::spawn("throwaway", &[("PATH", &path)]);
    assert_eq!(query(&process.url(), "1 + 1"), "2");
    for place in &places {
        assert!(!place.join("executed").exists(), "{}", place.display());
        let env = [("PG_BIN_DIR", place.to_str().unwrap())];
        let error = Process::spawn("throwaway", &env).answer().unwrap_err();
        assert!(error.contains("because other users can change"), "{error}");
        assert!(!place.join("executed").exists(), "{}", place.display());
    }
}
