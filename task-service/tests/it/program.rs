//! The program: its command line, its exit codes.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    process::{Command, Output},
};

use clap::Args as _;
use task_service::Config;

/// The program with these arguments and variables, and nothing else in its environment.
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
fn the_version_is_told() {
    let output = task_service(&["--version"], &[]);
    assert!(output.status.success());
    let version = concat!("task-service ", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&output).trim_end(), version);
}

#[test]
fn the_help_names_every_variable_and_its_default() {
    let output = task_service(&["--help"], &[]);
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
    for task in ["serve", "migrate", "healthcheck"] {
        assert!(help.contains(task), "{task}");
    }
    assert!(help.contains("--max-request-bytes <BYTES>"), "its value is not optional");
}

#[test]
fn every_mistake_is_told_at_once() {
    let variables = [
        ("TASK_JWKS_URL", "ftp://x"),
        ("TASK_LISTEN_ADDRESS", "x"),
        ("TASK_MAX_REQUEST_BYTES", "1"),
        ("DATABASE_MAX_CONNECTIONS", "0"),
        ("LOG_FORMAT", "xml"),
    ];
    let output = task_service(&[], &variables);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).is_empty());
    let told = stderr(&output);
    for name in variables.map(|(name, _)| name).into_iter().chain(["DATABASE_URL"]) {
        assert!(told.contains(name), "{name} in {told}");
    }
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn a_flag_that_is_there_twice_is_told_once_beside_the_other_mistakes() {
    let flags = ["--log-filter", "info", "--log-filter", "warn", "--max-request-bytes", "1"];
    let output = task_service(&flags, &[("DATABASE_URL", "postgres://localhost/tandem")]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert_eq!(told.matches("RUST_LOG (--log-filter): is set twice").count(), 1, "{told}");
    assert!(told.contains("TASK_MAX_REQUEST_BYTES"), "{told}");
}

#[test]
fn a_flag_without_its_value_is_told_beside_the_other_mistakes() {
    let variables = [("TASK_MAX_REQUEST_BYTES", "1")];
    for (flag, says) in [
        (
            "--server-max-calls",
            "SERVER_MAX_CALLS (--server-max-calls): a value is missing: \
             expected --server-max-calls <N>",
        ),
        (
            "--log-format",
            "LOG_FORMAT (--log-format): a value is missing: \
             expected one of text, json",
        ),
        (
            "--database-url",
            "DATABASE_URL (--database-url): a value is missing: \
             expected --database-url <URL>",
        ),
        (
            "--server-tls-cert-file=",
            "SERVER_TLS_CERT_FILE (--server-tls-cert-file): \
             a value is missing: expected --server-tls-cert-file <FILE>",
        ),
    ] {
        for flags in [&[flag][..], &[flag, "--purge-interval-seconds", "60"]] {
            let output = task_service(flags, &variables);
            assert_eq!(output.status.code(), Some(2), "{flags:?}");
            let told = stderr(&output);
            assert_eq!(told.matches(says).count(), 1, "{flags:?}: {told}");
            assert!(told.contains("TASK_MAX_REQUEST_BYTES"), "{flags:?}: {told}");
        }
    }
    // What another task needs may be anything.
    let healthcheck = ["healthcheck", "--ops-listen-address", "127.0.0.1:1", "--log-format"];
    assert_eq!(task_service(&healthcheck, &[]).status.code(), Some(1));
}

#[test]
fn what_is_not_unicode_is_named_beside_the_other_mistakes() {
    let latin_1 = OsStr::from_bytes(b"caf\xe9");
    let mut command = command(&["serve", "--token-issuer"], &[("TASK_MAX_REQUEST_BYTES", "1")]);
    command.arg(latin_1).env("TOKEN_AUDIENCE", latin_1).env("DATABASE_URL_FILE", "/no/such");
    // A path may be so.
    let output = command.env("SERVER_TLS_CERT_FILE", latin_1).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    for name in ["TOKEN_ISSUER (--token-issuer)", "TOKEN_AUDIENCE (--token-audience)"] {
        assert!(told.contains(&format!("{name}: is not Unicode")), "{name} in {told}");
    }
    assert_eq!(told.matches("is not Unicode").count(), 2, "{told}");
    assert!(told.contains("TASK_MAX_REQUEST_BYTES") && told.contains("DATABASE_URL_FILE"));
}

#[test]
fn a_password_in_a_bad_database_url_is_not_repeated() {
    for url in ["mysql://tandem:hunter2@db/tandem", "postgres://tandem:hunter2@db:port/tandem"] {
        let output = task_service(&[], &[("DATABASE_URL", url)]);
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    }
}

#[test]
fn the_healthcheck_fails_when_nothing_listens() {
    // Port 1 is nobody's. It needs no database.
    let output = task_service(&["healthcheck"], &[("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:1")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("127.0.0.1:1"), "{}", stderr(&output));
}

#[test]
fn an_address_that_cannot_be_had_is_told_with_the_variable_that_chooses_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [
        ("TASK_LISTEN_ADDRESS", address.as_str()),
        ("DATABASE_URL", "postgres://127.0.0.1:1/tandem"),
    ];
    let output = task_service(&["serve"], &variables);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains(&address) && told.contains("TASK_LISTEN_ADDRESS"), "{told}");
}
