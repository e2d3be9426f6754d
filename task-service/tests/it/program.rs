//! The program: command line, errors and exit codes.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    process::{Command, Output},
};

use clap::Args as _;
use task_service::Config;

/// The program with these arguments, and only these variables.
fn command(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_task-service"));
    command.args(args).env_clear().envs(variables.iter().copied());
    command
}

/// Runs it to its end.
fn task_service(args: &[&str], variables: &[(&str, &str)]) -> Output {
    command(args, variables).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_version_is_printed() {
    let output = task_service(&["--version"], &[]);
    assert!(output.status.success());
    let version = concat!("task-service ", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&output).trim_end(), version);
}

#[test]
fn help_lists_the_commands() {
    let output = task_service(&["--help"], &[]);
    assert!(output.status.success());
    for command in ["serve", "migrate", "healthcheck"] {
        assert!(stdout(&output).contains(&format!("\n  {command} ")), "{command}");
    }
}

#[test]
fn the_help_of_serve_lists_every_variable_and_its_default() {
    let output = task_service(&["serve", "--help"], &[]);
    assert!(output.status.success());
    let help = stdout(&output);
    let command = Config::augment_args(clap::Command::new("task-service"));
    for arg in command.get_arguments() {
        let variable = arg.get_env().unwrap().to_str().unwrap();
        assert!(help.contains(&format!("[env: {variable}")), "{variable}");
        for default in arg.get_default_values() {
            let default = default.to_str().unwrap();
            assert!(help.contains(&format!("[default: {default}]")), "{variable}: {default}");
        }
    }
}

#[test]
fn an_invalid_value_is_reported_with_its_variable_and_flag() {
    for (variable, value) in [
        ("TASK_JWKS_URL", "ftp://x"),
        ("TASK_LISTEN_ADDRESS", "x"),
        ("TASK_MAX_REQUEST_BYTES", "1"),
        ("TASK_PAGE_CACHE_BYTES", "16MiB"),
        ("DATABASE_MAX_CONNECTIONS", "0"),
        ("LOG_FORMAT", "xml"),
        ("DATABASE_URL", ""),
    ] {
        let output = task_service(&[], &[(variable, value)]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stdout(&output).is_empty());
        let stderr = stderr(&output);
        assert!(stderr.contains(&format!("{variable} (--")), "{variable} in {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn a_repeated_flag_is_rejected() {
    let flags = ["--log-filter", "info", "--log-filter", "warn"];
    let output = task_service(&flags, &[("DATABASE_URL", "postgres://localhost/tandem")]);
    assert_eq!(output.status.code(), Some(2));
    let says = "'RUST_LOG (--log-filter)' cannot be used multiple times";
    assert!(stderr(&output).contains(says), "{}", stderr(&output));
}

#[test]
fn a_flag_without_its_value_is_named() {
    for (flag, named) in [
        ("--server-max-calls", "SERVER_MAX_CALLS (--server-max-calls)"),
        ("--log-format", "LOG_FORMAT (--log-format)"),
        ("--database-url", "DATABASE_URL (--database-url)"),
        ("--server-tls-cert-file=", "SERVER_TLS_CERT_FILE (--server-tls-cert-file)"),
    ] {
        for flags in [&[flag][..], &[flag, "--purge-interval-seconds", "60"], &["serve", flag]] {
            let output = task_service(flags, &[]);
            assert_eq!(output.status.code(), Some(2), "{flags:?}");
            let says = format!("a value is required for '{named}' but none was supplied");
            assert!(stderr(&output).contains(&says), "{flags:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_value_that_is_not_unicode_is_named_by_its_variable() {
    let latin_1 = OsStr::from_bytes(b"caf\xe9");
    let mut command = command(&["serve"], &[("DATABASE_URL", "postgres://localhost/tandem")]);
    let output = command.env("TOKEN_AUDIENCE", latin_1).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let says = "not Unicode: TOKEN_AUDIENCE (--token-audience)";
    assert!(stderr(&output).contains(says), "{}", stderr(&output));
    let output = command.env_remove("TOKEN_AUDIENCE").arg("--token-issuer").arg(latin_1).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("not Unicode"), "{}", stderr(&output));
}

#[test]
fn all_mistakes_in_tls_files_are_reported_at_once() {
    let variables = [
        ("DATABASE_URL", "postgres://localhost/tandem"),
        ("TASK_LISTEN_ADDRESS", "0.0.0.0:0"),
        ("SERVER_TLS_KEY_FILE", "/dev/zero"),
        ("SERVER_TLS_CLIENT_CA_FILE", "/no/such"),
    ];
    let output = task_service(&["serve"], &variables);
    assert_eq!(output.status.code(), Some(2));
    let stderr = stderr(&output);
    for says in [
        "SERVER_TLS_KEY_FILE: /dev/zero: ",
        "SERVER_TLS_CLIENT_CA_FILE: /no/such: ",
        "SERVER_TLS_CERT_FILE: is required with",
        "at 0.0.0.0:0",
    ] {
        assert!(stderr.contains(says), "{says}: {stderr}");
    }
}

#[test]
fn a_password_in_an_invalid_database_url_is_never_printed() {
    for url in ["mysql://tandem:hunter2@db/tandem", "postgres://tandem:hunter2@db:port/tandem"] {
        let output = task_service(&[], &[("DATABASE_URL", url)]);
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    }
}

#[test]
fn the_healthcheck_fails_when_nothing_listens() {
    // Nothing listens on port 1. The command needs no database.
    let output = task_service(&["healthcheck"], &[("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:1")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("127.0.0.1:1"), "{}", stderr(&output));
}

#[test]
fn an_address_in_use_is_reported_with_its_variable() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [
        ("TASK_LISTEN_ADDRESS", address.as_str()),
        ("DATABASE_URL", "postgres://127.0.0.1:1/tandem"),
    ];
    let output = task_service(&["serve"], &variables);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(stderr.contains(&address) && stderr.contains("TASK_LISTEN_ADDRESS"), "{stderr}");
}
