//! Responses that a client is slow to read: each waits for a bounded time, and all of them are
//! bounded in number.

use std::{cell::Cell, net::SocketAddr, sync::Arc, time::Duration};

use http::Response;
use hyper::rt::Executor;
use tokio::{pin, sync::oneshot, time::timeout};

use crate::fair::WaitLimit;

tokio::task_local! {
    static BEGUN: Cell<Option<oneshot::Sender<Begun>>>;
}

/// Marks the response of a streaming method, which lasts as long as the client likes.
#[derive(Clone)]
pub(crate) struct ServerStreaming;

/// A response that has begun.
struct Begun {
    /// The client's end of the connection.
    peer: SocketAddr,
    is_streaming: bool,
}

/// Notes that the current HTTP/2 stream waits for its client from now on.
pub(crate) fn begin<B>(response: Response<B>, peer: SocketAddr) -> Response<B> {
    let is_streaming = response.extensions().get::<ServerStreaming>().is_some();
    // HTTP/1 has no streams.
    if let Ok(Some(tx)) = BEGUN.try_with(Cell::take) {
        let _ = tx.send(Begun { peer, is_streaming });
    }
    response
}

/// Runs the HTTP/2 streams of a connection. A stream whose response the client has not read within
/// the time-out is reset: a client that keeps its window shut would hold the response in memory.
#[derive(Clone)]
pub(crate) struct Streams {
    timeout: Duration,
    /// Shared by all connections.
    limits: Arc<Limits>,
}

struct Limits {
    unread: WaitLimit<SocketAddr>,
    streaming: WaitLimit<SocketAddr>,
}

impl Streams {
    /// At most `max` unread responses, and as many responses of streaming methods.
    pub(crate) fn new(timeout: Duration, max: usize) -> Self {
        let limits = Limits { unread: WaitLimit::new(max), streaming: WaitLimit::new(max) };
        Self { timeout, limits: Arc::new(limits) }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let Self { timeout: limit, limits } = self.clone();
        tokio::spawn(async move {
            let (tx, rx) = oneshot::channel();
            let stream = BEGUN.scope(Cell::new(Some(tx)), stream);
            pin!(stream);
            let Begun { peer, is_streaming } = tokio::select! {
                biased;
                _ = &mut stream => return,
                Ok(begun) = rx => begun,
                else => return,
            };
            let was_read = if is_streaming {
                limits.streaming.wait(peer, stream).await.is_some()
            } else {
                matches!(limits.unread.wait(peer, timeout(limit, stream)).await, Some(Ok(_)))
            };
            if !was_read {
                tracing::debug!(%peer, "response dropped: client stopped reading");
            }
        });
    }
}
