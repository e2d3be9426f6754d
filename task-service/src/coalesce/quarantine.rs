//! Owners whose calls run unbatched: an owner with a failing or blocked statement, such as one that
//! waits for a lock, delays no other owner.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use shared::ids::UserId;

/// How long an owner stays in quarantine after a statement failed that had only one call.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The quarantined owners. Coalescers share it if their statements can block each other.
#[derive(Default)]
pub(crate) struct Quarantine {
    /// Lets `contains` skip the lock while no owner is quarantined.
    count: AtomicUsize,
    owners: Mutex<HashMap<UserId, Term>>,
}

/// An owner is in quarantine while there are holds, and until this time.
struct Term {
    holds: usize,
    until: Instant,
}

/// Keeps its owner in quarantine until it is dropped. Held by a call that must run unbatched, while
/// it is queued and while it runs. A call that runs unbatched only because its owner is quarantined
/// has none: a busy owner always has such a call, and would never leave.
pub(super) struct Hold {
    quarantine: Arc<Quarantine>,
    owner: UserId,
}

impl Quarantine {
    pub(super) fn contains(&self, owner: UserId) -> bool {
        self.count.load(Relaxed) > 0
            && self.owners().get(&owner).is_some_and(|term| term.is_running(Instant::now()))
    }

    pub(super) fn hold(self: &Arc<Self>, owner: UserId) -> Hold {
        self.update(owner, |term, _| term.holds += 1);
        Hold { quarantine: self.clone(), owner }
    }

    /// Quarantines the owner for [`AFTER_FAILURE`].
    pub(super) fn record_failure(&self, owner: UserId) {
        self.update(owner, |term, now| term.until = now + AFTER_FAILURE);
    }

    fn update(&self, owner: UserId, change: impl FnOnce(&mut Term, Instant)) {
        let mut owners = self.owners();
        let now = Instant::now();
        change(owners.entry(owner).or_insert(Term { holds: 0, until: now }), now);
        owners.retain(|_, term| term.is_running(now));
        self.count.store(owners.len(), Relaxed);
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<UserId, Term>> {
        self.owners.lock().expect("no code panics while holding the lock")
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.quarantine.update(self.owner, |term, _| term.holds -= 1);
    }
}

impl Term {
    fn is_running(&self, now: Instant) -> bool {
        self.holds > 0 || now < self.until
    }
}
