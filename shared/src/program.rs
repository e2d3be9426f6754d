//! What the programs of both services do alike: `migrate`, `healthcheck` and the exit code.

use std::{net::SocketAddr, process::ExitCode};

use crate::{config::MigrateConfig, db, error::Error, server, telemetry};

/// Brings the database to the newest schema.
pub async fn migrate(config: MigrateConfig) -> Result<(), Error> {
    telemetry::init(&config.telemetry);
    db::migrate(&config.database).await?;
    tracing::info!("the database has the newest schema");
    Ok(())
}

/// 0 if the service that listens on `address` is ready for calls, otherwise 1.
pub async fn healthcheck(address: SocketAddr) -> ExitCode {
    let address = server::reachable(address);
    if server::is_ready(address).await {
        return ExitCode::SUCCESS;
    }
    #[expect(clippy::print_stderr, reason = "a program that talks to a person")]
    {
        eprintln!("error: the service at {address} is not ready; its log says why");
    }
    ExitCode::FAILURE
}

/// The exit code of a program that has ended so: 1 if it failed, and then the log says why.
pub fn exit_code(ended: Result<(), Error>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    tracing::error!("{}", error.causes());
    ExitCode::FAILURE
}
