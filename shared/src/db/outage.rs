//! When the database was last unavailable: the pools' connections from before are broken, whether
//! or not they know it, and no call should discover that.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

/// The last outage. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct LastOutage(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    outage: Option<Instant>,
    server_start: Option<DateTime<Utc>>,
}

impl LastOutage {
    /// Notes that the database is unavailable.
    pub(super) fn is_now(&self) {
        self.lock().outage = Some(Instant::now());
    }

    /// Notes when the server started; a restart is an outage, even one too short to notice.
    pub(super) fn observe_start(&self, server_start: DateTime<Utc>) {
        let mut state = self.lock();
        if state.server_start.is_some_and(|known| known != server_start) {
            state.outage = Some(Instant::now());
        }
        state.server_start = Some(server_start);
    }

    /// Whether the last outage was within this time.
    pub(super) fn was_within(&self, past: Duration) -> bool {
        self.lock().outage.is_some_and(|outage| outage.elapsed() < past)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }
}
