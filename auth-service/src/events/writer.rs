//! Writes the queued rows of the audit log in batches, beside the calls.

use std::{convert::Infallible, sync::atomic::Ordering::Relaxed, time::Duration};

use shared::error::Error;
use sqlx::PgPool;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::Lost;
use crate::{domain::event::NewEvent, store::events};

/// The most rows that one statement inserts.
const BATCH: usize = 500;
/// How long the first row of a batch waits for others: an instance makes at most ten inserts a
/// second.
const LINGER: Duration = Duration::from_millis(100);
/// The pause after an insert that failed because of the database.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Writes queued rows.
pub(crate) struct Writer {
    db: PgPool,
    queue: mpsc::Receiver<NewEvent>,
    /// Rows out of the queue. They stay here until they are written, so that a dropped future
    /// loses none.
    batch: Vec<NewEvent>,
    lost: Lost,
    is_failing: bool,
}

impl Writer {
    pub(super) fn new(db: PgPool, queue: mpsc::Receiver<NewEvent>, lost: Lost) -> Self {
        Self { db, queue, batch: Vec::with_capacity(BATCH), lost, is_failing: false }
    }

    /// Writes rows until the future is dropped. While the database is unavailable, rows wait in the
    /// queue.
    pub(crate) async fn write_forever(&mut self) -> Infallible {
        loop {
            if self.batch.is_empty() {
                self.queue.recv_many(&mut self.batch, BATCH).await;
                sleep(LINGER).await;
            }
            self.fill();
            self.write().await;
        }
    }

    /// Writes the remaining rows within `limit`, after the last call has ended.
    pub(crate) async fn flush(mut self, limit: Duration) {
        self.queue.close();
        let flushing = async {
            loop {
                self.fill();
                if self.batch.is_empty() {
                    return;
                }
                self.write().await;
            }
        };
        if timeout(limit, flushing).await.is_err() {
            let count = self.batch.len() + self.queue.len();
            self.lost.shutdown.inc_by(count as u64);
            tracing::error!(count, "audit rows lost at shutdown");
        }
    }

    /// Fills the batch with rows that wait already.
    fn fill(&mut self) {
        while self.batch.len() < BATCH
            && let Ok(row) = self.queue.try_recv()
        {
            self.batch.push(row);
        }
    }

    /// Writes the batch, or keeps it if the database is the reason that it cannot.
    async fn write(&mut self) {
        for row in &mut self.batch {
            // PostgreSQL's intervals have no nanoseconds.
            let micros = row.happened.elapsed().as_micros();
            row.age = Duration::from_micros(micros.try_into().unwrap_or(u64::MAX));
        }
        match events::insert(&self.db, &self.batch).await {
            Ok(()) => {
                self.batch.clear();
                self.lost.is_full.store(false, Relaxed);
                if self.is_failing {
                    tracing::info!("audit rows are written again");
                }
                self.is_failing = false;
            }
            Err(error @ Error::Internal(_)) => {
                let (count, cause) = (self.batch.len(), error.causes());
                tracing::error!(count, cause, "audit rows rejected by the database, lost");
                self.lost.rejected.inc_by(count as u64);
                self.batch.clear();
            }
            Err(error) => {
                if !self.is_failing {
                    tracing::warn!(cause = error.causes(), "audit rows wait for the database");
                }
                self.is_failing = true;
                sleep(RETRY_INTERVAL).await;
            }
        }
    }
}
