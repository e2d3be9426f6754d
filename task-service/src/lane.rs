//! Lanes: while a statement is under way, calls of the same kind gather, and the next statement
//! carries them all. A call that finds its lane idle goes out at once, alone.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use shared::{error::Error, ids::UserId};
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tandem_server::telemetry::Spans;
use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
    time::timeout,
};

use queue::{Alone, Queue};

/// A call of more goes out by itself: others should not wait for it.
const MAX_SHARED_WEIGHT: usize = 32;

/// For how long a lane keeps its connection at most, so that the pool can renew it.
const MAX_HOLD: Duration = Duration::from_secs(1);

/// How long an idle lane keeps its connection: giving it back costs a round trip.
const LINGER: Duration = Duration::from_millis(1);

mod apart;
mod queue;

pub(crate) use apart::Apart;

/// What a statement brought one of its calls; nothing if the call has to be tried alone.
pub(crate) type Outcome<T> = Option<Result<T, Error>>;

/// A statement that carries any number of calls, and has an outcome for each.
pub(crate) trait Statement: Send + Sync + 'static {
    /// What is asked.
    type Call: Send + Sync;
    /// What comes of it.
    type Answer: Send;

    /// Who asks.
    fn owner(call: &Self::Call) -> UserId;

    /// How many rows it is about, and more if they are large.
    fn weight(call: &Self::Call) -> usize;

    /// Whether it cannot share a statement with an earlier one of its owner.
    fn must_follow(_call: &Self::Call, _earlier: &Self::Call) -> bool {
        false
    }

    /// Carries the calls, at least one. None is done if it fails; with one call, the outcome is
    /// always there.
    fn run(
        &self,
        db: &mut PgConnection,
        calls: &[Self::Call],
    ) -> impl Future<Output = Result<Vec<Outcome<Self::Answer>>, Error>> + Send;
}

/// Carries calls to the database.
pub(crate) struct Lane<S: Statement>(Arc<Inner<S>>);

struct Inner<S: Statement> {
    statement: S,
    db: PgPool,
    /// When a connection is given up that does not answer.
    patience: Duration,
    queue: Mutex<Queue<S>>,
    arrived: Notify,
    apart: Arc<Apart>,
}

struct Waiting<S: Statement> {
    call: S::Call,
    caller: Caller<S::Answer>,
}

/// What came of a statement.
struct Carried<S: Statement> {
    /// The calls that have to be tried alone: all of them, if it failed for one of them.
    alone: Vec<Waiting<S>>,
    /// Whether the connection can be used again.
    is_usable: bool,
}

/// Who waits for an answer.
struct Caller<A> {
    answer: oneshot::Sender<Result<A, Error>>,
    spans: Spans,
}

impl<S: Statement> Lane<S> {
    /// An idle lane. Statements end within `patience`, or never will.
    pub(crate) fn new(db: PgPool, patience: Duration, apart: &Arc<Apart>, statement: S) -> Self {
        let (queue, arrived) = (Mutex::new(Queue::new()), Notify::new());
        let apart = apart.clone();
        Self(Arc::new(Inner { statement, db, patience, queue, arrived, apart }))
    }

    /// Carries a call. One that is given up before it is on its way never goes; later it is carried
    /// to its end all the same, with the others beside it.
    pub(crate) async fn call(&self, call: S::Call) -> Result<S::Answer, Error> {
        let (answer, told) = oneshot::channel();
        let (owner, weight) = (S::owner(&call), S::weight(&call));
        let waiting = Waiting { call, caller: Caller { answer, spans: Spans::current() } };
        if weight > MAX_SHARED_WEIGHT {
            self.0.set_apart([waiting]);
        } else if self.0.apart.contains(owner) {
            self.0.enqueue_alone((waiting, None));
        } else if self.0.enqueue(waiting) {
            tokio::spawn(self.0.clone().carry_all());
        }
        told.await.unwrap_or_else(|_| Err(Error::Internal("the statement panicked".into())))
    }
}

impl<S: Statement> Inner<S> {
    /// Whether somebody has to begin to carry.
    fn enqueue(&self, waiting: Waiting<S>) -> bool {
        let was_carried = self.lock().push(waiting);
        if was_carried {
            self.arrived.notify_one();
        }
        !was_carried
    }

    /// Has each go by itself, and beside it all of its owner.
    fn set_apart(self: &Arc<Self>, calls: impl IntoIterator<Item = Waiting<S>>) {
        for waiting in calls {
            let reason = self.apart.add(S::owner(&waiting.call));
            self.enqueue_alone((waiting, Some(reason)));
        }
    }

    /// Has a call go by itself, in its owner's turn.
    fn enqueue_alone(self: &Arc<Self>, alone: Alone<S>) {
        if self.lock().push_alone(alone) {
            tokio::spawn(self.clone().carry_alone());
        }
    }

