//! The fair queue of the admitted statements: round-robin by owner, one statement of an owner at a
//! time.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::future::{Either, FutureExt as _, ready};
use shared::ids::UserId;
use tokio::sync::oneshot;

/// The most waiting calls of an owner.
const MAX_OWNER_WAITING: usize = 32;

/// The most waiting calls of all owners.
const MAX_WAITING: usize = 512;

pub(super) struct Queue {
    max_running: usize,
    state: Mutex<State>,
}

/// While a slot is free, calls wait only if their owner has a running statement.
#[derive(Default)]
struct State {
    /// The owners of the running statements.
    running: Vec<UserId>,
    /// In the order in which their owners have turns.
    lines: VecDeque<Line>,
}

/// The waiting calls of one owner, oldest first.
struct Line {
    owner: UserId,
    calls: VecDeque<oneshot::Sender<Slot>>,
}

/// The right to run a statement. Dropping it passes it on.
pub(super) struct Slot {
    queue: Arc<Queue>,
    owner: UserId,
}

impl Queue {
    pub(super) fn new(max_running: usize) -> Arc<Self> {
        Arc::new(Self { max_running, state: Mutex::default() })
    }

    /// The owner's next slot; `None` if too many calls wait. Dropping the future leaves the queue.
    pub(super) fn enter(
        self: &Arc<Self>,
        owner: UserId,
    ) -> Option<impl Future<Output = Slot> + Send + use<>> {
        let mut state = self.lock();
        if state.running.len() < self.max_running && !state.running.contains(&owner) {
            state.running.push(owner);
            return Some(Either::Left(ready(Slot { queue: self.clone(), owner })));
        }
        let turn = state.push(owner)?;
        Some(Either::Right(turn.map(|slot| slot.expect("the queue drops no waiting call"))))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while holding the lock")
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let next = {
            let mut state = self.queue.lock();
            state.release(self.owner);
            state.pop()
        };
        if let Some((owner, tx)) = next {
            // If the call has just gone away, the slot comes back, is dropped and moves on.
            let _ = tx.send(Self { queue: self.queue.clone(), owner });
        }
    }
}

impl State {
    /// Adds a call, unless too many wait.
    fn push(&mut self, owner: UserId) -> Option<oneshot::Receiver<Slot>> {
        if self.is_full(owner) {
            self.prune();
            if self.is_full(owner) {
                return None;
            }
        }
        let (tx, rx) = oneshot::channel();
        match self.lines.iter_mut().find(|line| line.owner == owner) {
            Some(line) => line.calls.push_back(tx),
            None => self.lines.push_back(Line { owner, calls: [tx].into() }),
        }
        Some(rx)
    }

    fn is_full(&self, owner: UserId) -> bool {
        let own = self.lines.iter().find(|line| line.owner == owner);
        own.is_some_and(|line| line.calls.len() >= MAX_OWNER_WAITING)
            || self.lines.iter().map(|line| line.calls.len()).sum::<usize>() >= MAX_WAITING
    }

    /// Removes the calls that no longer wait.
    fn prune(&mut self) {
        self.lines.retain_mut(|line| {
            line.calls.retain(|tx| !tx.is_closed());
            !line.calls.is_empty()
        });
    }

    /// The owner's statement has ended. All other owners have turns before this one.
    fn release(&mut self, owner: UserId) {
        let ended = self.running.iter().position(|running| *running == owner);
        self.running.swap_remove(ended.expect("each slot has an entry"));
        let line = self.lines.iter().position(|line| line.owner == owner);
        if let Some(line) = line.and_then(|line| self.lines.remove(line)) {
            self.lines.push_back(line);
        }
    }

    /// Starts the oldest call of the first owner that has none running.
    fn pop(&mut self) -> Option<(UserId, oneshot::Sender<Slot>)> {
        self.prune();
        let line = self.lines.iter_mut().find(|line| !self.running.contains(&line.owner))?;
        let tx = line.calls.pop_front()?;
        self.running.push(line.owner);
        Some((line.owner, tx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners<const N: usize>() -> [UserId; N] {
        std::array::from_fn(|_| UserId::generate())
    }

    #[test]
    fn owners_have_turns_round_robin_and_one_statement_at_a_time() {
        let queue = Queue::new(2);
        let [alice, bob, carol] = owners();
        let mut waiting: Vec<_> = [alice, alice, alice, bob, carol]
            .into_iter()
            .enumerate()
            .map(|(i, owner)| (i, queue.enter(owner).expect("it waits").boxed()))
            .collect();
        let mut running = Vec::new();
        let mut started = Vec::new();
        loop {
            waiting.retain_mut(|(i, call)| {
                let slot = call.now_or_never();
                started.extend(slot.is_some().then_some(*i));
                let waits = slot.is_none();
                running.extend(slot);
                waits
            });
            assert!(running.len() <= 2);
            if running.is_empty() {
                break;
            }
            drop(running.remove(0));
        }
        // Alice's second call waits for carol's, her third for her second.
        assert_eq!(started, [0, 3, 4, 1, 2]);
    }

    #[test]
    fn an_owner_has_a_bounded_number_of_waiting_calls() {
        let queue = Queue::new(1);
        let [alice, bob] = owners();
        let running = queue.enter(bob).expect("it runs");
        let mut waiting: Vec<_> =
            (0..MAX_OWNER_WAITING).map(|_| queue.enter(alice).expect("it waits")).collect();
        assert!(queue.enter(alice).is_none());
        let his = queue.enter(bob).expect("another owner still waits");
        waiting.pop();
        let hers = queue.enter(alice).expect("a call that went away leaves room");
        drop((running, waiting, his, hers));
        assert!(queue.lock().running.is_empty());
    }
}
