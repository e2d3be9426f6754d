//! Admission of the statements that are not coalesced: searches, filtered or ordered lists, lists
//! with deleted tasks, later pages, undeletes, validated and repeated creates. Some take long, so
//! each owner runs one at a time, and together they leave connections for the coalesced statements.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use shared::{db::WorkerPool, error::Error, ids::UserId};
use sqlx::{Connection as _, PgConnection, Postgres, pool::PoolConnection};
use tandem_server::metrics::{IntCounter, Metrics};
use tokio::time::{sleep, timeout};

use queue::{Queue, Slot};

mod queue;

/// How long an abandoned statement may take to end before its connection is closed.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long after the end of its connection PostgreSQL still runs a statement, at most: two of the
/// intervals that the session sets as `client_connection_check_interval`.
const END_OF_ABANDONED: Duration = Duration::from_millis(100);

/// Counts rejected statements by reason. A clone is the same.
#[derive(Clone)]
pub(crate) struct Rejected {
    queue_full: IntCounter,
    waited_too_long: IntCounter,
}

impl Rejected {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let refused = (
            "tandem_task_statements_refused_total",
            "Statements that are not coalesced, rejected without being run.",
        );
        let [queue_full, waited_too_long] =
            metrics.counters(refused, "reason", ["queue_full", "waited_too_long"]);
        Self { queue_full, waited_too_long }
    }
}

/// Admits the statements of one worker.
pub(crate) struct Admission {
    db: WorkerPool,
    queue: Arc<Queue>,
    rejected: Rejected,
}

impl Admission {
    /// The statements together use half of the worker's connections, at least one.
    pub(crate) fn new(db: WorkerPool, rejected: Rejected) -> Self {
        let queue = Queue::new((db.max_connections() / 2).max(1));
        Self { db, queue, rejected }
    }

    /// Waits for the owner's turn and returns a connection for one statement.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if the queue is full, or the wait exceeds the acquire timeout.
    pub(crate) async fn admit(&self, owner: UserId) -> Result<Admitted, Error> {
        let Some(turn) = self.queue.enter(owner) else {
            self.rejected.queue_full.inc();
            return Err(Error::Overloaded);
        };
        let slot = timeout(self.db.acquire_timeout(), turn).await.map_err(|_| {
            self.rejected.waited_too_long.inc();
            self.db.timed_out()
        })?;
        let connection = self.db.acquire().await?;
        Ok(Admitted { running: Some((connection, slot)) })
    }
}

/// A connection for one statement. If it is dropped before [`end`](Self::end), the statement is
/// abandoned, and another may start only when PostgreSQL has ended this one.
pub(crate) struct Admitted {
    running: Option<(PoolConnection<Postgres>, Slot)>,
}

impl Admitted {
    /// Ends the admission when the statement has ended.
    pub(crate) fn end<T>(mut self, result: Result<T, Error>) -> Result<T, Error> {
        // Without a clear answer, the statement may still be running.
        if !matches!(result, Err(Error::DatabaseUnavailable(_))) {
            drop(self.running.take());
        }
        result
    }
}

impl Deref for Admitted {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.running.as_ref().expect("it has not ended").0
    }
}

impl DerefMut for Admitted {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.running.as_mut().expect("it has not ended").0
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let Some((mut connection, slot)) = self.running.take() else { return };
        tokio::spawn(async move {
            // Most statements end soon. To close every connection would cost PostgreSQL more than
            // they do: a process, and every plan prepared again.
            if let Ok(Ok(())) = timeout(PATIENCE, connection.ping()).await {
                drop(connection);
            } else {
                // In the pool, the connection would wait for its statement. Closed, it ends it.
                drop(connection.detach());
                sleep(END_OF_ABANDONED).await;
            }
            drop(slot);
        });
    }
}
