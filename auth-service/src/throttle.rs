//! Rate limits on logins, password changes and registrations, in the memory of this process. An
//! attempt is reserved before its work begins, so concurrent calls cannot exceed a limit.

use std::{
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::unsync::Cache;
use shared::{error::Error, ids::UserId};
use tandem_server::metrics::{IntCounter, Metrics};

use crate::{
    config::ThrottleConfig,
    domain::{
        client_address,
        session::Source,
        throttle::{Doubling, Rule, Steady},
        user::{User, Username},
    },
    events::{Entry, Event, Events},
};

/// The least time between two log lines about the same throttled key.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The name or user whose password is guessed, hashed to a fixed size, and the source of the guess.
type GuessKey = ([u8; SHA256_OUTPUT_LEN], IpAddr);

/// The limits of this process.
pub(crate) struct Throttles {
    login_sources: Arc<Limiter<Steady, IpAddr>>,
    login_names: Arc<Limiter<Doubling, GuessKey>>,
    register_sources: Arc<Limiter<Steady, IpAddr>>,
    events: Events,
}

impl Throttles {
    pub(crate) fn new(config: &ThrottleConfig, events: Events, metrics: &Metrics) -> Self {
        let entries = config.entries as usize;
        let [login_source, login_name, register_source] = metrics.counters(
            ("tandem_auth_throttle_refused_total", "Attempts rejected by a throttle."),
            "kind",
            ["login_source", "login_name", "register_source"],
        );
        let registrations = config.register_per_source();
        Self {
            login_sources: Limiter::new(config.login_per_source(), entries, login_source),
            login_names: Limiter::new(config.login_per_name(), entries, login_name),
            register_sources: Limiter::new(registrations, entries, register_source),
            events,
        }
    }

    /// Reserves a guess at a password by a login under this name. The name need not exist.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn login(&self, username: &Username, source: &Source) -> Result<Guess, Error> {
        let key = guess_key(&format!("name {username}"), source);
        self.guess(key, source).map_err(|excess| {
            let entry = Entry::anonymous(Event::LoginThrottled, source);
            // Only if an earlier guess has found the user. Otherwise the name may be a password.
            let user_id = self.login_names.identified(&key);
            let username = user_id.map(|_| username);
            self.too_many_attempts(&excess, &Entry { user_id, username, ..entry })
        })
    }

    /// Reserves a guess at the password of this user by a caller with an access token.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn user(&self, user: &User, source: &Source) -> Result<Guess, Error> {
        let key = guess_key(&format!("user {}", user.id), source);
        self.guess(key, source).map_err(|excess| {
            let entry = Entry::of_user(Event::LoginThrottled, user.id, source);
            self.too_many_attempts(&excess, &Entry { username: Some(&user.username), ..entry })
        })
    }

    fn guess(&self, key: GuessKey, source: &Source) -> Result<Guess, Excess> {
        // The source first: a throttled source adds no entries for names.
        let address = client_address::source(source.ip_address);
        let source = self.login_sources.reserve(address)?;
        let name = self.login_names.reserve(key)?;
        Ok(Guess { source, name })
    }

    /// Reserves a registration; `None` if it comes from this machine, which is not limited.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn register(&self, source: &Source) -> Result<Option<Registration>, Error> {
        if source.is_local {
            return Ok(None);
        }
        let entry = Entry::anonymous(Event::RegisterThrottled, source);
        let reject = |excess| self.too_many_attempts(&excess, &entry);
        let address = client_address::source(source.ip_address);
        let choice = self.login_sources.reserve(address).map_err(reject)?;
        let user = self.register_sources.reserve(address).map_err(reject)?;
        Ok(Some(Registration { choice, user }))
    }

    fn too_many_attempts(&self, excess: &Excess, entry: &Entry<'_>) -> Error {
        if excess.should_log {
            self.events.record(entry);
        }
        Error::TooManyAttempts { wait: excess.wait }
    }
}

fn guess_key(name: &str, source: &Source) -> GuessKey {
    let hash = digest(&SHA256, name.as_bytes());
    let hash = hash.as_ref().try_into().expect("SHA-256 has 32 bytes");
    (hash, client_address::source(source.ip_address))
}

/// A reserved registration. Dropping it releases what is not kept.
pub(crate) struct Registration {
    choice: Reservation<Steady, IpAddr>,
    user: Reservation<Steady, IpAddr>,
}

impl Registration {
    /// Counts the choice of a password as a wrong guess: rating a password can take longer than
    /// hashing it.
    pub(crate) fn count_choice(&mut self) {
        self.choice.keep();
    }

    /// Counts a new user instead of the choice of a password.
    pub(crate) fn count_user(&mut self) {
        self.choice.release();
        self.user.keep();
    }

    /// Counts nothing: the registration failed through no fault of the caller.
    pub(crate) fn release_user(&mut self) {
        self.user.release();
    }
}

/// A reserved guess at a password. Dropping it releases what is not kept.
pub(crate) struct Guess {
    source: Reservation<Steady, IpAddr>,
    name: Reservation<Doubling, GuessKey>,
}

impl Guess {
    /// Counts the choice of another password, in the same call, as a wrong guess.
    pub(crate) fn count_choice(&mut self) {
        self.source.keep();
    }

