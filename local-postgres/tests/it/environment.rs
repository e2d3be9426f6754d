//! The environment variables that apply, and those that do not reach PostgreSQL.

use crate::{child::Process, execute, query};

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
