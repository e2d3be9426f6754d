//! Removes, now and then, what is kept for a time only. Any number of replicas may do so at once.

use std::{convert::Infallible, time::Duration};

use chrono::TimeDelta;
use shared::{error::Error, time, time::jitter};
use sqlx::PgPool;
use tokio::time::sleep;

use crate::store::{requests, tasks};

/// For how long a create is known by its request id (AIP-155).
pub(crate) const REQUESTS_REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// What one statement removes at most, so that it is short.
const BATCH: u32 = 500;

/// Removes what has expired, about once in each `interval`, for ever. While the database is away it
/// waits for the next time.
pub(crate) async fn purge_forever(db: &PgPool, interval: Duration) -> Infallible {
    loop {
        sleep(jitter(interval)).await;
        match purge(db).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed what had expired"),
            Err(error) => tracing::warn!(cause = error.causes(), "cannot remove what has expired"),
        }
    }
}

async fn purge(db: &PgPool) -> Result<u64, Error> {
    let mut total = 0;
    loop {
        let now = time::now();
        let tasks = tasks::purge(db, now, BATCH.into()).await?;
        let requests = requests::purge(db, now - REQUESTS_REMEMBERED, BATCH.into()).await?;
        total += tasks + requests;
        if tasks.max(requests) < BATCH.into() {
            return Ok(total);
        }
    }
}
