//! Bounds the number of waits for peers, without letting one peer deny service to the others.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    hash::Hash,
    sync::{Mutex, MutexGuard},
};

use tokio::sync::oneshot;

/// A bound on concurrent waits for something that a peer does. At the limit, a new wait evicts the
/// oldest wait of the peer that holds the most.
pub(crate) struct WaitLimit<Peer> {
    max: usize,
    waits: Mutex<Waits<Peer>>,
}

struct Waits<Peer> {
    next: u64,
    /// By age. Dropping the sender evicts the wait.
    by_number: BTreeMap<u64, (Peer, oneshot::Sender<Infallible>)>,
    counts: HashMap<Peer, usize>,
}

/// Ends the wait when it is dropped.
struct Guard<'a, Peer: Copy + Eq + Hash> {
    limit: &'a WaitLimit<Peer>,
    number: u64,
}

impl<Peer: Copy + Eq + Hash> WaitLimit<Peer> {
    pub(crate) fn new(max: usize) -> Self {
        let waits = Waits { next: 0, by_number: BTreeMap::new(), counts: HashMap::new() };
        Self { max, waits: Mutex::new(waits) }
    }

    /// Waits for `event`, which depends on `peer`; `None` if another wait evicts this one.
    pub(crate) async fn wait<T>(&self, peer: Peer, event: impl Future<Output = T>) -> Option<T> {
        let (_guard, evicted) = self.enter(peer);
        tokio::select! {
            biased;
            happened = event => Some(happened),
            _ = evicted => None,
        }
    }

    fn enter(&self, peer: Peer) -> (Guard<'_, Peer>, oneshot::Receiver<Infallible>) {
        let mut waits = self.lock();
        if waits.by_number.len() >= self.max {
            waits.evict();
        }
        let number = waits.next;
        waits.next += 1;
        let (tx, rx) = oneshot::channel();
        waits.by_number.insert(number, (peer, tx));
        *waits.counts.entry(peer).or_default() += 1;
        (Guard { limit: self, number }, rx)
    }

    fn lock(&self) -> MutexGuard<'_, Waits<Peer>> {
        self.waits.lock().expect("no holder of the lock panics")
    }
}

impl<Peer: Copy + Eq + Hash> Waits<Peer> {
    fn evict(&mut self) {
        let most = self.counts.values().max().copied();
        let oldest =
            self.by_number.iter().find(|(_, (peer, _))| self.counts.get(peer) == most.as_ref());
        if let Some((&number, _)) = oldest {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some((peer, _)) = self.by_number.remove(&number) else { return };
        let count = self.counts.entry(peer).or_default();
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&peer);
        }
    }
}

impl<Peer: Copy + Eq + Hash> Drop for Guard<'_, Peer> {
    fn drop(&mut self) {
        self.limit.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn the_peer_with_the_most_waits_loses_its_oldest() {
        let limit = WaitLimit::new(3);
        let wait = |peer| {
            let (guard, mut rx) = limit.enter(peer);
            let is_evicted = move || rx.try_recv() == Err(oneshot::error::TryRecvError::Closed);
            (guard, is_evicted)
        };
        let (_first, mut first_is_evicted) = wait('a');
        let (_second, mut second_is_evicted) = wait('b');
        let (_third, mut third_is_evicted) = wait('b');
        let (_fourth, mut fourth_is_evicted) = wait('c');
        assert!(second_is_evicted() && !first_is_evicted());
        assert!(!third_is_evicted() && !fourth_is_evicted());
        let (_fifth, mut fifth_is_evicted) = wait('d');
        assert!(first_is_evicted() && !third_is_evicted());
        assert!(!fourth_is_evicted() && !fifth_is_evicted());
    }

    #[tokio::test]
    async fn a_wait_that_has_ended_does_not_count() {
        let limit = WaitLimit::new(1);
        assert_eq!(limit.wait('a', async { 1 }).await, Some(1));
        let evicted = limit.wait('a', pending::<()>());
        let evicting = limit.wait('b', async {
            tokio::task::yield_now().await;
            2
        });
        assert_eq!(tokio::join!(evicted, evicting), (None, Some(2)));
        assert!(limit.lock().by_number.is_empty() && limit.lock().counts.is_empty());
    }
}
