//! Owners whose calls go by themselves: whoever has trouble, a lock that is not given back perhaps,
//! has it alone.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use shared::ids::UserId;

/// For how long the calls of an owner go by themselves after one of them failed that did.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What lanes share whose statements can wait for each other.
#[derive(Default)]
pub(crate) struct Apart {
    /// So that nobody has to ask for the lock while there is nobody.
    count: AtomicUsize,
    owners: Mutex<HashMap<UserId, Owner>>,
}

/// Somebody who is apart while there are calls, and until then.
struct Owner {
    /// Those that go by themselves, waiting or under way.
    calls: usize,
    until: Instant,
}

impl Apart {
    pub(super) fn contains(&self, owner: UserId) -> bool {
        self.count.load(Relaxed) > 0
            && self.owners().get(&owner).is_some_and(|owner| owner.is_apart(Instant::now()))
    }

    /// A call of the owner goes by itself from now on.
    pub(super) fn begin(&self, owner: UserId) {
        let mut owners = self.owners();
        let now = Instant::now();
        owners.entry(owner).or_insert(Owner { calls: 0, until: now }).calls += 1;
        self.count.store(owners.len(), Relaxed);
    }

    /// It has ended.
    pub(super) fn end(&self, owner: UserId, has_failed: bool) {
        let mut owners = self.owners();
        let now = Instant::now();
        if let Some(owner) = owners.get_mut(&owner) {
            owner.calls -= 1;
            if has_failed {
                owner.until = now + AFTER_FAILURE;
            }
        }
        owners.retain(|_, owner| owner.is_apart(now));
        self.count.store(owners.len(), Relaxed);
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<UserId, Owner>> {
        self.owners.lock().expect("nobody panics while holding it")
    }
}

impl Owner {
    fn is_apart(&self, now: Instant) -> bool {
        self.calls > 0 || now < self.until
    }
}
