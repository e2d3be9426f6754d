//! Owners whose calls go by themselves: whoever has trouble, a lock that is not given back perhaps,
//! has it alone.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use shared::ids::UserId;

/// For how long an owner is apart after a statement failed that carried only one call of theirs.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What lanes share whose statements can wait for each other.
#[derive(Default)]
pub(crate) struct Apart {
    /// So that nobody has to ask for the lock while there is nobody.
    count: AtomicUsize,
    owners: Mutex<HashMap<UserId, Owner>>,
}

/// Somebody who is apart while there are reasons, and until then.
struct Owner {
    reasons: usize,
    until: Instant,
}

/// Why an owner is apart, as long as it is kept: a call that must go by itself, waiting or under
/// way. Calls that go by themselves because the owner is apart are no reason, or those of a busy
/// owner, of which there is always one, would never share again.
pub(super) struct Reason {
    apart: Arc<Apart>,
    owner: UserId,
}

impl Apart {
    pub(super) fn contains(&self, owner: UserId) -> bool {
        self.count.load(Relaxed) > 0
            && self.owners().get(&owner).is_some_and(|owner| owner.is_apart(Instant::now()))
    }

    /// A call of the owner must go by itself.
    pub(super) fn add(self: &Arc<Self>, owner: UserId) -> Reason {
        self.update(owner, |owner, _| owner.reasons += 1);
        Reason { apart: self.clone(), owner }
    }

    /// A call of the owner has failed that went by itself.
    pub(super) fn has_failed(&self, owner: UserId) {
        self.update(owner, |owner, now| owner.until = now + AFTER_FAILURE);
    }

    fn update(&self, owner: UserId, change: impl FnOnce(&mut Owner, Instant)) {
        let mut owners = self.owners();
        let now = Instant::now();
        change(owners.entry(owner).or_insert(Owner { reasons: 0, until: now }), now);
        owners.retain(|_, owner| owner.is_apart(now));
        self.count.store(owners.len(), Relaxed);
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<UserId, Owner>> {
        self.owners.lock().expect("nobody panics while holding it")
    }
}

impl Drop for Reason {
    fn drop(&mut self) {
        self.apart.update(self.owner, |owner, _| owner.reasons -= 1);
    }
}

impl Owner {
    fn is_apart(&self, now: Instant) -> bool {
        self.reasons > 0 || now < self.until
    }
}
