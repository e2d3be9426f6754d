//! When calls are due, and which of them are measured.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, Semaphore};

use super::{Load, Pace};

/// How often calls at a fixed rate fall due. Several fall due at once, as from many clients, so
/// that wake-ups take little CPU time. A thread sleeps precisely enough for this; a runtime's timer
/// does not.
const TICK: Duration = Duration::from_micros(500);

/// The schedule of all clients. Clones share its ticks.
#[derive(Clone)]
pub(super) struct Schedule {
    begin: Instant,
    /// The start of the measurement.
    pub(super) from: Instant,
    pub(super) until: Instant,
    pace: Pace,
    /// One for each thread of the load.
    ticks: Arc<[Notify]>,
}

impl Schedule {
    /// A schedule that begins now.
    pub(super) fn begin(load: &Load, threads: usize) -> Self {
        let begin = Instant::now();
        let from = begin + load.warm_up;
        let until = from + load.duration;
        let ticks = (0..threads).map(|_| Notify::new()).collect();
        Self { begin, from, until, pace: load.pace, ticks }
    }

    /// Wakes the threads at each tick.
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

/// The part of the schedule that one thread follows.
pub(super) struct Share {
    schedule: Schedule,
    thread: usize,
    /// The due times of calls that wait for a client, and a permit for each.
    due: RefCell<VecDeque<Instant>>,
    permits: Semaphore,
}

impl Share {
    pub(super) fn new(schedule: Schedule, thread: usize) -> Self {
        Self { schedule, thread, due: RefCell::default(), permits: Semaphore::new(0) }
    }

    /// Waits until a call is due, and returns when it was due; `None` after the last.
    pub(super) async fn next(&self) -> Option<Instant> {
        match self.schedule.pace {
            Pace::Unbounded => {
                let now = Instant::now();
                (now < self.schedule.until).then_some(now)
            }
            Pace::PerSecond(_) => {
                // After the end the semaphore is closed, and overdue calls are still made.
                if let Ok(permit) = self.permits.acquire().await {
                    permit.forget();
                }
                self.due.borrow_mut().pop_front()
            }
        }
    }

    /// Whether a call is measured: in a closed loop by its end, and in an open loop by when it was
    /// due, so that the slowest calls are not left out.
    pub(super) fn measures(&self, due: Instant, end: Instant) -> bool {
        let time = match self.schedule.pace {
            Pace::Unbounded => end,
            Pace::PerSecond(_) => due,
        };
        (self.schedule.from..self.schedule.until).contains(&time)
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
            // A call is due at its tick, however late the thread wakes.
            while tick + TICK <= Instant::now() {
                tick += TICK;
                while next <= tick {
                    next += every;
                    self.due.borrow_mut().push_back(tick);
                    self.permits.add_permits(1);
                }
            }
        }
        self.permits.close();
    }
}
