//! What the programs of both services do alike: `migrate`, `healthcheck` and the exit code.

use std::{net::SocketAddr, process::ExitCode};

use crate::{config::MigrateConfig, db, error::Error, ops, server, telemetry};

/// Brings the database to the newest schema.
pub async fn migrate(config: MigrateConfig) -> Result<(), Error> {
    let _telemetry = telemetry::init(&config.telemetry, "migrate");
    db::migrate(&config.database).await?;
    tracing::info!("the database has the newest schema");
    Ok(())
}

/// 0 if the service whose operations port is at `address` is ready for calls, otherwise 1.
pub async fn healthcheck(address: SocketAddr) -> ExitCode {
    let address = server::reachable(address);
    let reason = match ops::ask_readiness(address).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(reason) => reason,
    };
    #[expect(clippy::print_stderr, reason = "a program that talks to a person")]
    {
        eprintln!("error: the service with operations port {address} is not ready: {reason}");
    }
    ExitCode::FAILURE
}

/// The exit code of a program that has ended so: 1 if it failed, and then the log says why.
pub fn exit_code(ended: Result<(), Error>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    match &error {
        Error::DatabaseUnavailable(_) => tracing::error!(
            "cannot reach the database, whose place DATABASE_URL says: {}",
            error.causes()
        ),
        error => tracing::error!("{}", error.causes()),
    }
    ExitCode::FAILURE
}
