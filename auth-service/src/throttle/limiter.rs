//! Counts attempts by key in bounded memory.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use quick_cache::unsync::Cache;
use shared::ids::UserId;
use tandem_server::metrics::IntCounter;

use crate::domain::throttle::Rule;

/// The least time between two log lines about the same throttled key.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Applies a rule to each key. At the limit of entries it evicts keys with one attempt before keys
/// with several.
pub(super) struct Limiter<R: Rule, K> {
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
pub(super) struct Excess {
    pub(super) wait: Duration,
    /// Whether the last log line about the key is older than [`LOG_INTERVAL`].
    pub(super) should_log: bool,
}

impl<R: Rule, K: Copy + Eq + Hash> Limiter<R, K> {
    pub(super) fn new(rule: R, entries: usize, refused: IntCounter) -> Arc<Self> {
        Arc::new(Self { rule, refused, entries: Mutex::new(Cache::new(entries)) })
    }

    pub(super) fn reserve(self: &Arc<Self>, key: K) -> Result<Reservation<R, K>, Excess> {
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

    pub(super) fn identified(&self, key: &K) -> Option<UserId> {
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

    pub(super) fn identify(&self, user_id: Option<UserId>) {
        if let Some(mut entry) = self.limiter.lock().get_mut(&self.key) {
            entry.user_id = user_id;
        }
    }

    /// Forgets all attempts of this key.
    pub(super) fn forget(&mut self) {
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
    use crate::domain::throttle::Steady;

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
