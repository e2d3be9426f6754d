//! Counts attempts to log in and to register, in the memory of this process. Each is reserved
//! before the work begins, so that no number of calls at once gets around the limit.

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
    },
    events::{self, Event},
};

/// A source or name that is refused again and again is logged this often.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Whose password is guessed, and from where. A hash, since names may be of any length.
type GuessKey = ([u8; SHA256_OUTPUT_LEN], IpAddr);

/// The counts of all who try.
pub(crate) struct Throttles {
    login_sources: Arc<Counts<Steady, IpAddr>>,
    login_names: Arc<Counts<Doubling, GuessKey>>,
    register_sources: Arc<Counts<Steady, IpAddr>>,
}

impl Throttles {
    pub(crate) fn new(config: &ThrottleConfig, metrics: &Metrics) -> Self {
        let entries = config.entries as usize;
        let [login_source, login_name, register_source] = metrics.counters(
            ("tandem_auth_throttle_refused_total", "Attempts that came too early."),
            "kind",
            ["login_source", "login_name", "register_source"],
        );
        let registrations = config.register_per_source();
        Self {
            login_sources: Counts::new(config.login_per_source(), entries, login_source),
            login_names: Counts::new(config.login_per_name(), entries, login_name),
            register_sources: Counts::new(registrations, entries, register_source),
        }
    }

    /// Reserves a guess at the password of somebody who logs in under this name, which nobody need
    /// have.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn login(&self, typed_name: &str, source: &Source) -> Result<Guess, Error> {
        self.guess(&format!("name {}", typed_name.to_ascii_lowercase()), None, source)
    }

    /// Reserves a guess at the password of a user who has an access token.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn user(&self, user_id: UserId, source: &Source) -> Result<Guess, Error> {
        self.guess(&format!("user {user_id}"), Some(user_id), source)
    }

    fn guess(&self, at: &str, user_id: Option<UserId>, source: &Source) -> Result<Guess, Error> {
        let refuse = |refused| throttled(Event::LoginThrottled, &refused, user_id, source);
        let address = client_address::source(source.ip_address);
        let hash = digest(&SHA256, at.as_bytes());
        let hash = hash.as_ref().try_into().expect("SHA-256 has 32 bytes");
        // In this order: what is refused for its source is not remembered for its name.
        let source = self.login_sources.reserve(address).map_err(refuse)?;
        let name = self.login_names.reserve((hash, address)).map_err(refuse)?;
        Ok(Guess { source, name })
    }

    /// Reserves a registration, unless it comes from this machine.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub(crate) fn register(&self, source: &Source) -> Result<Option<Registration>, Error> {
        if source.ip_address.is_loopback() {
            return Ok(None);
        }
        let refuse = |refused| throttled(Event::RegisterThrottled, &refused, None, source);
        let address = client_address::source(source.ip_address);
        let choice = self.login_sources.reserve(address).map_err(refuse)?;
        let user = self.register_sources.reserve(address).map_err(refuse)?;
        Ok(Some(Registration { choice, user }))
    }
}

fn throttled(event: Event, refused: &Refused, user_id: Option<UserId>, source: &Source) -> Error {
    if refused.is_news {
        events::record(event, user_id, None, source);
    }
    Error::TooManyAttempts { wait: refused.wait }
}

/// A registration, reserved: given back if it is dropped.
pub(crate) struct Registration {
    choice: Reservation<Steady, IpAddr>,
    user: Reservation<Steady, IpAddr>,
}

impl Registration {
    /// A password is chosen. To rate it may take longer than to hash it: from now on it counts like
    /// a wrong one.
    pub(crate) fn choose(&mut self) {
        self.choice.keep();
    }

    /// It was good, and a user may be made: from now on that counts instead.
    pub(crate) fn keep(&mut self) {
        self.choice.give_back();
        self.user.keep();
    }

    /// There is no user, for no fault of the caller's.
    pub(crate) fn give_back(&mut self) {
        self.user.give_back();
    }
}

/// A guess at a password, reserved: given back if it is dropped before it is made.
pub(crate) struct Guess {
    source: Reservation<Steady, IpAddr>,
    name: Reservation<Doubling, GuessKey>,
}

impl Guess {
    /// Beside the guess, another password is chosen: from now on it counts like a wrong one.
    pub(crate) fn choose(&mut self) {
        self.source.keep();
    }

