//! The work on passwords that takes long: done off the async runtime, a bounded number at once, and
//! refused where it would wait too long. Nothing else calls bcrypt or rates a password.

use std::{sync::Arc, time::Duration};

use shared::error::{Error, Invalid};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    config::LoginConfig,
    domain::password::{Password, PasswordHash},
    throttle::Guess,
};

/// What a password turned out to be.
pub(crate) enum Verified {
    Wrong,
    Right {
        /// The same password at the cost that new hashes have, if the stored one has another.
        upgrade: Option<PasswordHash>,
    },
}

/// A place among the passwords that are hashed or wait for it.
#[expect(dead_code, reason = "it is held, not read")]
pub(crate) struct Place(OwnedSemaphorePermit);

/// Admits passwords to be hashed.
pub(crate) struct Hashing {
    /// A permit for each that may be hashed or wait for it.
    admitted: Arc<Semaphore>,
    /// A permit for each that may be hashed.
    running: Arc<Semaphore>,
    wait: Duration,
    cost: u32,
    /// Verified in place of a hash that there is not, so that it takes the same time.
    dummy: PasswordHash,
}

impl Hashing {
    /// Takes the time of one hash: it makes the dummy.
    pub(crate) fn new(config: &LoginConfig) -> Self {
        let threads = config.hashing_threads();
        Self {
            admitted: Arc::new(Semaphore::new(threads + usize::from(config.hashing_queue))),
            running: Arc::new(Semaphore::new(threads)),
            wait: config.hashing_wait,
            cost: config.bcrypt_cost,
            dummy: hash(&Password::typed(String::new()), config.bcrypt_cost)
                .expect("the empty password can be hashed"),
        }
    }

    /// Takes a place in the queue, before anything else is done for a password: those for whom
    /// there is none should cost nothing, not even a connection to the database.
    pub(crate) fn enter(&self) -> Result<Place, Error> {
        let admitted = self.admitted.clone().try_acquire_owned();
        admitted.map(Place).map_err(|_| Error::Overloaded)
    }

    /// Hashes a password that somebody chooses, if it is good enough. Some take as long to rate as
    /// to hash.
    pub(crate) async fn hash_chosen(
        &self,
        text: String,
        username: &str,
    ) -> Result<Result<PasswordHash, Invalid>, Error> {
        let (username, cost) = (username.to_owned(), self.cost);
        let place = self.enter()?;
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
        let running = timeout(self.wait, self.running.clone().acquire_owned())
            .await
            .map_err(|_| Error::Overloaded)?
            .expect("the semaphore is never closed");
        let done = spawn_blocking(move || {
            let _until_done = (place, running);
            work()
        });
        done.await.map_err(|panic| Error::Internal(panic.into()))
    }
}

fn hash(password: &Password, cost: u32) -> Result<PasswordHash, Error> {
    let text = bcrypt::non_truncating_hash(password.as_str(), cost)
        .map_err(|error| Error::Internal(error.into()))?;
    PasswordHash::stored(text).ok_or_else(|| Error::Internal("bcrypt made no bcrypt hash".into()))
}
