//! Hashes and rates passwords on threads outside the async runtime, with admission control: the
//! queue is bounded, and so is the wait in it. No other module calls bcrypt or rates a password.

use std::{net::IpAddr, sync::Arc, thread, time::Duration};

use shared::error::{Error, Invalid};
use tandem_server::metrics::{IntCounter, Metrics};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    config::LoginConfig,
    domain::{
        client_address,
        password::{Password, PasswordHash},
    },
    throttle::Guess,
};

mod queue;

use queue::{Queue, Ticket};

/// The outcome of [`Hashing::verify`].
pub(crate) enum Verified {
    Wrong,
    Right {
        /// A hash of the prepared password at the configured cost, unless the stored hash is that.
        upgrade: Option<PasswordHash>,
    },
}

/// Counts rejected calls by reason.
struct Rejected {
    queue_full: IntCounter,
    waited_too_long: IntCounter,
}

/// Hashes and verifies passwords, a bounded number at the same time.
pub(crate) struct Hashing {
    queue: Arc<Queue>,
    rejected: Rejected,
    wait: Duration,
    cost: u32,
    /// Verified when no hash is stored, so that the answer takes the same time. No password matches
    /// it; to hash one here would take as long as the rest of the start-up.
    dummy: PasswordHash,
}

impl Hashing {
    pub(crate) fn new(config: &LoginConfig, metrics: &Metrics) -> Self {
        let threads = config.hashing_threads();
        let queue = Queue::new(threads, threads + usize::from(config.hashing_queue));
        let (admitted, running) = (queue.clone(), queue.clone());
        metrics.sample(
            ("tandem_auth_hashing_admitted", "Passwords being hashed or waiting in the queue."),
            move || admitted.admitted(),
        );
        metrics.sample(("tandem_auth_hashing_running", "Passwords being hashed."), move || {
            running.running()
        });
        let refused =
            ("tandem_auth_hashing_refused_total", "Passwords rejected without being hashed.");
        let [queue_full, waited_too_long] =
            metrics.counters(refused, "reason", ["queue_full", "waited_too_long"]);
        Self {
            queue,
            rejected: Rejected { queue_full, waited_too_long },
            wait: config.hashing_wait,
            cost: config.bcrypt.cost,
            dummy: PasswordHash::unmatched(config.bcrypt.cost),
        }
    }

    /// The hash of a user without a password: no password matches it.
    pub(crate) fn without_password(&self) -> PasswordHash {
        self.dummy.clone()
    }

    /// Admits a call to the queue. Call it before any other work for a password, so that a rejected
    /// call costs nothing, not even a database connection.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if the queue is full.
    pub(crate) fn admit(&self, source: IpAddr) -> Result<Ticket, Error> {
        self.queue.admit(client_address::source(source)).ok_or_else(|| self.queue_full())
    }

    fn queue_full(&self) -> Error {
        self.rejected.queue_full.inc();
        Error::Overloaded
    }

    /// Hashes a new password that satisfies the rules. Rating it can take as long as hashing it, so
    /// both happen in the queue.
    pub(crate) async fn hash_chosen(
        &self,
        source: IpAddr,
        text: String,
        username: &str,
    ) -> Result<Result<PasswordHash, Invalid>, Error> {
        let (username, cost) = (username.to_owned(), self.cost);
        let ticket = self.admit(source)?;
        self.run(ticket, move || hash_chosen(text, &username, cost)).await?
    }

    /// Compares a password with the stored hash. Without a stored hash the answer is
    /// [`Verified::Wrong`] after the same time. The guess counts as soon as hashing starts, even if
    /// the caller goes away.
    pub(crate) async fn verify(
        &self,
        ticket: Ticket,
        mut guess: Guess,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verified, Error> {
        let (known, cost) = (stored.is_some(), self.cost);
        let old = stored.unwrap_or_else(|| self.dummy.clone());
        self.run(ticket, move || {
            guess.count();
            // An error means that the text is too long for bcrypt, so it was never accepted.
            let matches =
                |text: &str| bcrypt::non_truncating_verify(text, old.as_str()).unwrap_or(false);
            // What is compared depends on the typed password alone, not on the stored hash.
            let is_prepared = matches(password.as_str());
            let is_equal = is_prepared || password.raw().is_some_and(matches);
            if !known || !is_equal || password.has_nul() {
                return Ok(Verified::Wrong);
            }
            guess.settle_right();
            let is_outdated = !is_prepared || old.cost() != cost;
            let upgrade = is_outdated && password.is_short_enough();
            let upgrade = upgrade.then(|| hash(&password, cost)).transpose()?;
            Ok(Verified::Right { upgrade })
        })
        .await?
    }

    /// Runs `work` on a thread once a slot is free. A caller that goes away while it waits is
    /// skipped.
    async fn run<T: Send + 'static>(
        &self,
        ticket: Ticket,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let slot = timeout(self.wait, ticket.slot()).await.map_err(|_| {
            self.rejected.waited_too_long.inc();
            Error::Overloaded
        })?;
        let slot = slot.ok_or_else(|| self.queue_full())?;
        let (tx, rx) = oneshot::channel();
        // Not a pooled thread: its lowered priority cannot be raised again.
        let hashing = thread::Builder::new().name("hashing".into()).spawn(move || {
            let held = (slot, ticket);
            lower_priority();
            let outcome = work();
            // Before the answer: its receiver may enter the queue again at once.
            drop(held);
            let _ = tx.send(outcome);
        });
        hashing.map_err(|error| Error::Internal(error.into()))?;
        rx.await.map_err(|_| Error::Internal("the hashing thread panicked".into()))
    }
}

/// Lowers this thread's priority below that of the runtime's threads: a hash takes a quarter of a
/// second of a core, other calls a millisecond. Linux only: elsewhere `nice` affects the process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // Lowering the priority needs no permission.
        let _ = rustix::process::nice(19);
    }
}

/// Hashes a new password that satisfies the rules, on this thread.
pub(crate) fn hash_chosen(
    text: String,
    username: &str,
    cost: u32,
) -> Result<Result<PasswordHash, Invalid>, Error> {
    match Password::choose(text, username) {
        Ok(password) => hash(&password, cost).map(Ok),
        Err(rule) => Ok(Err(rule)),
    }
}

fn hash(password: &Password, cost: u32) -> Result<PasswordHash, Error> {
    let text = bcrypt::non_truncating_hash(password.as_str(), cost)
        .map_err(|error| Error::Internal(error.into()))?;
    PasswordHash::stored(text)
        .ok_or_else(|| Error::Internal("bcrypt returned a malformed hash".into()))
}
