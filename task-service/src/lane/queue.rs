//! What waits for the next statement of a lane.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};

use shared::ids::UserId;

use super::{Statement, Waiting};

/// What one statement carries at most, by [`Statement::weight`].
const MAX_WEIGHT: usize = 128;

/// What one owner may have of a statement, so that others find room beside them.
const MAX_OWNER_CALLS: usize = 32;

/// For how long the calls of an owner go by themselves after one of them made a statement fail that
/// others shared: whoever has trouble, a lock that is not given back perhaps, has it alone.
const APART: Duration = Duration::from_secs(5);

/// Calls that wait, and who goes by themselves.
pub(super) struct Queue<S: Statement> {
    waiting: VecDeque<Waiting<S>>,
    /// Whether somebody carries them.
    is_carried: bool,
    /// Whose calls go by themselves, until when.
    apart: HashMap<UserId, Instant>,
}

impl<S: Statement> Queue<S> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), is_carried: false, apart: HashMap::new() }
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

    /// Whether the owner's calls go by themselves.
    pub(super) fn is_apart(&self, owner: UserId) -> bool {
        !self.apart.is_empty() && self.apart.get(&owner).is_some_and(|end| Instant::now() < *end)
    }

    /// Lets the owner's calls go by themselves for a while.
    pub(super) fn set_apart(&mut self, owner: UserId) {
        let now = Instant::now();
        self.apart.retain(|_, end| now < *end);
        self.apart.insert(owner, now + APART);
    }

    /// Takes what can share the next statement, in the order in which it came: of the calls of an
    /// owner none overtakes another.
    pub(super) fn gather(&mut self) -> Vec<Waiting<S>> {
        let mut batch: Vec<Waiting<S>> = Vec::with_capacity(self.waiting.len().min(MAX_WEIGHT));
        let mut left = Vec::new();
        let mut weight = 0;
        let mut owners = HashMap::new();
        while let Some(waiting) = self.waiting.pop_front() {
            if waiting.caller.answer.is_closed() {
                continue;
            }
            let more = S::weight(&waiting.call);
            if weight + more > MAX_WEIGHT && !batch.is_empty() {
                left.push(waiting);
                break;
            }
            let owner = S::owner(&waiting.call);
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
        batch
    }
}
