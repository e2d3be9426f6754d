//! The difference between the clocks of an instance and of its database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

/// This instance's clock minus the database's, as last measured. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct ClockOffset(Arc<AtomicI64>);

impl ClockOffset {
    /// The difference in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let micros = self.micros();
        let distance = Duration::from_micros(micros.unsigned_abs()).as_secs_f64();
        if micros < 0 { -distance } else { distance }
    }

    pub(super) fn micros(&self) -> i64 {
        self.0.load(Relaxed)
    }

    pub(super) fn set(&self, micros: i64) {
        self.0.store(micros, Relaxed);
    }
}
