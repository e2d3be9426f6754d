//! Turns at what takes a core for long. Sources take turns, so that one that wants much waits for
//! itself; and where there is no place left, the one that waits most loses one.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::oneshot;

/// Who has a place, and whose turn it is.
pub(super) struct Turns {
    max_places: usize,
    max_at_once: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many have a place.
    places: usize,
    /// How many have their turn.
    at_once: usize,
    /// Who waits, by source, in the order in which they came.
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<Turn>>>,
    /// The sources of those, each once; the first one is next.
    order: VecDeque<IpAddr>,
}

/// A place among those that have their turn or wait for it; given back when it is dropped.
pub(crate) struct Place {
    turns: Arc<Turns>,
    source: IpAddr,
}

/// The next one's when it is dropped.
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    /// So many turns at once, and so many places for those and for who waits.
    pub(super) fn new(max_at_once: usize, max_places: usize) -> Arc<Self> {
        Arc::new(Self { max_places, max_at_once, state: Mutex::default() })
    }

    /// Takes a place, unless there is none and nobody waits more than this source.
    pub(super) fn enter(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let mut state = self.lock();
        if state.places >= self.max_places && !state.make_way(source) {
            return None;
        }
        state.places += 1;
        Some(Place { turns: self.clone(), source })
    }

    /// How many have a place.
    pub(super) fn places(&self) -> usize {
        self.lock().places
    }

    /// How many have their turn.
    pub(super) fn turns(&self) -> usize {
        self.lock().at_once
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl Place {
    /// Waits for a turn; `None` if the place has to make way for another.
    pub(super) async fn turn(&self) -> Option<Turn> {
        let told = {
            let mut state = self.turns.lock();
            if state.at_once < self.turns.max_at_once {
                state.at_once += 1;
                return Some(Turn(self.turns.clone()));
            }
            let (tell, told) = oneshot::channel();
            state.push(self.source, tell);
            told
        };
        told.await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.places -= 1;
        state.prune(self.source);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.lock();
            let next = state.next();
            state.at_once -= usize::from(next.is_none());
            next
        };
        if let Some(next) = next {
            // Whoever has just gone passes it on.
            let _ = next.send(Self(self.0.clone()));
        }
    }
}

impl State {
    fn push(&mut self, source: IpAddr, tell: oneshot::Sender<Turn>) {
        let line = self.waiting.entry(source).or_default();
        if line.is_empty() {
            self.order.push_back(source);
        }
        line.push_back(tell);
    }

    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let source = self.order.pop_front()?;
        let line = self.waiting.get_mut(&source)?;
        let next = line.pop_front();
        if line.is_empty() {
            self.waiting.remove(&source);
        } else {
            self.order.push_back(source);
        }
        next
    }

    /// Has the source that waits most give up the place that it would wait for longest, if it waits
    /// more than the one that comes.
    fn make_way(&mut self, newcomer: IpAddr) -> bool {
        let own = self.waiting.get(&newcomer).map_or(0, VecDeque::len);
        let most = self.waiting.iter_mut().max_by_key(|(_, line)| line.len());
        let Some((&source, line)) = most.filter(|(_, line)| line.len() > own) else { return false };
        line.pop_back();
        self.prune(source);
        true
    }

    /// Forgets those of the source that wait no more.
    fn prune(&mut self, source: IpAddr) {
        let Some(line) = self.waiting.get_mut(&source) else { return };
        line.retain(|waiting| !waiting.is_closed());
        if line.is_empty() {
            self.waiting.remove(&source);
            self.order.retain(|other| *other != source);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures_util::FutureExt as _;

    use super::*;

    fn source(last: u8) -> IpAddr {
        [203, 0, 113, last].into()
    }

    /// The turn if there is one now.
    fn now<T>(turn: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        turn.now_or_never()
    }

    #[tokio::test]
    async fn sources_take_turns() {
        let turns = Turns::new(1, 10);
        let places = [1, 1, 1, 2, 3].map(|last| turns.enter(source(last)).unwrap());
        let mut running = places[0].turn().await;
        let mut waiting: Vec<_> =
            places[1..].iter().map(|place| Some(Box::pin(place.turn()))).collect();
        let mut ready = || -> Vec<_> {
            let turn = |(i, turn): (usize, &mut Option<_>)| {
                let told = now(turn.as_mut()?)?;
                *turn = None;
                Some((i, told))
            };
            waiting.iter_mut().enumerate().filter_map(turn).collect()
        };
        assert!(ready().is_empty());
        for expected in [0, 2, 3, 1] {
            drop(running);
            let mut told = ready();
            assert_eq!(told.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [expected]);
            running = told.remove(0).1;
        }
    }

    #[tokio::test]
    async fn who_waits_most_makes_way_and_nobody_for_themselves() {
        let turns = Turns::new(1, 4);
        let places = [1, 1, 1, 2].map(|last| turns.enter(source(last)).unwrap());
        let running = places[0].turn().await.unwrap();
        let mut first = Box::pin(places[1].turn());
        let mut second = Box::pin(places[2].turn());
        assert!(now(&mut first).is_none() && now(&mut second).is_none());
        assert!(turns.enter(source(1)).is_none());
        let newcomer = turns.enter(source(3)).unwrap();
        assert!(now(&mut second).unwrap().is_none(), "the one that came last is out");
        assert!(now(&mut first).is_none());
        drop((running, newcomer));
        assert!(now(&mut first).unwrap().is_some());
    }

    #[tokio::test]
    async fn who_goes_away_leaves_nothing_behind() {
        let turns = Turns::new(1, 10);
        let [running, gone, next] = [1, 2, 3].map(|last| turns.enter(source(last)).unwrap());
        let turn = running.turn().await.unwrap();
        let mut waiting = Box::pin(gone.turn());
        assert!(now(&mut waiting).is_none());
        drop(waiting);
        drop(gone);
        assert!(turns.lock().waiting.is_empty() && turns.lock().order.is_empty());
        drop((turn, running));
        drop(next.turn().await.unwrap());
        drop(next);
        assert_eq!((turns.places(), turns.turns()), (0, 0));
    }
}
