//! Threads that serve connections, one for each core, each with a runtime of its own: a call stays
//! on the core where it arrived. A runtime that spreads calls over cores spends half of a short one
//! on moving it.

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

use super::{connection::Connections, open::Open};

/// A connection that nobody serves yet.
pub(super) struct Accepted {
    pub(super) stream: net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) open: Arc<Open>,
    /// Held until it ends.
    pub(super) place: OwnedSemaphorePermit,
}

/// All workers. They end when this is dropped, and so do their connections.
pub(super) struct Workers {
    workers: Vec<Worker>,
    abort: CancellationToken,
}

struct Worker {
    accepted: mpsc::UnboundedSender<Accepted>,
    connections: TaskTracker,
}

impl Workers {
    /// Starts so many. Each calls `connections` with its number, on its own thread and runtime.
    ///
    /// # Errors
    /// That the system gives no thread.
    pub(super) fn start(
        count: usize,
        connections: impl Fn(usize) -> Connections + Send + Clone + 'static,
    ) -> io::Result<Self> {
        let abort = CancellationToken::new();
        let start = |number| Worker::start(number, connections.clone(), abort.clone());
        let workers = (0..count).map(start).collect::<Result<_, _>>()?;
        Ok(Self { workers, abort })
    }

    /// Has a connection served by the worker that has the fewest.
    pub(super) fn serve(&mut self, accepted: Accepted) {
        let idlest = self.workers.iter().min_by_key(|worker| worker.connections.len());
        // One that has ended cannot serve: then the connection is closed.
        let _ = idlest.expect("there is one").accepted.send(accepted);
    }

    /// Waits until no connection is open. Those that are when `patience` ends are closed.
    pub(super) async fn close(self, patience: Duration) {
        for worker in &self.workers {
            worker.connections.close();
        }
        let all_closed = async || {
            for worker in &self.workers {
                worker.connections.wait().await;
            }
        };
        if timeout(patience, all_closed()).await.is_err() {
            let count = self.workers.iter().map(|worker| worker.connections.len()).sum::<usize>();
            tracing::warn!(count, "connections are open at the end of the drain: closing them");
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
        let (accepted, mut queue) = mpsc::unbounded_channel::<Accepted>();
        let tracker = TaskTracker::new();
        let worker = Self { accepted, connections: tracker.clone() };
        let serve_all = async move {
            let connections = Arc::new(connections(number));
            while let Some(Accepted { stream, peer, open, place }) = queue.recv().await {
                let connections = connections.clone();
                let serving = async move {
                    let Ok(stream) = TcpStream::from_std(stream) else { return };
                    // On the heap once: what awaits it would hold it a second time.
                    let serving = Box::pin(connections.serve(stream, peer, &open));
                    open.close.run_until_cancelled(serving).await;
                    drop(place);
                };
                tracker.spawn(abort.clone().run_until_cancelled_owned(serving));
            }
        };
        let name = format!("worker-{number}");
        thread::Builder::new().name(name).spawn(move || runtime.block_on(serve_all))?;
        Ok(worker)
    }
}
