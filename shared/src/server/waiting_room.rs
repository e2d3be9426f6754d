//! Bounds how many wait for their peers, without letting anybody keep others out.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    hash::Hash,
    sync::{Mutex, MutexGuard},
};

use tokio::sync::oneshot;

/// Room for so many who wait for what a peer does, told apart by a `Peer` each. Who comes when it
/// is full has the peer with the most give up one: the one that has waited for longest.
pub(crate) struct WaitingRoom<Peer> {
    max: usize,
    seats: Mutex<Seats<Peer>>,
}

struct Seats<Peer> {
    next: u64,
    /// In the order in which they came. Whoever finds the other end of the channel closed is out.
    taken: BTreeMap<u64, (Peer, oneshot::Sender<Infallible>)>,
    counts: HashMap<Peer, usize>,
}

/// Given back when it is dropped.
struct Seat<'a, Peer: Copy + Eq + Hash> {
    room: &'a WaitingRoom<Peer>,
    number: u64,
}

impl<Peer: Copy + Eq + Hash> WaitingRoom<Peer> {
    pub(crate) fn new(max: usize) -> Self {
        let seats = Seats { next: 0, taken: BTreeMap::new(), counts: HashMap::new() };
        Self { max, seats: Mutex::new(seats) }
    }

    /// Waits for `event`, which is up to `peer`; `None` if it has to make way for another.
    pub(crate) async fn wait<T>(&self, peer: Peer, event: impl Future<Output = T>) -> Option<T> {
        let (_seat, out) = self.enter(peer);
        tokio::select! {
            biased;
            happened = event => Some(happened),
            _ = out => None,
        }
    }

    fn enter(&self, peer: Peer) -> (Seat<'_, Peer>, oneshot::Receiver<Infallible>) {
        let mut seats = self.seats();
        if seats.taken.len() >= self.max {
            seats.make_way();
        }
        let number = seats.next;
        seats.next += 1;
        let (stay, out) = oneshot::channel();
        seats.taken.insert(number, (peer, stay));
        *seats.counts.entry(peer).or_default() += 1;
        (Seat { room: self, number }, out)
    }

    fn seats(&self) -> MutexGuard<'_, Seats<Peer>> {
        self.seats.lock().expect("nobody panics while holding it")
    }
}

impl<Peer: Copy + Eq + Hash> Seats<Peer> {
    fn make_way(&mut self) {
        let most = self.counts.values().max().copied();
        let oldest =
            self.taken.iter().find(|(_, (peer, _))| self.counts.get(peer) == most.as_ref());
        if let Some((&number, _)) = oldest {
            self.give_back(number);
        }
    }

    fn give_back(&mut self, number: u64) {
        let Some((peer, _)) = self.taken.remove(&number) else { return };
        let count = self.counts.entry(peer).or_default();
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&peer);
        }
    }
}

impl<Peer: Copy + Eq + Hash> Drop for Seat<'_, Peer> {
    fn drop(&mut self) {
        self.room.seats().give_back(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn who_has_most_gives_up_what_has_waited_for_longest() {
        let room = WaitingRoom::new(3);
        let wait = |peer| {
            let (seat, mut out) = room.enter(peer);
            let is_out = move || out.try_recv() == Err(oneshot::error::TryRecvError::Closed);
            (seat, is_out)
        };
        let (_one, mut one_is_out) = wait('a');
        let (_two, mut two_is_out) = wait('b');
        let (_three, mut three_is_out) = wait('b');
        let (_four, mut four_is_out) = wait('c');
        assert!(two_is_out() && !one_is_out() && !three_is_out() && !four_is_out());
        let (_five, mut five_is_out) = wait('d');
        assert!(one_is_out() && !three_is_out() && !four_is_out() && !five_is_out());
    }

    #[tokio::test]
    async fn who_has_left_takes_no_room() {
        let room = WaitingRoom::new(1);
        assert_eq!(room.wait('a', async { 1 }).await, Some(1));
        let waiting = room.wait('a', pending::<()>());
        let coming = room.wait('b', async {
            tokio::task::yield_now().await;
            2
        });
        assert_eq!(tokio::join!(waiting, coming), (None, Some(2)));
        assert!(room.seats().taken.is_empty() && room.seats().counts.is_empty());
    }
}
