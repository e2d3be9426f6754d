//! Start, stop, crash, and what survives them.

use std::net::TcpListener;

use nix::sys::signal::{Signal, kill};
use test_support::eventually;

use crate::support::{Program, command, directory, failure, postgres};

#[tokio::test]
async fn a_restart_keeps_users_tasks_and_tokens() {
    let dir = directory();
    let mut program = Program::start(dir.path());
    let name = program.register().await;
    let token = program.log_in(&name).await;
    program.create(&token, "Water the plants").await;
    assert!(program.end(Signal::SIGINT).await.success());
    assert_eq!(postgres(dir.path()), None, "Ctrl-C stops PostgreSQL too");

    let program = Program::start(dir.path());
    assert_eq!(program.titles(&token).await.unwrap(), ["Water the plants"]);
    program.log_in(&name).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_postgres_and_loses_nothing() {
    let dir = directory();
    let mut program = Program::start(dir.path());
    let name = program.register().await;
    let token = program.log_in(&name).await;
    program.create(&token, "Water the plants").await;
    let server = postgres(dir.path()).unwrap();
    program.end(Signal::SIGKILL).await;
    eventually("PostgreSQL has ended", async || kill(server, None).is_err()).await;

    let program = Program::start(dir.path());
    assert_eq!(program.titles(&token).await.unwrap(), ["Water the plants"]);
}

#[tokio::test]
async fn a_postgres_that_ends_is_restarted_and_the_services_stay() {
    let dir = directory();
    let program = Program::start(dir.path());
    let name = program.register().await;
    let token = program.log_in(&name).await;
    program.create(&token, "Water the plants").await;
    let server = postgres(dir.path()).unwrap();
    kill(server, Signal::SIGINT).unwrap();
    eventually("PostgreSQL has ended", async || kill(server, None).is_err()).await;

    eventually("task-service answers again", async || {
        program.titles(&token).await.is_ok_and(|titles| titles == ["Water the plants"])
    })
    .await;
    eventually("auth-service answers again", async || program.try_log_in(&name).await.is_ok())
        .await;
}

#[tokio::test]
async fn a_second_program_on_the_same_data_names_the_first() {
    let dir = directory();
    let _first = Program::start(dir.path());
    let (code, text) = failure(&mut command(dir.path()));
    assert_eq!(code, Some(1));
    assert!(text.contains("in use by process"), "{text}");
}

#[test]
fn all_ports_in_use_are_reported_with_their_variables() {
    let dir = directory();
    let variables = ["AUTH_LISTEN_ADDRESS", "TASK_LISTEN_ADDRESS", "TASK_OPS_LISTEN_ADDRESS"];
    let taken = variables.map(|variable| (TcpListener::bind("127.0.0.1:0").unwrap(), variable));
    let mut command = command(dir.path());
    for (listener, variable) in &taken {
        command.env(variable, listener.local_addr().unwrap().to_string());
    }
    let (code, text) = failure(&mut command);
    assert_eq!(code, Some(1));
    for (listener, variable) in taken {
        let address = listener.local_addr().unwrap();
        assert!(text.contains(&format!("{address}: ")) && text.contains(variable), "{text}");
    }
    assert!(!text.contains("AUTH_OPS_LISTEN_ADDRESS"), "it is free: {text}");
}

#[test]
fn an_invalid_setting_of_a_service_is_named_by_its_variable() {
    for (variable, value) in [("AUTH_BCRYPT_COST", "99"), ("TASK_JWKS_TIMEOUT_MS", "soon")] {
        let dir = directory();
        let (code, text) = failure(command(dir.path()).env(variable, value));
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(&format!("for '{variable}': expected")), "{text}");
        assert_eq!(dir.path().read_dir().unwrap().count(), 0, "nothing was started");
    }
}

#[test]
fn all_contradictions_in_the_settings_of_both_services_are_reported_at_once() {
    let dir = directory();
    let mut command = command(dir.path());
    let command = command.env("AUTH_KEY_LEAD_SECONDS", "1").env("TASK_LISTEN_ADDRESS", "0.0.0.0:0");
    let (code, text) = failure(command.env("SERVER_TLS_KEY_FILE", "/dev/zero"));
    assert_eq!(code, Some(2), "{text}");
    for part in [
        "AUTH_KEY_REFRESH_MS: ",
        "SERVER_TLS_KEY_FILE: /dev/zero: must be a regular file",
        "SERVER_TLS_CERT_FILE: is required with",
        "is required at 0.0.0.0:0",
    ] {
        assert_eq!(text.matches(part).count(), 1, "{part}: {text}");
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0, "nothing was started");
}
