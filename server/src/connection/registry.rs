//! The open connections, so that a new one can evict the least recently used.

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

/// An open connection.
pub(crate) struct Entry {
    source: IpAddr,
    accepted: Instant,
    /// When the last call began, in milliseconds after the accept; 0 before the first.
    last_call: AtomicU64,
    evicted: CancellationToken,
}

impl Entry {
    /// Notes that a call begins.
    pub(crate) fn touch(&self) {
        let elapsed = u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_call.store(elapsed.max(1), Relaxed);
    }

    /// Cancelled when the connection is evicted.
    pub(crate) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }

    /// Connections without a call sort first.
    fn last_used(&self) -> (bool, Instant) {
        let last_call = self.last_call.load(Relaxed);
        (last_call > 0, self.accepted + Duration::from_millis(last_call))
    }
}

/// All open connections, and some that have ended.
#[derive(Default)]
pub(crate) struct Registry(Vec<Weak<Entry>>);

impl Registry {
    /// Adds a connection from this address.
    pub(crate) fn add(&mut self, source: IpAddr) -> Arc<Entry> {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|entry| entry.strong_count() > 0);
        }
        let (accepted, evicted) = (Instant::now(), CancellationToken::new());
        let entry = Arc::new(Entry { source, accepted, last_call: AtomicU64::new(0), evicted });
        self.0.push(Arc::downgrade(&entry));
        entry
    }

    /// Evicts the least recently used connection of the address that holds the most.
    pub(crate) fn evict(&mut self) {
        let mut by_source: HashMap<IpAddr, Vec<Arc<Entry>>> = HashMap::new();
        for entry in self.0.iter().filter_map(Weak::upgrade) {
            if !entry.evicted.is_cancelled() {
                by_source.entry(entry.source).or_default().push(entry);
            }
        }
        let most = by_source.into_values().max_by_key(Vec::len);
        let least_used = most.into_iter().flatten().min_by_key(|entry| entry.last_used());
        if let Some(entry) = least_used {
            tracing::debug!(source = %entry.source, "connection evicted");
            entry.evicted.cancel();
        }
    }
}
