//! Rate limits as pure rules. An attempt counts before its outcome is known, and is taken back if
//! it turns out not to count.

use std::time::{Duration, Instant};

/// A rate limit on the attempts of one key.
pub(crate) trait Rule {
    /// The attempts of a key. The default is none.
    type Count: Default;

    /// Counts an attempt within the limit. Above the limit, the count stays as it is.
    ///
    /// # Errors
    /// The time to wait until the next attempt is within the limit.
    fn reserve(&self, count: &mut Self::Count, now: Instant) -> Result<(), Duration>;

    /// Takes back a counted attempt.
    fn take_back(&self, count: &mut Self::Count);
}

/// A burst of attempts, then one per interval (GCRA).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steady {
    pub(crate) burst: u32,
    pub(crate) interval: Duration,
}

impl Rule for Steady {
    /// The time at which the whole burst is available again.
    type Count = Option<Instant>;

    fn reserve(&self, count: &mut Self::Count, now: Instant) -> Result<(), Duration> {
        let recovered = count.map_or(now, |time| time.max(now));
        let wait = (recovered - now).saturating_sub(self.interval * (self.burst - 1));
        if !wait.is_zero() {
            return Err(wait);
        }
        *count = Some(recovered + self.interval);
        Ok(())
    }

    fn take_back(&self, count: &mut Self::Count) {
        *count = count.and_then(|time| time.checked_sub(self.interval));
    }
}

/// Exponential backoff: a number of free attempts, then a wait that doubles with each attempt. One
/// attempt is forgotten for each `max_wait` without another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubling {
    pub(crate) free: u32,
    pub(crate) max_wait: Duration,
}

/// The wait after the last free attempt.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The number of counted attempts, and the time of the last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts {
    number: u32,
    last: Option<Instant>,
}

impl Rule for Doubling {
    type Count = Attempts;

    fn reserve(&self, count: &mut Attempts, now: Instant) -> Result<(), Duration> {
        let since = count.last.map_or(self.max_wait, |last| now.saturating_duration_since(last));
        let wait = self.wait(count.number).saturating_sub(since);
        if !wait.is_zero() {
            return Err(wait);
        }
        let forgotten = since.as_nanos() / self.max_wait.as_nanos();
        let number = count.number.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
        *count = Attempts { number: number + 1, last: Some(now) };
        Ok(())
    }

    fn take_back(&self, count: &mut Attempts) {
        count.number = count.number.saturating_sub(1);
    }
}

impl Doubling {
    /// The wait after this many attempts.
    fn wait(&self, attempts: u32) -> Duration {
        let Some(doublings) = attempts.checked_sub(self.free) else { return Duration::ZERO };
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        FIRST_WAIT.saturating_mul(factor).min(self.max_wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEADY: Steady = Steady { burst: 20, interval: Duration::from_secs(10) };
    const DOUBLING: Doubling = Doubling { free: 5, max_wait: Duration::from_mins(15) };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_of_twenty_passes_and_then_one_every_ten_seconds() {
        let (begin, mut count) = (Instant::now(), None);
        for _ in 0..20 {
            assert_eq!(STEADY.reserve(&mut count, begin), Ok(()));
        }
        assert_eq!(STEADY.reserve(&mut count, begin), Err(seconds(10)));
        assert_eq!(STEADY.reserve(&mut count, begin + seconds(9)), Err(seconds(1)));
        assert_eq!(STEADY.reserve(&mut count, begin + seconds(10)), Ok(()));
        assert_eq!(STEADY.reserve(&mut count, begin + seconds(10)), Err(seconds(10)));
        STEADY.take_back(&mut count);
        assert_eq!(STEADY.reserve(&mut count, begin + seconds(10)), Ok(()));
    }

    #[test]
    fn five_pass_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let (mut now, mut count) = (Instant::now(), Attempts::default());
        for _ in 0..5 {
            assert_eq!(DOUBLING.reserve(&mut count, now), Ok(()));
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
            assert_eq!(DOUBLING.reserve(&mut count, now), Err(seconds(wait)));
            now += seconds(wait);
            assert_eq!(DOUBLING.reserve(&mut count, now), Ok(()), "after {wait} s");
        }
        // Over three hours later, all attempts but two are forgotten.
        now += seconds(900 * 13);
        for _ in 0..3 {
            assert_eq!(DOUBLING.reserve(&mut count, now), Ok(()));
        }
    }

    /// Attempts: the milliseconds before each, and whether it counts.
    fn attempts() -> impl Strategy<Value = Vec<(u64, bool)>> {
        prop::collection::vec((prop_oneof![0..50_u64, 0..40_000_u64], any::<bool>()), 1..200)
    }

    /// The times of the attempts that pass the rule and count.
    fn counted<R: Rule>(rule: &R, attempts: Vec<(u64, bool)>) -> Vec<Instant> {
        let (mut now, mut count, mut counted) = (Instant::now(), R::Count::default(), Vec::new());
        for (pause, counts) in attempts {
            now += Duration::from_millis(pause);
            if rule.reserve(&mut count, now).is_ok() {
                if counts {
                    counted.push(now);
                } else {
                    rule.take_back(&mut count);
                }
            }
        }
        counted
    }

    proptest! {
        #[test]
        fn in_any_period_at_most_the_burst_and_one_per_interval_pass(attempts in attempts()) {
            let counted = counted(&STEADY, attempts);
            for (i, first) in counted.iter().enumerate() {
                for (number, last) in counted[i..].iter().enumerate() {
                    let intervals = (*last - *first).as_nanos() / STEADY.interval.as_nanos();
                    prop_assert!((number as u128) < u128::from(STEADY.burst) + intervals);
                }
            }
        }

        #[test]
        fn after_the_free_attempts_each_counted_attempt_waits(attempts in attempts()) {
            // No pause is long enough for an attempt to be forgotten.
            let counted = counted(&DOUBLING, attempts);
            for (i, pair) in counted.windows(2).enumerate() {
                let before = u32::try_from(i).unwrap() + 1;
                prop_assert!(pair[1] - pair[0] >= DOUBLING.wait(before), "after {before}");
            }
        }

        #[test]
        fn an_attempt_after_the_returned_wait_passes(attempts in attempts()) {
            let (mut now, mut steady, mut doubling) = (Instant::now(), None, Attempts::default());
            for (pause, _) in attempts {
                now += Duration::from_millis(pause);
                for wait in [
                    STEADY.reserve(&mut steady, now).err(),
                    DOUBLING.reserve(&mut doubling, now).err(),
                ] {
                    prop_assert!(wait.is_none_or(|wait| wait <= DOUBLING.max_wait));
                }
                if let Err(wait) = DOUBLING.reserve(&mut doubling, now) {
                    now += wait;
                    prop_assert_eq!(DOUBLING.reserve(&mut doubling, now), Ok(()));
                }
                if let Err(wait) = STEADY.reserve(&mut steady, now) {
                    now += wait;
                    prop_assert_eq!(STEADY.reserve(&mut steady, now), Ok(()));
                }
            }
        }
    }
}
