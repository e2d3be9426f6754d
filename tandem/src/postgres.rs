//! The private PostgreSQL of this program: start, restart after an unexpected end, stop.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use local_postgres::LocalPostgres;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

/// The interval between checks that PostgreSQL runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// Starts PostgreSQL on the data in this directory.
pub(crate) async fn start(data_dir: &Path) -> anyhow::Result<LocalPostgres> {
    let data_dir = data_dir.to_path_buf();
    Ok(spawn_blocking(move || LocalPostgres::durable(&data_dir)).await??)
}

/// Restarts PostgreSQL whenever it ends, until `shutdown` is cancelled; then stops it.
pub(crate) async fn keep_running(
    mut postgres: LocalPostgres,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    while shutdown.run_until_cancelled(sleep(INTERVAL)).await.is_some() {
        postgres = spawn_blocking(move || {
            if !postgres.is_running() {
                tracing::warn!("PostgreSQL has ended; restarting it");
                if let Err(error) = postgres.resume() {
                    tracing::error!(%error, "PostgreSQL cannot be started");
                }
            }
            postgres
        })
        .await?;
    }
    spawn_blocking(move || postgres.stop()).await?.context("PostgreSQL did not stop cleanly")
}
