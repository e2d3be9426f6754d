//! The program's life: `migrate`, `serve`, `healthcheck`, signals and exit codes.

use std::{fs, net::TcpListener, sync::Arc};

use test_support::TestDatabase;

use crate::support::{
    ROOT_KEY, database, empty_database, healthcheck, migrate, run, settings, start,
};

#[tokio::test]
async fn migrate_is_idempotent_and_can_run_concurrently() {
    let database = empty_database().await;
    let (one, two) = tokio::join!(migrate(&database), migrate(&database));
    let again = migrate(&database).await;
    for ended in [one, two, again] {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    }
    let program = start(&settings(&database));
    program.eventually_ready().await;
}

#[tokio::test]
async fn migrate_fails_when_the_database_is_away() {
    let url = "postgres://tandem:hunter2@127.0.0.1:1/tandem";
    let variables = [("DATABASE_URL", url), ("DATABASE_ACQUIRE_TIMEOUT_MS", "100")];
    let ended = run(&["migrate"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(!ended.stderr.contains("hunter2") && !ended.stderr.is_empty(), "{ended:?}");
}

#[tokio::test]
async fn serve_applies_pending_migrations() {
    let database = empty_database().await;
    let program = start(&settings(&database));
    program.eventually_ready().await;
}

#[tokio::test]
async fn without_migrations_on_start_serve_names_the_command_and_waits() {
    let database = empty_database().await;
    let mut variables = settings(&database);
    variables.push(("DATABASE_MIGRATE_ON_START", "false"));
    let program = start(&variables);
    program.eventually_logs("run `migrate`").await;
    let ended = healthcheck(program.ops_address().await).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("run `migrate`"), "{ended:?}");
    assert_eq!(migrate(&database).await.code, Some(0));
    program.eventually_ready().await;
}

#[tokio::test]
async fn the_exit_code_of_healthcheck_is_the_readiness_of_the_service() {
    let database = database().await;
    let mut program = start(&settings(&database));
    program.eventually_ready().await;
    let address = program.ops_address().await;
    let ended = healthcheck(address).await;
    let silent = (Some(0), "", "");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), silent);
    program.terminate().await;
    let ended = healthcheck(address).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains(&address.to_string()), "{ended:?}");
}

#[tokio::test]
async fn sigterm_ends_the_program_with_success() {
    let database = database().await;
    let mut program = start(&settings(&database));
    program.eventually_ready().await;
    assert_eq!(program.terminate().await, Some(0));
    program.eventually_logs("auth-service has ended").await;
}

#[tokio::test]
async fn sigterm_ends_a_program_that_waits_for_its_database() {
    let database = Arc::new(TestDatabase::create_on_own_server().await);
    database.halt();
    let mut program = start(&settings(&database));
    program.eventually_logs("database unavailable, retrying").await;
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn an_address_in_use_is_reported_with_its_variable() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("AUTH_LISTEN_ADDRESS", &address));
    let ended = run(&["serve"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    for part in [address.as_str(), "AUTH_LISTEN_ADDRESS"] {
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
}

#[tokio::test]
async fn a_root_key_in_a_file_is_the_same_as_in_its_variable() {
    let database = database().await;
    let mut program = start(&settings(&database));
    program.eventually_ready().await;
    program.terminate().await;

    let file = std::env::temp_dir().join(format!("auth-root-key-{}", uuid::Uuid::now_v7()));
    fs::write(&file, format!("{ROOT_KEY}\n")).unwrap();
    let mut variables = settings(&database);
    variables.retain(|(name, _)| *name != "AUTH_ROOT_KEY");
    variables.push(("AUTH_ROOT_KEY_FILE", file.to_str().unwrap()));
    let program = start(&variables);
    program.eventually_ready().await;
    fs::remove_file(&file).unwrap();
}
