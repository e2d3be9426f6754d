//! When calls are due, and which of them count.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, Semaphore};

use super::{Load, Pace};

/// How often calls fall due that come at a fixed rate: several at once, as from many people, so
/// that a wake-up costs the cores little. A thread's sleep is exact enough for it, a runtime's is
/// not.
const TICK: Duration = Duration::from_micros(500);

/// What all callers follow. A clone is the same.
#[derive(Clone)]
pub(super) struct Schedule {
    begin: Instant,
    /// From when on calls count.
    pub(super) from: Instant,
    pub(super) until: Instant,
    pace: Pace,
    /// One for each thread of the load.
    ticks: Arc<[Notify]>,
}

impl Schedule {
    /// It begins now.
    pub(super) fn begin(load: &Load, threads: usize) -> Self {
        let begin = Instant::now();
        let from = begin + load.warm_up;
        let until = from + load.duration;
        let ticks = (0..threads).map(|_| Notify::new()).collect();
        Self { begin, from, until, pace: load.pace, ticks }
    }

    /// Wakes the threads at each tick until after the end.
    pub(super) fn tick(&self) {
        let Pace::PerSecond(_) = self.pace else { return };
        let mut next = self.begin;
        while next < self.until + TICK {
            next += TICK;
            sleep(next.saturating_duration_since(Instant::now()));
            self.ticks.iter().for_each(Notify::notify_one);
        }
    }
}

/// The callers of one thread.
pub(super) struct Share {
    schedule: Schedule,
    thread: usize,
    /// Since when each of the calls is due that have no caller yet, and a permit for each: those
    /// who wait get them in turn.
    since: RefCell<VecDeque<Instant>>,
    due: Semaphore,
}

impl Share {
    pub(super) fn new(schedule: Schedule, thread: usize) -> Self {
        Self { schedule, thread, since: RefCell::default(), due: Semaphore::new(0) }
    }

    /// Waits until a call is due, and says since when it is; `None` after the end.
    pub(super) async fn next(&self) -> Option<Instant> {
        match self.schedule.pace {
            Pace::Unbounded => {
                let now = Instant::now();
                (now < self.schedule.until).then_some(now)
            }
            Pace::PerSecond(_) => {
                self.due.acquire().await.ok()?.forget();
                self.since.borrow_mut().pop_front()
            }
        }
    }

    /// Whether a call counts that ends now.
    pub(super) fn counts(&self, now: Instant) -> bool {
        (self.schedule.from..self.schedule.until).contains(&now)
    }

    /// Lets calls fall due.
    pub(super) async fn pace(&self) {
        let Schedule { begin, until, pace, ticks, .. } = &self.schedule;
        let Pace::PerSecond(rate) = pace else { return };
        let every = Duration::from_secs_f64(1.0 / rate) * u32::try_from(ticks.len()).unwrap_or(1);
        let mut next = *begin;
        let mut tick = *begin;
        while tick < *until {
            ticks[self.thread].notified().await;
            // However late the thread wakes, a call is due since its tick.
            while tick + TICK <= Instant::now() {
                tick += TICK;
                while next <= tick {
                    next += every;
                    self.since.borrow_mut().push_back(tick);
                    self.due.add_permits(1);
                }
            }
        }
        self.due.close();
    }
}
