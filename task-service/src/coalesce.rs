//! Coalescing: while a statement is running, calls of the same kind queue, and the next statement
//! executes them as one batch. A call that arrives while the coalescer is idle runs at once.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use shared::{db::WorkerPool, error::Error, ids::UserId};
use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tandem_server::telemetry::Spans;
use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
    time::timeout,
};

use queue::{Queue, Unbatched};

mod quarantine;
mod queue;

pub(crate) use quarantine::Quarantine;

/// A call of more weight runs unbatched, so that other calls do not wait for it.
const MAX_BATCHED_WEIGHT: usize = 32;

/// How long a coalescer keeps a connection at most, so that the pool can renew it.
const MAX_HOLD: Duration = Duration::from_secs(1);

/// How long an idle coalescer keeps its connection: returning it costs a round trip.
const LINGER: Duration = Duration::from_millis(1);

/// What a statement did for one of its calls; `None` if the call must be retried unbatched.
pub(crate) type Attempt<T> = Option<Result<T, Error>>;

/// A statement that executes any number of calls, with a result for each.
pub(crate) trait Statement: Send + Sync + 'static {
    type Call: Send + Sync;
    type Answer: Send;

    /// The user whose tasks the call reads or changes.
    fn owner(call: &Self::Call) -> UserId;

    /// How many rows the call touches; a large row counts as several.
    fn weight(call: &Self::Call) -> usize;

    /// Whether the call cannot join the batch of an earlier call of its owner.
    fn must_follow(_call: &Self::Call, _earlier: &Self::Call) -> bool {
        false
    }

    /// Executes the calls, at least one, and returns an attempt for each. An error means that no
    /// call was executed. A single call never has to be retried.
    fn run(
        &self,
        db: &mut PgConnection,
        calls: &[Self::Call],
    ) -> impl Future<Output = Result<Vec<Attempt<Self::Answer>>, Error>> + Send;
}

/// Batches concurrent calls into one statement at a time.
pub(crate) struct Coalescer<S: Statement>(Arc<Inner<S>>);

struct Inner<S: Statement> {
    statement: S,
    db: WorkerPool,
    /// A connection that does not answer within this time is closed.
    answer_timeout: Duration,
    queue: Mutex<Queue<S>>,
    arrived: Notify,
    quarantine: Arc<Quarantine>,
}

/// A call that waits for its answer.
struct Pending<S: Statement> {
    call: S::Call,
    reply: Reply<S::Answer>,
}

/// The way back to the caller.
struct Reply<A> {
    tx: oneshot::Sender<Result<A, Error>>,
    spans: Spans,
}

/// What remains after a statement.
struct Executed<S: Statement> {
    /// Calls to retry unbatched: all of the batch, if one of them made the statement fail.
    retry: Vec<Pending<S>>,
    is_connection_usable: bool,
}

impl<S: Statement> Coalescer<S> {
    /// An idle coalescer. A connection is closed if a statement exceeds `answer_timeout`.
    pub(crate) fn new(
        db: WorkerPool,
        answer_timeout: Duration,
        quarantine: &Arc<Quarantine>,
        statement: S,
    ) -> Self {
        let (queue, arrived) = (Mutex::new(Queue::new()), Notify::new());
        let quarantine = quarantine.clone();
        Self(Arc::new(Inner { statement, db, answer_timeout, queue, arrived, quarantine }))
    }

    /// Executes a call. If the future is dropped while the call is queued, the call is discarded;
    /// if its statement is running, the statement completes, with the rest of the batch.
    pub(crate) async fn call(&self, call: S::Call) -> Result<S::Answer, Error> {
        let (tx, rx) = oneshot::channel();
        let (owner, weight) = (S::owner(&call), S::weight(&call));
        let pending = Pending { call, reply: Reply { tx, spans: Spans::current() } };
        if weight > MAX_BATCHED_WEIGHT {
            self.0.quarantine([pending]);
        } else if self.0.quarantine.contains(owner) {
            self.0.enqueue_unbatched((pending, None));
        } else if self.0.enqueue(pending) {
            tokio::spawn(self.0.clone().run_batches());
        }
        rx.await.unwrap_or_else(|_| Err(Error::Internal("the statement panicked".into())))
    }
}

impl<S: Statement> Inner<S> {
    /// Queues a call. Returns whether `run_batches` must be spawned.
    fn enqueue(&self, pending: Pending<S>) -> bool {
        let is_running = self.lock().push(pending);
        if is_running {
            self.arrived.notify_one();
        }
        !is_running
    }

    /// Runs each call unbatched, and until it has ended all other calls of its owner.
    fn quarantine(self: &Arc<Self>, calls: impl IntoIterator<Item = Pending<S>>) {
        for pending in calls {
            let hold = self.quarantine.hold(S::owner(&pending.call));
            self.enqueue_unbatched((pending, Some(hold)));
        }
    }

    fn enqueue_unbatched(self: &Arc<Self>, unbatched: Unbatched<S>) {
        if self.lock().push_unbatched(unbatched) {
            tokio::spawn(self.clone().run_unbatched());
        }
    }