    /// Carries what waits, one statement after another, until nothing has come for a while.
    async fn carry_all(self: Arc<Self>) {
        // Those that arrive together go together.
        yield_now().await;
        let mut held: Option<(PoolConnection<Postgres>, Instant)> = None;
        loop {
            let (batch, alone) = self.lock().gather(&self.apart);
            for waiting in alone {
                self.enqueue_alone((waiting, None));
            }
            if batch.is_empty() {
                if held.is_some() && timeout(LINGER, self.arrived.notified()).await.is_ok() {
                    yield_now().await;
                    continue;
                }
                held = None;
                if self.lock().ends() {
                    return;
                }
                continue;
            }
            let (mut connection, since) = match held.take() {
                Some(held) if held.1.elapsed() < MAX_HOLD => held,
                _ => match self.db.acquire().await {
                    Ok(connection) => (connection, Instant::now()),
                    Err(error) => {
                        // It is away for all of them.
                        let rest = self.lock().take_all();
                        refuse(batch.into_iter().chain(rest), &error.into());
                        continue;
                    }
                },
            };
            let Carried { alone, is_usable } = self.carry(&mut connection, batch).await;
            if is_usable {
                held = Some((connection, since));
            } else {
                connection.close_on_drop();
            }
            self.set_apart(alone);
        }
    }

    /// Carries those that go by themselves, until there are none.
    async fn carry_alone(self: Arc<Self>) {
        loop {
            // The lock is not held while it is carried.
            let next = self.lock().next_alone();
            let Some((waiting, _reason)) = next else { return };
            let owner = S::owner(&waiting.call);
            if !waiting.caller.answer.is_closed() {
                self.carry_one(waiting).await;
            }
            self.lock().had_turn(owner);
        }
    }

    /// Carries a call by itself.
    async fn carry_one(&self, waiting: Waiting<S>) {
        match self.db.acquire().await {
            Ok(mut connection) => {
                let carried = self.carry(&mut connection, vec![waiting]).await;
                if !carried.is_usable {
                    connection.close_on_drop();
                }
            }
            Err(error) => refuse([waiting], &error.into()),
        }
    }

    /// Carries them with one statement.
    async fn carry(&self, db: &mut PgConnection, batch: Vec<Waiting<S>>) -> Carried<S> {
        let spans = batch[0].caller.spans.clone();
        batch[1..].iter().for_each(|waiting| waiting.caller.spans.link_to(&spans));
        let is_alone = batch.len() == 1;
        let (calls, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.call, waiting.caller)).unzip();
        let running = async {
            let run = spans.instrument(self.statement.run(db, &calls));
            timeout(self.patience, run)
                .await
                .unwrap_or_else(|elapsed| Err(Error::DatabaseUnavailable(elapsed.into())))
        };
        let ran = AssertUnwindSafe(running).catch_unwind().await;
        // What the database does to all is nobody's own trouble.
        let has_failed = !matches!(ran, Ok(Ok(_) | Err(Error::DatabaseUnavailable(_))));
        if is_alone && has_failed {
            self.apart.has_failed(S::owner(&calls[0]));
        }
        let asked = calls.into_iter().zip(callers);
        let asked = asked.map(|(call, caller)| Waiting::<S> { call, caller });
        let mut carried = Carried { alone: Vec::new(), is_usable: true };
        match ran {
            Ok(Ok(outcomes)) => {
                for (waiting, outcome) in asked.zip(outcomes) {
                    match outcome {
                        Some(outcome) => waiting.caller.tell(outcome),
                        None => carried.alone.push(waiting),
                    }
                }
            }
            Ok(Err(error @ Error::DatabaseUnavailable(_))) => {
                carried.is_usable = false;
                refuse(asked, &error);
            }
            Ok(Err(error)) if is_alone => {
                let mut error = Some(error);
                asked.for_each(|waiting| waiting.caller.tell(Err(error.take().expect("one"))));
            }
            Ok(Err(_)) => carried.alone.extend(asked),
            // In the middle of an answer, perhaps. Whoever is alone hears of it by being told
            // nothing.
            Err(_) => {
                carried.is_usable = false;
                carried.alone.extend(asked.filter(|_| !is_alone));
            }
        }
        carried
    }

    fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        self.queue.lock().expect("nobody panics while holding it")
    }
}

impl<A> Caller<A> {
    fn tell(self, outcome: Result<A, Error>) {
        // Somebody who has given up need not know.
        let _ = self.answer.send(outcome);
    }
}

/// Tells all of them what they failed of together.
fn refuse<S: Statement>(calls: impl IntoIterator<Item = Waiting<S>>, error: &Error) {
    for waiting in calls {
        let cause = error.causes().into();
        waiting.caller.tell(Err(match error {
            Error::DatabaseUnavailable(_) => Error::DatabaseUnavailable(cause),
            _ => Error::Internal(cause),
        }));
    }
}