    /// Keeps the user that has the guessed name, if any, for later events.
    pub(crate) fn identify(&mut self, user_id: Option<UserId>) {
        self.name.identify(user_id);
    }

    /// Counts the guess as wrong until [`settle_right`](Self::settle_right).
    pub(crate) fn count(&mut self) {
        self.source.keep();
        self.name.keep();
    }

    /// Counts the guess as right. Earlier guesses at other names from this source still count.
    /// Otherwise an attacker could clear them by logging in to an account of their own.
    pub(crate) fn settle_right(mut self) {
        self.source.release();
        self.name.forget();
    }
}

/// Applies a rule to each key. At the limit of entries it evicts keys with one attempt before keys
/// with several.
struct Limiter<R: Rule, K> {
    rule: R,
    refused: IntCounter,
    entries: Mutex<Cache<K, Tracked<R::Count>>>,
}

#[derive(Default)]
struct Tracked<C> {
    count: C,
    logged: Option<Instant>,
    /// The user that the key is about, if an attempt has found one.
    user_id: Option<UserId>,
}

/// An attempt above the limit.
struct Excess {
    wait: Duration,
    /// Whether the last log line about the key is older than [`LOG_INTERVAL`].
    should_log: bool,
}

impl<R: Rule, K: Copy + Eq + Hash> Limiter<R, K> {
    fn new(rule: R, entries: usize, refused: IntCounter) -> Arc<Self> {
        Arc::new(Self { rule, refused, entries: Mutex::new(Cache::new(entries)) })
    }

    fn reserve(self: &Arc<Self>, key: K) -> Result<Reservation<R, K>, Excess> {
        let now = Instant::now();
        let mut entries = self.lock();
        if let Some(mut entry) = entries.get_mut(&key) {
            if let Err(wait) = self.rule.reserve(&mut entry.count, now) {
                let should_log = entry.logged.is_none_or(|at| now - at >= LOG_INTERVAL);
                if should_log {
                    entry.logged = Some(now);
                }
                self.refused.inc();
                return Err(Excess { wait, should_log });
            }
        } else {
            let mut entry = Tracked::<R::Count>::default();
            self.rule
                .reserve(&mut entry.count, now)
                .map_err(|wait| Excess { wait, should_log: true })?;
            entries.insert(key, entry);
        }
        Ok(Reservation { limiter: self.clone(), key, is_kept: false })
    }

    fn identified(&self, key: &K) -> Option<UserId> {
        self.lock().get(key)?.user_id
    }

    fn lock(&self) -> MutexGuard<'_, Cache<K, Tracked<R::Count>>> {
        self.entries.lock().expect("no thread panics while holding the lock")
    }
}

/// A counted attempt. Dropping it takes the attempt back, unless it is kept.
pub(crate) struct Reservation<R: Rule, K: Copy + Eq + Hash> {
    limiter: Arc<Limiter<R, K>>,
    key: K,
    is_kept: bool,
}

impl<R: Rule, K: Copy + Eq + Hash> Reservation<R, K> {
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    pub(crate) fn release(&mut self) {
        self.is_kept = false;
    }

    fn identify(&self, user_id: Option<UserId>) {
        if let Some(mut entry) = self.limiter.lock().get_mut(&self.key) {
            entry.user_id = user_id;
        }
    }

    /// Forgets all attempts of this key.
    fn forget(&mut self) {
        self.is_kept = true;
        self.limiter.lock().remove(&self.key);
    }
}

impl<R: Rule, K: Copy + Eq + Hash> Drop for Reservation<R, K> {
    fn drop(&mut self) {
        if !self.is_kept
            && let Some(mut entry) = self.limiter.lock().get_mut(&self.key)
        {
            self.limiter.rule.take_back(&mut entry.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> IntCounter {
        IntCounter::new("refused", "Rejected attempts.").unwrap()
    }

    const RULE: Steady = Steady { burst: 5, interval: Duration::from_hours(1) };

    #[test]
    fn a_flood_of_other_keys_stays_within_the_limit_of_entries_and_evicts_no_throttled_key() {
        let limiter = Limiter::new(RULE, 1000, counter());
        let use_up = || while limiter.reserve(0).map(|mut kept| kept.keep()).is_ok() {};
        use_up();
        for stranger in 1..200_000 {
            let reserved = limiter.reserve(stranger);
            reserved.unwrap_or_else(|_| panic!("the first attempt of {stranger} passes")).keep();
        }
        assert!(limiter.lock().len() <= 1000);
        assert!(limiter.reserve(0).is_err());
    }

    #[test]
    fn a_dropped_reservation_is_taken_back_and_a_kept_one_counts() {
        let limiter = Limiter::new(RULE, 10, counter());
        for _ in 0..20 {
            drop(limiter.reserve(1));
        }
        let mut kept: Vec<_> = (0..5).filter_map(|_| limiter.reserve(1).ok()).collect();
        assert_eq!(kept.len(), 5);
        assert!(limiter.reserve(1).is_err_and(|excess| excess.should_log));
        assert!(limiter.reserve(1).is_err_and(|excess| !excess.should_log), "logged a moment ago");
        kept.iter_mut().for_each(Reservation::keep);
        drop(kept);
        assert!(limiter.reserve(1).is_err());
    }
}
