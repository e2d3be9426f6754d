//! What waits for the next statement of a lane.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use shared::ids::UserId;

use super::{Apart, Statement, Waiting, apart::Reason};

/// What one statement carries at most, by [`Statement::weight`].
const MAX_WEIGHT: usize = 128;

/// What one owner may have of a statement, so that others find room beside them.
const MAX_OWNER_CALLS: usize = 32;

/// How many statements a lane has under way beside the shared one, each for one call.
const MAX_ALONE: usize = 2;

/// Calls that wait.
pub(super) struct Queue<S: Statement> {
    waiting: VecDeque<Waiting<S>>,
    /// Whether somebody carries them.
    is_carried: bool,
    /// Those that go by themselves.
    alone: HashMap<UserId, VecDeque<Alone<S>>>,
    /// The owners of those, each once, but for whose turn it is.
    turns: VecDeque<UserId>,
    /// How many carry those.
    carriers: usize,
}

/// A call that goes by itself; with the reason, if it is one.
pub(super) type Alone<S> = (Waiting<S>, Option<Reason>);

impl<S: Statement> Queue<S> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            is_carried: false,
            alone: HashMap::new(),
            turns: VecDeque::new(),
            carriers: 0,
        }
    }

    /// Adds a call. Returns whether somebody carries it; if not, the caller has to.
    pub(super) fn push(&mut self, waiting: Waiting<S>) -> bool {
        self.waiting.push_back(waiting);
        std::mem::replace(&mut self.is_carried, true)
    }

    /// Whether nothing waits. Then nobody carries it any more.
    pub(super) fn ends(&mut self) -> bool {
        self.is_carried = !self.waiting.is_empty();
        !self.is_carried
    }

    pub(super) fn take_all(&mut self) -> Vec<Waiting<S>> {
        self.waiting.drain(..).collect()
    }

    /// Adds a call that goes by itself. Returns whether somebody more has to carry those.
    pub(super) fn push_alone(&mut self, alone: Alone<S>) -> bool {
        let owner = S::owner(&alone.0.call);
        let calls = self.alone.entry(owner).or_insert_with(|| {
            self.turns.push_back(owner);
            VecDeque::new()
        });
        calls.push_back(alone);
        let has_room = self.carriers < MAX_ALONE;
        self.carriers += usize::from(has_room);
        has_room
    }

    /// The first call of the owner whose turn it is; he has no other one until this one ends.
    /// Without one, somebody less carries.
    pub(super) fn next_alone(&mut self) -> Option<Alone<S>> {
        let next = self.turns.pop_front().and_then(|owner| self.alone.get_mut(&owner)?.pop_front());
        self.carriers -= usize::from(next.is_none());
        next
    }

    /// The owner's call has ended. The next one waits until all others had a turn.
    pub(super) fn had_turn(&mut self, owner: UserId) {
        if self.alone.get(&owner).is_some_and(VecDeque::is_empty) {
            self.alone.remove(&owner);
        } else {
            self.turns.push_back(owner);
        }
    }

    /// Takes what can share the next statement, in the order in which it came: of the calls of an
    /// owner none overtakes another. Beside it, those whose owners have been set apart meanwhile.
    pub(super) fn gather(&mut self, apart: &Apart) -> (Vec<Waiting<S>>, Vec<Waiting<S>>) {
        let mut batch: Vec<Waiting<S>> = Vec::with_capacity(self.waiting.len().min(MAX_WEIGHT));
        let mut alone = Vec::new();
        let mut left = Vec::new();
        let mut weight = 0;
        let mut owners = HashMap::new();
        while let Some(waiting) = self.waiting.pop_front() {
            if waiting.caller.answer.is_closed() {
                continue;
            }
            let owner = S::owner(&waiting.call);
            if apart.contains(owner) {
                alone.push(waiting);
                continue;
            }
            let more = S::weight(&waiting.call);
            if weight + more > MAX_WEIGHT && !batch.is_empty() {
                left.push(waiting);
                break;
            }
            let room = match owners.entry(owner) {
                Entry::Vacant(entry) => entry.insert(MAX_OWNER_CALLS),
                Entry::Occupied(entry) => {
                    let follows = |earlier: &Waiting<S>| {
                        S::owner(&earlier.call) == owner
                            && S::must_follow(&waiting.call, &earlier.call)
                    };
                    let room = entry.into_mut();
                    if batch.iter().any(follows) {
                        *room = 0;
                    }
                    room
                }
            };
            if *room == 0 {
                left.push(waiting);
            } else {
                *room -= 1;
                weight += more;
                batch.push(waiting);
            }
        }
        left.into_iter().rev().for_each(|waiting| self.waiting.push_front(waiting));
        (batch, alone)
    }
}
