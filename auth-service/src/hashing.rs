//! The work on passwords that takes long: done off the async runtime, a bounded number at once, and
//! refused where it would wait too long. Nothing else calls bcrypt or rates a password.

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

mod turns;

use turns::{Place, Turns};

/// What a password turned out to be.
pub(crate) enum Verified {
    Wrong,
    Right {
        /// The same password at the cost that new hashes have, if the stored one has another.
        upgrade: Option<PasswordHash>,
    },
}

/// How many found no place, and how many waited for too long.
struct Refused {
    full: IntCounter,
    late: IntCounter,
}

/// Admits passwords to be hashed.
pub(crate) struct Hashing {
    turns: Arc<Turns>,
    refused: Refused,
    wait: Duration,
    cost: u32,
    /// Verified in place of a hash that there is not, so that it takes the same time.
    dummy: PasswordHash,
}

impl Hashing {
    pub(crate) fn new(config: &LoginConfig, metrics: &Metrics) -> Self {
        let threads = config.hashing_threads();
        let places = threads + usize::from(config.hashing_queue);
        let turns = Turns::new(threads, places);
        let (admitted, running) = (turns.clone(), turns.clone());
        metrics.sample(
            ("tandem_auth_hashing_admitted", "Passwords that are hashed or wait for it."),
            move || admitted.places(),
        );
        metrics.sample(
            ("tandem_auth_hashing_running", "Passwords that are hashed at this moment."),
            move || running.turns(),
        );
        let refused =
            ("tandem_auth_hashing_refused_total", "Passwords that were refused unhashed.");
        let [full, late] = metrics.counters(refused, "reason", ["queue_full", "waited_too_long"]);
        Self {
            turns,
            refused: Refused { full, late },
            wait: config.hashing_wait,
            cost: config.bcrypt_cost,
            dummy: dummy(config.bcrypt_cost),
        }
    }

    /// Takes a place in the queue, before anything else is done for a password: those for whom
    /// there is none should cost nothing, not even a connection to the database.
    pub(crate) fn enter(&self, source: IpAddr) -> Result<Place, Error> {
        self.turns.enter(client_address::source(source)).ok_or_else(|| self.is_full())
    }

    fn is_full(&self) -> Error {
        self.refused.full.inc();
        Error::Overloaded
    }

    /// Hashes a password that somebody chooses, if it is good enough. Some take as long to rate as
    /// to hash.
    pub(crate) async fn hash_chosen(
        &self,
        source: IpAddr,
        text: String,
        username: &str,
    ) -> Result<Result<PasswordHash, Invalid>, Error> {
        let (username, cost) = (username.to_owned(), self.cost);
        let place = self.enter(source)?;
        self.run(place, move || match Password::choose(text, &username) {
            Ok(password) => hash(&password, cost).map(Ok),
            Err(rule) => Ok(Err(rule)),
        })
        .await?
    }

    /// Whether the password is the one that was hashed. Without a hash it never is, which takes as
    /// long to find out. The guess counts once the work begins, even if nobody waits for its end.
    pub(crate) async fn verify(
        &self,
        place: Place,
        mut guess: Guess,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verified, Error> {
        let (known, cost) = (stored.is_some(), self.cost);
        let old = stored.unwrap_or_else(|| self.dummy.clone());
        self.run(place, move || {
            guess.make();
            // An error is a password too long for bcrypt: it was never accepted.
            let equal = bcrypt::non_truncating_verify(password.as_str(), old.as_str());
            if !(known && equal.unwrap_or(false)) {
                return Ok(Verified::Wrong);
            }
            guess.settle_right();
            let upgrade = (old.cost() != cost).then(|| hash(&password, cost)).transpose()?;
            Ok(Verified::Right { upgrade })
        })
        .await?
    }

    /// A caller that goes away while it waits is never run.
    async fn run<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = timeout(self.wait, place.turn()).await.map_err(|_| {
            self.refused.late.inc();
            Error::Overloaded
        })?;
        let turn = turn.ok_or_else(|| self.is_full())?;
        let (tell, told) = oneshot::channel();
        // A thread of its own, which costs next to nothing beside a hash: it cannot be made one of
        // the others again.
        let hashing = thread::Builder::new().name("hashing".into()).spawn(move || {
            let until_done = (turn, place);
            give_way();
            let outcome = work();
            // First: whoever has the answer may come again at once.
            drop(until_done);
            let _ = tell.send(outcome);
        });
        hashing.map_err(|error| Error::Internal(error.into()))?;
        told.await.map_err(|_| Error::Internal("hashing a password panicked".into()))
    }
}

/// Lets all other threads go first: a hash takes a quarter of a second of a core, and a call that
/// comes meanwhile a millisecond. Elsewhere than on Linux that would be said of the whole process.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // To the lowest priority, which nobody may refuse.
        let _ = rustix::process::nice(19);
    }
}

/// A hash of no password. To make one of a password would take as long as all of the start.
fn dummy(cost: u32) -> PasswordHash {
    let zeros = ".".repeat(53);
    PasswordHash::stored(format!("$2b${cost:02}${zeros}")).expect("salt and hash have 53 letters")
}

fn hash(password: &Password, cost: u32) -> Result<PasswordHash, Error> {
    let text = bcrypt::non_truncating_hash(password.as_str(), cost)
        .map_err(|error| Error::Internal(error.into()))?;
    PasswordHash::stored(text).ok_or_else(|| Error::Internal("bcrypt made no bcrypt hash".into()))
}
