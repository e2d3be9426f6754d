//! The private PostgreSQL of this program: start, restart after an unexpected end, stop.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use local_postgres::{Error, LocalPostgres};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

/// The interval between checks that PostgreSQL runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// Starts PostgreSQL on the data in this directory. Returns `None` if `shutdown` is cancelled
/// before PostgreSQL is ready; nothing runs then.
pub(crate) async fn start(
    data_dir: &Path,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<LocalPostgres>> {
    let (data_dir, shutdown) = (data_dir.to_path_buf(), shutdown.clone());
    let starting = spawn_blocking(move || {
        LocalPostgres::durable_unless(&data_dir, &|| shutdown.is_cancelled())
    });
    match starting.await? {
        Err(Error::Cancelled) => Ok(None),
        started => Ok(Some(started?)),
    }
}

/// Restarts PostgreSQL whenever it ends, until `shutdown` is cancelled; then stops it.
pub(crate) async fn keep_running(
    mut postgres: LocalPostgres,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    while shutdown.run_until_cancelled(sleep(INTERVAL)).await.is_some() {
        let shutdown = shutdown.clone();
        postgres = spawn_blocking(move || {
            if !postgres.is_running() {
                tracing::warn!("PostgreSQL has ended; restarting it");
                match postgres.resume_unless(&|| shutdown.is_cancelled()) {
                    Ok(()) | Err(Error::Cancelled) => {}
                    Err(error) => tracing::error!(%error, "PostgreSQL cannot be started"),
                }
            }
            postgres
        })
        .await?;
    }
    spawn_blocking(move || postgres.stop()).await?.context("PostgreSQL did not stop cleanly")
}
