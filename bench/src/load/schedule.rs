//! When calls are due, and which of them count.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{Load, Pace};

/// What all callers follow. A clone is the same.
#[derive(Clone)]
pub(super) struct Schedule {
    begin: Instant,
    /// From when on calls count.
    pub(super) from: Instant,
    pub(super) until: Instant,
    pace: Pace,
    /// A permit for each call that has fallen due and has no caller yet: those who wait get them in
    /// turn.
    due: Arc<Semaphore>,
    next: Arc<AtomicU32>,
}

impl Schedule {
    /// It begins now.
    pub(super) fn begin(load: &Load) -> Self {
        let begin = Instant::now();
        let from = begin + load.warm_up;
        let until = from + load.duration;
        let due = Arc::new(Semaphore::new(0));
        Self { begin, from, until, pace: load.pace, due, next: Arc::default() }
    }

    /// Waits until a call is due, and says since when it is; `None` after the end.
    pub(super) async fn next(&self) -> Option<Instant> {
        match self.pace {
            Pace::Unbounded => {
                let now = Instant::now();
                (now < self.until).then_some(now)
            }
            Pace::PerSecond(rate) => {
                self.due.acquire().await.ok()?.forget();
                Some(self.time_of(self.next.fetch_add(1, Ordering::Relaxed), rate))
            }
        }
    }

    /// Whether a call counts that ends now.
    pub(super) fn counts(&self, now: Instant) -> bool {
        (self.from..self.until).contains(&now)
    }

    /// Lets calls fall due. A thread's sleep is exact to a twentieth of a millisecond, a runtime's
    /// to a whole one.
    pub(super) fn pace(&self) {
        let Pace::PerSecond(rate) = self.pace else { return };
        let mut number = 0;
        while self.time_of(number, rate) < self.until {
            sleep(self.time_of(number, rate).saturating_duration_since(Instant::now()));
            let mut fallen_due = 0;
            while self.time_of(number, rate) <= Instant::now() {
                fallen_due += 1;
                number += 1;
            }
            self.due.add_permits(fallen_due);
        }
        self.due.close();
    }

    fn time_of(&self, number: u32, rate: f64) -> Instant {
        self.begin + Duration::from_secs_f64(f64::from(number) / rate)
    }
}
