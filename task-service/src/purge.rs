//! Purges expired tasks and requests periodically, by the database's clock. Any number of replicas
//! can do so at once.

use std::{convert::Infallible, time::Duration};

use shared::{error::Error, time::jitter};
use sqlx::PgPool;
use tokio::time::sleep;

use crate::store::{requests, tasks};

/// How long a create is idempotent by its request id (AIP-155).
pub(crate) const REQUEST_RETENTION: Duration = Duration::from_hours(24);

/// The most rows that one statement purges, so that it is short.
const BATCH: u32 = 500;

/// Purges once in each `interval` (jitter ±10 %). A purge that fails is retried in the next one.
pub(crate) async fn purge_forever(db: &PgPool, interval: Duration) -> Infallible {
    loop {
        sleep(jitter(interval)).await;
        match purge(db).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "expired rows purged"),
            Err(error) => tracing::warn!(cause = error.causes(), "purge of expired rows failed"),
        }
    }
}

async fn purge(db: &PgPool) -> Result<u64, Error> {
    let mut total = 0;
    loop {
        let tasks = tasks::purge(db, BATCH.into()).await?;
        let requests = requests::purge(db, REQUEST_RETENTION, BATCH.into()).await?;
        total += tasks + requests;
        if tasks.max(requests) < BATCH.into() {
            return Ok(total);
        }
    }
}
