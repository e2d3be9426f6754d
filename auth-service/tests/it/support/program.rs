//! The real program.

use std::net::SocketAddr;

use test_support::{Ended, Program, TestDatabase};

use super::ROOT_KEY;

pub(crate) const PATH: &str = env!("CARGO_BIN_EXE_auth-service");

/// Settings to serve on a free port.
pub(crate) fn settings(database: &TestDatabase) -> Vec<(&str, &str)> {
    vec![
        ("AUTH_BCRYPT_COST", "4"),
        ("AUTH_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("AUTH_ROOT_KEY", ROOT_KEY),
        ("DATABASE_URL", database.url()),
        ("SERVER_DRAIN_DELAY_SECONDS", "0"),
    ]
}

/// Runs the program to its end.
pub(crate) async fn run(args: &[&str], variables: &[(&str, &str)]) -> Ended {
    test_support::run(PATH, args, variables).await
}

/// Migrates a database to the newest schema.
pub(crate) async fn migrate(database: &TestDatabase) -> Ended {
    run(&["migrate"], &[("DATABASE_URL", database.url())]).await
}

/// Probes the readiness of the service with this operations port.
pub(crate) async fn healthcheck(ops_address: SocketAddr) -> Ended {
    run(&["healthcheck"], &[("AUTH_OPS_LISTEN_ADDRESS", &ops_address.to_string())]).await
}

/// Starts `serve` with these variables.
pub(crate) fn start(variables: &[(&str, &str)]) -> Program {
    Program::start(PATH, variables)
}

/// Starts `serve` on this database with these variables, and waits until it is ready.
pub(crate) async fn serve(database: &TestDatabase, variables: &[(&str, &str)]) -> Program {
    let program = start(&[&settings(database), variables].concat());
    program.eventually_ready().await;
    program
}