    /// Runs one batch after another until the queue has been empty for [`LINGER`].
    async fn run_batches(self: Arc<Self>) {
        // Calls that arrive together share a batch.
        yield_now().await;
        let mut held: Option<(PoolConnection<Postgres>, Instant)> = None;
        loop {
            let (batch, quarantined) = self.lock().gather(&self.quarantine);
            for pending in quarantined {
                self.enqueue_unbatched((pending, None));
            }
            if batch.is_empty() {
                if held.is_some() && timeout(LINGER, self.arrived.notified()).await.is_ok() {
                    yield_now().await;
                    continue;
                }
                held = None;
                if self.lock().stop_if_empty() {
                    return;
                }
                continue;
            }
            let (mut connection, since) = match held.take() {
                Some(held) if held.1.elapsed() < MAX_HOLD => held,
                _ => match self.db.acquire().await {
                    Ok(connection) => (connection, Instant::now()),
                    Err(error) => {
                        // The queued calls need the same database.
                        let queued = self.lock().take_all();
                        fail_all(batch.into_iter().chain(queued), &error);
                        continue;
                    }
                },
            };
            let Executed { retry, is_connection_usable } =
                self.execute(&mut connection, batch).await;
            if is_connection_usable {
                held = Some((connection, since));
            } else {
                connection.close_on_drop();
            }
            self.quarantine(retry);
        }
    }

    /// Runs the unbatched calls until none is queued.
    async fn run_unbatched(self: Arc<Self>) {
        loop {
            // In its own statement, so that the lock is released before the call runs.
            let next = self.lock().next_unbatched();
            let Some((pending, _hold)) = next else { return };
            let owner = S::owner(&pending.call);
            if !pending.reply.tx.is_closed() {
                self.run_one(pending).await;
            }
            self.lock().end_turn(owner);
        }
    }

    async fn run_one(&self, pending: Pending<S>) {
        match self.db.acquire().await {
            Ok(mut connection) => {
                let executed = self.execute(&mut connection, vec![pending]).await;
                if !executed.is_connection_usable {
                    connection.close_on_drop();
                }
            }
            Err(error) => fail_all([pending], &error),
        }
    }

    /// Executes a batch by one statement and answers its calls.
    async fn execute(&self, db: &mut PgConnection, batch: Vec<Pending<S>>) -> Executed<S> {
        let spans = batch[0].reply.spans.clone();
        batch[1..].iter().for_each(|pending| pending.reply.spans.link_to(&spans));
        let is_single = batch.len() == 1;
        let (calls, replies): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|pending| (pending.call, pending.reply)).unzip();
        let running = async {
            let run = spans.instrument(self.statement.run(db, &calls));
            timeout(self.answer_timeout, run)
                .await
                .unwrap_or_else(|elapsed| Err(Error::DatabaseUnavailable(elapsed.into())))
        };
        let ran = AssertUnwindSafe(running).catch_unwind().await;
        // An outage of the database is no reason to quarantine an owner.
        let is_fault_of_call = !matches!(ran, Ok(Ok(_) | Err(Error::DatabaseUnavailable(_))));
        if is_single && is_fault_of_call {
            self.quarantine.record_failure(S::owner(&calls[0]));
        }
        let batch = calls.into_iter().zip(replies);
        let batch = batch.map(|(call, reply)| Pending::<S> { call, reply });
        let mut executed = Executed { retry: Vec::new(), is_connection_usable: true };
        match ran {
            Ok(Ok(attempts)) => {
                for (pending, attempt) in batch.zip(attempts) {
                    match attempt {
                        Some(result) => pending.reply.send(result),
                        None => executed.retry.push(pending),
                    }
                }
            }
            Ok(Err(error @ Error::DatabaseUnavailable(_))) => {
                executed.is_connection_usable = false;
                fail_all(batch, &error);
            }
            Ok(Err(error)) if is_single => {
                let mut error = Some(error);
                batch.for_each(|pending| {
                    pending.reply.send(Err(error.take().expect("the batch is one call")));
                });
            }
            Ok(Err(_)) => executed.retry.extend(batch),
            // The connection may hold a half-read answer. A single call learns of the panic from
            // its dropped sender.
            Err(_) => {
                executed.is_connection_usable = false;
                executed.retry.extend(batch.filter(|_| !is_single));
            }
        }
        executed
    }

    fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        self.queue.lock().expect("no code panics while holding the lock")
    }
}

impl<A> Reply<A> {
    fn send(self, result: Result<A, Error>) {
        // The receiver is gone if the client has cancelled the call.
        let _ = self.tx.send(result);
    }
}

/// Answers each call with the error that they have in common.
fn fail_all<S: Statement>(calls: impl IntoIterator<Item = Pending<S>>, error: &Error) {
    for pending in calls {
        let cause = error.causes().into();
        pending.reply.send(Err(match error {
            Error::Overloaded => Error::Overloaded,
            Error::DatabaseUnavailable(_) => Error::DatabaseUnavailable(cause),
            _ => Error::Internal(cause),
        }));
    }
}
