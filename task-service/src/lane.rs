//! Lanes: while a statement is under way, calls of the same kind gather, and the next statement
//! carries them all. A call that finds its lane idle goes out at once, alone.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use shared::{error::Error, ids::UserId};
use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
    time::timeout,
};
use tracing::{Instrument as _, Span};

/// What one statement carries at most, by [`Statement::weight`].
const MAX_WEIGHT: usize = 128;

/// A call of more goes out by itself: others should not wait for it.
const MAX_SHARED_WEIGHT: usize = 32;

/// What one owner may have of a statement, so that others find room beside them.
const MAX_OWNER_CALLS: usize = 32;

/// For how long a lane keeps its connection at most, so that the pool can renew it.
const MAX_HOLD: Duration = Duration::from_secs(1);

/// How long an idle lane keeps its connection: giving it back costs a round trip.
const LINGER: Duration = Duration::from_millis(1);

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
}

struct Queue<S: Statement> {
    waiting: VecDeque<Waiting<S>>,
    /// Whether somebody carries them.
    is_carried: bool,
}

struct Waiting<S: Statement> {
    call: S::Call,
    caller: Caller<S::Answer>,
}

struct Caller<A> {
    answer: oneshot::Sender<Result<A, Error>>,
    span: Span,
}

impl<S: Statement> Lane<S> {
    /// An idle lane. Statements end within `patience`, or never will.
    pub(crate) fn new(db: PgPool, patience: Duration, statement: S) -> Self {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), is_carried: false });
        Self(Arc::new(Inner { statement, db, patience, queue, arrived: Notify::new() }))
    }

    /// Carries a call. One that is given up before it is on its way never goes; later it is carried
    /// to its end all the same, with the others beside it.
    pub(crate) async fn call(&self, call: S::Call) -> Result<S::Answer, Error> {
        let (answer, told) = oneshot::channel();
        let is_heavy = S::weight(&call) > MAX_SHARED_WEIGHT;
        let waiting = Waiting { call, caller: Caller { answer, span: Span::current() } };
        if is_heavy {
            tokio::spawn(self.0.clone().carry_each(vec![waiting]));
        } else if self.0.enqueue(waiting) {
            tokio::spawn(self.0.clone().carry_all());
        }
        told.await.unwrap_or_else(|_| Err(Error::Internal("the statement panicked".into())))
    }
}

impl<S: Statement> Inner<S> {
    /// Whether somebody has to begin to carry.
    fn enqueue(&self, waiting: Waiting<S>) -> bool {
        let mut queue = self.lock();
        queue.waiting.push_back(waiting);
        let was_carried = std::mem::replace(&mut queue.is_carried, true);
        drop(queue);
        if was_carried {
            self.arrived.notify_one();
        }
        !was_carried
    }

    /// Carries what waits, one statement after another, until nothing has come for a while.
    async fn carry_all(self: Arc<Self>) {
        // Those that arrive together go together.
        yield_now().await;
        let mut held: Option<(PoolConnection<Postgres>, Instant)> = None;
        loop {
            let batch = self.gather();
            if batch.is_empty() {
                if held.is_some() && timeout(LINGER, self.arrived.notified()).await.is_ok() {
                    yield_now().await;
                    continue;
                }
                held = None;
                let mut queue = self.lock();
                if queue.waiting.is_empty() {
                    queue.is_carried = false;
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
                        let rest = self.lock().waiting.drain(..).collect::<Vec<_>>();
                        refuse(batch.into_iter().chain(rest), &error.into());
                        continue;
                    }
                },
            };
            let (is_usable, alone) = self.carry(&mut connection, batch).await;
            if is_usable {
                held = Some((connection, since));
            } else {
                connection.close_on_drop();
            }
            if !alone.is_empty() {
                tokio::spawn(self.clone().carry_each(alone));
            }
        }
    }

    /// Carries each by itself.
    async fn carry_each(self: Arc<Self>, calls: Vec<Waiting<S>>) {
        for waiting in calls.into_iter().filter(|waiting| !waiting.caller.answer.is_closed()) {
            match self.db.acquire().await {
                Ok(mut connection) => {
                    if !self.carry(&mut connection, vec![waiting]).await.0 {
                        connection.close_on_drop();
                    }
                }
                Err(error) => refuse([waiting], &error.into()),
            }
        }
    }

    /// Carries them with one statement. Returns whether the connection can be used again, and the
    /// calls that have to be tried alone: all of them, if it failed for one of them.
    async fn carry(
        &self,
        db: &mut PgConnection,
        batch: Vec<Waiting<S>>,
    ) -> (bool, Vec<Waiting<S>>) {
        let span = batch[0].caller.span.clone();
        let is_alone = batch.len() == 1;
        let (calls, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.call, waiting.caller)).unzip();
        let running = async {
            let run = self.statement.run(db, &calls).instrument(span);
            timeout(self.patience, run)
                .await
                .unwrap_or_else(|elapsed| Err(Error::DatabaseUnavailable(elapsed.into())))
        };
        let ran = AssertUnwindSafe(running).catch_unwind().await;
        let is_usable = ran.is_ok();
        let asked = calls.into_iter().zip(callers);
        let asked = asked.map(|(call, caller)| Waiting::<S> { call, caller });
        match ran {
            Ok(Ok(outcomes)) => {
                let mut alone = Vec::new();
                for (waiting, outcome) in asked.zip(outcomes) {
                    match outcome {
                        Some(outcome) => waiting.caller.tell(outcome),
                        None => alone.push(waiting),
                    }
                }
                (is_usable, alone)
            }
            Ok(Err(error @ Error::DatabaseUnavailable(_))) => {
                refuse(asked, &error);
                (false, Vec::new())
            }
            Ok(Err(error)) if is_alone => {
                let mut error = Some(error);
                asked.for_each(|waiting| waiting.caller.tell(Err(error.take().expect("one"))));
                (is_usable, Vec::new())
            }
            // Whoever is alone hears of the panic by being told nothing.
            Err(_) if is_alone => (is_usable, Vec::new()),
            Ok(Err(_)) | Err(_) => (is_usable, asked.collect()),
        }
    }

    /// Takes what can share the next statement, in the order in which it came: of the calls of an
    /// owner none overtakes another.
    fn gather(&self) -> Vec<Waiting<S>> {
        let mut queue = self.lock();
        let mut batch: Vec<Waiting<S>> = Vec::with_capacity(queue.waiting.len().min(MAX_WEIGHT));
        let mut left = Vec::new();
        let mut weight = 0;
        let mut owners = HashMap::new();
        while let Some(waiting) = queue.waiting.pop_front() {
            if waiting.caller.answer.is_closed() {
                continue;
            }
            let more = S::weight(&waiting.call);
            if weight + more > MAX_WEIGHT && !batch.is_empty() {
                left.push(waiting);
                break;
            }
            let owner = S::owner(&waiting.call);
            let room = match owners.entry(owner) {
                Entry::Vacant(entry) => entry.insert(MAX_OWNER_CALLS),
                Entry::Occupied(entry) => {
                    let follows = |earlier: &Waiting<S>| {
                        S::owner(&earlier.call) == owner
                            && S::must_follow(&waiting.call, &earlier.call)
                    };
                    let room = entry.into_mut();
                    if batch.iter().any(follows) {
                        *room = 0;
                    }
                    room
                }
            };
            if *room == 0 {
                left.push(waiting);
            } else {
                *room -= 1;
                weight += more;
                batch.push(waiting);
            }
        }
        left.into_iter().rev().for_each(|waiting| queue.waiting.push_front(waiting));
        batch
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