    /// The guess is made: from now on it counts as wrong.
    pub(crate) fn make(&mut self) {
        self.source.keep();
        self.name.keep();
    }

    /// It was right. The guesses at others from the same source go on to count: otherwise whoever
    /// has an account could clear them.
    pub(crate) fn settle_right(mut self) {
        self.source.give_back();
        self.name.forget();
    }
}

/// Counts by key, of which those that come once make way for those that come again and again.
struct Counts<R: Rule, K> {
    rule: R,
    refused: IntCounter,
    entries: Mutex<Cache<K, Entry<R::Count>>>,
}

#[derive(Default)]
struct Entry<C> {
    count: C,
    logged: Option<Instant>,
}

/// Why somebody has to wait.
struct Refused {
    wait: Duration,
    /// Whether it was not logged a moment ago.
    is_news: bool,
}

impl<R: Rule, K: Copy + Eq + Hash> Counts<R, K> {
    fn new(rule: R, entries: usize, refused: IntCounter) -> Arc<Self> {
        Arc::new(Self { rule, refused, entries: Mutex::new(Cache::new(entries)) })
    }

    fn reserve(self: &Arc<Self>, key: K) -> Result<Reservation<R, K>, Refused> {
        let now = Instant::now();
        let mut entries = self.lock();
        if let Some(mut entry) = entries.get_mut(&key) {
            if let Err(wait) = self.rule.reserve(&mut entry.count, now) {
                let is_news = entry.logged.is_none_or(|at| now - at >= LOG_INTERVAL);
                if is_news {
                    entry.logged = Some(now);
                }
                self.refused.inc();
                return Err(Refused { wait, is_news });
            }
        } else {
            let mut entry = Entry { count: R::Count::default(), logged: None };
            self.rule
                .reserve(&mut entry.count, now)
                .map_err(|wait| Refused { wait, is_news: true })?;
            entries.insert(key, entry);
        }
        Ok(Reservation { counts: self.clone(), key, is_kept: false })
    }

    fn lock(&self) -> MutexGuard<'_, Cache<K, Entry<R::Count>>> {
        self.entries.lock().expect("nobody panics while holding it")
    }
}

/// One attempt that is counted, and given back when this is dropped unless it is kept.
pub(crate) struct Reservation<R: Rule, K: Copy + Eq + Hash> {
    counts: Arc<Counts<R, K>>,
    key: K,
    is_kept: bool,
}

impl<R: Rule, K: Copy + Eq + Hash> Reservation<R, K> {
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    pub(crate) fn give_back(&mut self) {
        self.is_kept = false;
    }

    /// Forgets all attempts of this key.
    fn forget(&mut self) {
        self.is_kept = true;
        self.counts.lock().remove(&self.key);
    }
}

impl<R: Rule, K: Copy + Eq + Hash> Drop for Reservation<R, K> {
    fn drop(&mut self) {
        if !self.is_kept
            && let Some(mut entry) = self.counts.lock().get_mut(&self.key)
        {
            self.counts.rule.give_back(&mut entry.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> IntCounter {
        IntCounter::new("refused", "for a test").unwrap()
    }

    const RULE: Steady = Steady { burst: 5, interval: Duration::from_hours(1) };

    #[test]
    fn a_flood_of_others_neither_fills_the_memory_nor_clears_who_is_throttled() {
        let counts = Counts::new(RULE, 1000, counter());
        let use_up = || while counts.reserve(0).map(|mut kept| kept.keep()).is_ok() {};
        use_up();
        for stranger in 1..200_000 {
            let reserved = counts.reserve(stranger);
            reserved.unwrap_or_else(|_| panic!("{stranger} has tried once")).keep();
        }
        assert!(counts.lock().len() <= 1000);
        assert!(counts.reserve(0).is_err());
    }

    #[test]
    fn what_is_dropped_is_given_back_and_what_is_kept_is_not() {
        let counts = Counts::new(RULE, 10, counter());
        for _ in 0..20 {
            drop(counts.reserve(1));
        }
        let mut kept: Vec<_> = (0..5).filter_map(|_| counts.reserve(1).ok()).collect();
        assert_eq!(kept.len(), 5);
        assert!(counts.reserve(1).is_err_and(|refused| refused.is_news));
        assert!(counts.reserve(1).is_err_and(|refused| !refused.is_news), "it was just logged");
        kept.iter_mut().for_each(Reservation::keep);
        drop(kept);
        assert!(counts.reserve(1).is_err());
    }
}
