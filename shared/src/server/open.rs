//! The connections that are open, so that one more can close the one that is missed least.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// A connection, as seen from outside.
pub(super) struct Open {
    source: IpAddr,
    accepted: Instant,
    /// When the last call began, in milliseconds after it was accepted; 0 if none ever did.
    last_call: AtomicU64,
    /// Cancelled when it has to make way.
    pub(super) close: CancellationToken,
}

impl Open {
    /// A call begins.
    pub(super) fn call(&self) {
        let elapsed = u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_call.store(elapsed.max(1), Relaxed);
    }

    /// Those without a call come first.
    fn last_used(&self) -> (bool, Instant) {
        let last_call = self.last_call.load(Relaxed);
        (last_call > 0, self.accepted + Duration::from_millis(last_call))
    }
}

/// All of them, and some that have ended.
#[derive(Default)]
pub(super) struct OpenConnections(Vec<Weak<Open>>);

impl OpenConnections {
    /// One more, from this address.
    pub(super) fn add(&mut self, source: IpAddr) -> Arc<Open> {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|open| open.strong_count() > 0);
        }
        let (accepted, close) = (Instant::now(), CancellationToken::new());
        let open = Arc::new(Open { source, accepted, last_call: AtomicU64::new(0), close });
        self.0.push(Arc::downgrade(&open));
        open
    }

    /// Closes one of the address with the most: the one that was not used for longest.
    pub(super) fn make_way(&mut self) {
        let mut by_source: HashMap<IpAddr, Vec<Arc<Open>>> = HashMap::new();
        for open in self.0.iter().filter_map(Weak::upgrade) {
            if !open.close.is_cancelled() {
                by_source.entry(open.source).or_default().push(open);
            }
        }
        let most = by_source.into_values().max_by_key(Vec::len);
        let idlest = most.into_iter().flatten().min_by_key(|open| open.last_used());
        if let Some(idlest) = idlest {
            tracing::debug!(source = %idlest.source, "a connection makes way for another");
            idlest.close.cancel();
        }
    }
}
