//! The fair queue in front of the hashing threads. It serves sources round-robin, so a source that
//! floods it delays only itself. A full queue evicts the newest caller of the source with the most.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::oneshot;

/// Bounds the callers that hash or wait, and those that hash at the same time.
pub(super) struct Queue {
    max_admitted: usize,
    max_running: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    admitted: usize,
    running: usize,
    /// Never empty lines, in the order in which their sources are served. A scan of them costs far
    /// less than a hash.
    lines: VecDeque<Line>,
}

/// The waiting callers of one source, oldest first.
struct Line {
    source: IpAddr,
    callers: VecDeque<oneshot::Sender<Slot>>,
}

/// Admission to the queue, until it is dropped.
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    source: IpAddr,
}

/// The right to hash. Dropping it passes it to the next caller.
pub(super) struct Slot(Arc<Queue>);

impl Queue {
    /// A queue that admits `max_admitted` callers, of which `max_running` hash.
    pub(super) fn new(max_running: usize, max_admitted: usize) -> Arc<Self> {
        Arc::new(Self { max_admitted, max_running, state: Mutex::default() })
    }

    /// Admits a caller; `None` if the queue is full and no other source has more callers waiting.
    pub(super) fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Ticket> {
        let mut state = self.lock();
        if state.admitted >= self.max_admitted && !state.evict(source) {
            return None;
        }
        state.admitted += 1;
        Some(Ticket { queue: self.clone(), source })
    }

    /// The number of callers that hash or wait.
    pub(super) fn admitted(&self) -> usize {
        self.lock().admitted
    }

    /// The number of callers that hash.
    pub(super) fn running(&self) -> usize {
        self.lock().running
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while holding the lock")
    }
}

impl Ticket {
    /// Waits for a slot; `None` if the caller is evicted.
    pub(super) async fn slot(&self) -> Option<Slot> {
        let rx = {
            let mut state = self.queue.lock();
            if state.running < self.queue.max_running {
                state.running += 1;
                return Some(Slot(self.queue.clone()));
            }
            let (tx, rx) = oneshot::channel();
            state.push(self.source, tx);
            rx
        };
        rx.await.ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.admitted -= 1;
        state.prune();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.lock();
            let next = state.pop();
            state.running -= usize::from(next.is_none());
            next
        };
        if let Some(tx) = next {
            // If the caller has just gone away, the slot comes back, is dropped and moves on.
            let _ = tx.send(Self(self.0.clone()));
        }
    }
}

impl State {
    fn push(&mut self, source: IpAddr, tx: oneshot::Sender<Slot>) {
        match self.lines.iter_mut().find(|line| line.source == source) {
            Some(line) => line.callers.push_back(tx),
            None => self.lines.push_back(Line { source, callers: [tx].into() }),
        }
    }

    /// Takes the oldest caller of the first source, which then becomes the last.
    fn pop(&mut self) -> Option<oneshot::Sender<Slot>> {
        let mut line = self.lines.pop_front()?;
        let next = line.callers.pop_front();
        if !line.callers.is_empty() {
            self.lines.push_back(line);
        }
        next
    }

    /// Evicts the newest caller of the source with the most, if that has more than `newcomer` has.
    fn evict(&mut self, newcomer: IpAddr) -> bool {
        let own = self.lines.iter().find(|line| line.source == newcomer);
        let own = own.map_or(0, |line| line.callers.len());
        let longest = self.lines.iter_mut().max_by_key(|line| line.callers.len());
        let Some(longest) = longest.filter(|line| line.callers.len() > own) else { return false };
        longest.callers.pop_back();
        self.prune();
        true
    }

    /// Removes the callers that no longer wait.
    fn prune(&mut self) {
        self.lines.retain_mut(|line| {
            line.callers.retain(|tx| !tx.is_closed());
            !line.callers.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn source(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    /// What a future has resolved to by now, if anything.
    fn now<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        future.now_or_never()
    }

    #[tokio::test]
    async fn sources_are_served_round_robin() {
        let queue = Queue::new(1, 10);
        let tickets = [1, 1, 1, 2, 3].map(|last| queue.admit(source(last)).unwrap());
        let mut running = tickets[0].slot().await;
        let mut waiting: Vec<_> =
            tickets[1..].iter().map(|ticket| Some(Box::pin(ticket.slot()))).collect();
        let mut served = || -> Vec<_> {
            let poll = |(i, waiting): (usize, &mut Option<_>)| {
                let slot = now(waiting.as_mut()?)?;
                *waiting = None;
                Some((i, slot))
            };
            waiting.iter_mut().enumerate().filter_map(poll).collect()
        };
        assert!(served().is_empty());
        for expected in [0, 2, 3, 1] {
            drop(running);
            let mut served = served();
            assert_eq!(served.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [expected]);
            running = served.remove(0).1;
        }
    }

    #[tokio::test]
    async fn a_full_queue_evicts_the_newest_caller_of_another_source_with_more() {
        let queue = Queue::new(1, 4);
        let tickets = [1, 1, 1, 2].map(|last| queue.admit(source(last)).unwrap());
        let running = tickets[0].slot().await.unwrap();
        let mut first = Box::pin(tickets[1].slot());
        let mut second = Box::pin(tickets[2].slot());
        assert!(now(&mut first).is_none() && now(&mut second).is_none());
        assert!(queue.admit(source(1)).is_none(), "a source evicts none of its own callers");
        let newcomer = queue.admit(source(3)).unwrap();
        assert!(now(&mut second).unwrap().is_none(), "the newest caller is evicted");
        assert!(now(&mut first).is_none());
        drop((running, newcomer));
        assert!(now(&mut first).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_nothing_behind() {
        let queue = Queue::new(1, 10);
        let [running, gone, next] = [1, 2, 3].map(|last| queue.admit(source(last)).unwrap());
        let slot = running.slot().await.unwrap();
        let mut waiting = Box::pin(gone.slot());
        assert!(now(&mut waiting).is_none());
        drop(waiting);
        drop(gone);
        assert!(queue.lock().lines.is_empty());
        drop((slot, running));
        drop(next.slot().await.unwrap());
        drop(next);
        assert_eq!((queue.admitted(), queue.running()), (0, 0));
    }
}
