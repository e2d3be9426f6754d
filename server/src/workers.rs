//! Threads that serve connections, one for each core, each with its own runtime: a call stays on
//! the core where it arrived. A work-stealing runtime spends half of a short call on moving it.

use std::{
    io,
    net::{self, SocketAddr},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    runtime,
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::connection::{Connections, Entry};

/// An accepted connection.
pub(crate) struct Accepted {
    pub(crate) stream: net::TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) entry: Arc<Entry>,
    /// Held until the connection ends.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// All workers. Dropping them ends their threads and closes their connections.
pub(crate) struct Workers {
    workers: Vec<Worker>,
    abort: CancellationToken,
}

struct Worker {
    tx: mpsc::UnboundedSender<Accepted>,
    connections: TaskTracker,
}

impl Workers {
    /// Starts `count` workers. Each calls `connections` with its number, on its own thread.
    ///
    /// # Errors
    /// The system's refusal to start a thread.
    pub(crate) fn start(
        count: usize,
        connections: impl Fn(usize) -> Connections + Send + Clone + 'static,
    ) -> io::Result<Self> {
        let abort = CancellationToken::new();
        let start = |number| Worker::start(number, connections.clone(), abort.clone());
        let workers = (0..count).map(start).collect::<Result<_, _>>()?;
        Ok(Self { workers, abort })
    }

    /// Hands a connection to the worker with the fewest.
    pub(crate) fn serve(&mut self, accepted: Accepted) {
        let idlest = self.workers.iter().min_by_key(|worker| worker.connections.len());
        // If that worker has ended, the connection is closed.
        let _ = idlest.expect("there is at least one worker").tx.send(accepted);
    }

    /// Waits until every connection has closed, and closes those still open after `limit`.
    pub(crate) async fn close(self, limit: Duration) {
        for worker in &self.workers {
            worker.connections.close();
        }
        let all_closed = async || {
            for worker in &self.workers {
                worker.connections.wait().await;
            }
        };
        if timeout(limit, all_closed()).await.is_err() {
            let count = self.workers.iter().map(|worker| worker.connections.len()).sum::<usize>();
            tracing::warn!(count, "drain time-out reached, closing connections");
            self.abort.cancel();
            all_closed().await;
        }
    }
}

impl Worker {
    fn start(
        number: usize,
        connections: impl Fn(usize) -> Connections + Send + 'static,
        abort: CancellationToken,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (tx, mut rx) = mpsc::unbounded_channel::<Accepted>();
        let tracker = TaskTracker::new();
        let worker = Self { tx, connections: tracker.clone() };
        let serve_all = async move {
            let connections = Arc::new(connections(number));
            while let Some(Accepted { stream, peer, entry, permit }) = rx.recv().await {
                let connections = connections.clone();
                let serving = async move {
                    let Ok(stream) = TcpStream::from_std(stream) else { return };
                    // Boxed: the future that awaits it would hold it a second time.
                    let serving = Box::pin(connections.serve(stream, peer, &entry));
                    entry.evicted().run_until_cancelled(serving).await;
                    drop(permit);
                };
                tracker.spawn(abort.clone().run_until_cancelled_owned(serving));
            }
        };
        let name = format!("worker-{number}");
        thread::Builder::new().name(name).spawn(move || runtime.block_on(serve_all))?;
        Ok(worker)
    }
}
