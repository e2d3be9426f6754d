//! Purges deleted users and old events periodically, by the database's clock. One instance at a
//! time does so.

use std::{convert::Infallible, time::Duration};

use shared::{error::Error, time::jitter};
use sqlx::PgPool;
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    config::AuditConfig,
    store::{events, purged_users},
};

/// The most users that one statement purges, each with at most 1,000 sessions.
const USER_BATCH: usize = 50;
/// The most events that one statement purges, so that it is short.
const EVENT_BATCH: u32 = 500;

/// Purges once in each interval (jitter ±10 %). A purge that fails is retried in the next one.
pub(crate) async fn purge_forever(db: &PgPool, config: &AuditConfig) -> Infallible {
    loop {
        sleep(jitter(config.purge_interval)).await;
        report("deleted users purged", purge_users(db).await);
        report("old events purged", purge_events(db, config.retention).await);
    }
}

fn report(what: &'static str, purged: Result<u64, Error>) {
    match purged {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "{what}"),
        Err(error) => tracing::warn!(cause = error.causes(), "failed: {what}"),
    }
}

async fn purge_users(db: &PgPool) -> Result<u64, Error> {
    let mut total = 0;
    loop {
        let event_ids: Vec<_> = (0..USER_BATCH).map(|_| Uuid::now_v7()).collect();
        let purged = purged_users::purge(db, &event_ids).await?;
        total += purged;
        if purged < USER_BATCH as u64 {
            return Ok(total);
        }
    }
}

async fn purge_events(db: &PgPool, retention: Duration) -> Result<u64, Error> {
    let mut total = 0;
    loop {
        let purged = events::purge(db, retention, EVENT_BATCH.into()).await?;
        total += purged;
        if purged < EVENT_BATCH.into() {
            return Ok(total);
        }
    }
}
