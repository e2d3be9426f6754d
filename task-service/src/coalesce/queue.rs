//! The calls that wait for a coalescer: for its next batch, or to run unbatched.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use shared::ids::UserId;

use super::{Pending, Quarantine, Statement, quarantine::Hold};

/// The most that one statement executes, by [`Statement::weight`].
const MAX_WEIGHT: usize = 128;

/// The most calls of one owner in a statement, so that other owners find room.
const MAX_OWNER_CALLS: usize = 32;

/// How many unbatched calls run at the same time, beside the batch.
const MAX_UNBATCHED: usize = 2;

pub(super) struct Queue<S: Statement> {
    /// For the next batches.
    batched: VecDeque<Pending<S>>,
    /// Whether a task runs the batches.
    is_running: bool,
    unbatched: HashMap<UserId, VecDeque<Unbatched<S>>>,
    /// Round-robin: the owners of unbatched calls, each once, without those whose call is running.
    turns: VecDeque<UserId>,
    /// How many tasks run unbatched calls.
    runners: usize,
}

/// A call that runs unbatched, and its hold if it is the reason for the quarantine.
pub(super) type Unbatched<S> = (Pending<S>, Option<Hold>);

impl<S: Statement> Queue<S> {
    pub(super) fn new() -> Self {
        Self {
            batched: VecDeque::new(),
            is_running: false,
            unbatched: HashMap::new(),
            turns: VecDeque::new(),
            runners: 0,
        }
    }

    /// Adds a call. Returns whether a task already runs the batches; if not, the caller must start
    /// one.
    pub(super) fn push(&mut self, pending: Pending<S>) -> bool {
        self.batched.push_back(pending);
        std::mem::replace(&mut self.is_running, true)
    }

    /// Ends the running of batches unless calls are queued. Returns whether it has ended.
    pub(super) fn stop_if_empty(&mut self) -> bool {
        self.is_running = !self.batched.is_empty();
        !self.is_running
    }

    pub(super) fn take_all(&mut self) -> Vec<Pending<S>> {
        self.batched.drain(..).collect()
    }

    /// Adds a call that runs unbatched. Returns whether the caller must start another runner.
    pub(super) fn push_unbatched(&mut self, unbatched: Unbatched<S>) -> bool {
        let owner = S::owner(&unbatched.0.call);
        let calls = self.unbatched.entry(owner).or_insert_with(|| {
            self.turns.push_back(owner);
            VecDeque::new()
        });
        calls.push_back(unbatched);
        let has_room = self.runners < MAX_UNBATCHED;
        self.runners += usize::from(has_room);
        has_room
    }

    /// The first call of the owner whose turn it is. The owner has no other turn until
    /// [`end_turn`](Self::end_turn). With `None`, the runner must end.
    pub(super) fn next_unbatched(&mut self) -> Option<Unbatched<S>> {
        let owner = self.turns.pop_front();
        let next = owner.and_then(|owner| self.unbatched.get_mut(&owner)?.pop_front());
        self.runners -= usize::from(next.is_none());
        next
    }

    /// The owner's call has ended. The owner's next call waits for the turns of all others.
    pub(super) fn end_turn(&mut self, owner: UserId) {
        if self.unbatched.get(&owner).is_some_and(VecDeque::is_empty) {
            self.unbatched.remove(&owner);
        } else {
            self.turns.push_back(owner);
        }
    }

    /// Takes the next batch, in the order of arrival: no call overtakes another of its owner.
    /// Returns beside it the calls whose owners have been quarantined since they were queued.
    pub(super) fn gather(&mut self, quarantine: &Quarantine) -> (Vec<Pending<S>>, Vec<Pending<S>>) {
        let mut batch: Vec<Pending<S>> = Vec::with_capacity(self.batched.len().min(MAX_WEIGHT));
        let mut quarantined = Vec::new();
        let mut left = Vec::new();
        let mut weight = 0;
        let mut owners = HashMap::new();
        while let Some(pending) = self.batched.pop_front() {
            if pending.reply.tx.is_closed() {
                continue;
            }
            let owner = S::owner(&pending.call);
            if quarantine.contains(owner) {
                quarantined.push(pending);
                continue;
            }
            let more = S::weight(&pending.call);
            if weight + more > MAX_WEIGHT && !batch.is_empty() {
                left.push(pending);
                break;
            }
            let room = match owners.entry(owner) {
                Entry::Vacant(entry) => entry.insert(MAX_OWNER_CALLS),
                Entry::Occupied(entry) => {
                    let follows = |earlier: &Pending<S>| {
                        S::owner(&earlier.call) == owner
                            && S::must_follow(&pending.call, &earlier.call)
                    };
                    let room = entry.into_mut();
                    if batch.iter().any(follows) {
                        *room = 0;
                    }
                    room
                }
            };
            if *room == 0 {
                left.push(pending);
            } else {
                *room -= 1;
                weight += more;
                batch.push(pending);
            }
        }
        left.into_iter().rev().for_each(|pending| self.batched.push_front(pending));
        (batch, quarantined)
    }
}
