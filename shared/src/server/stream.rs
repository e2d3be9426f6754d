//! Streams of an HTTP/2 connection: an answer waits for its client for a while, not for ever, and
//! not beside any number of others.

use std::{cell::Cell, net::SocketAddr, sync::Arc, time::Duration};

use http::Response;
use hyper::rt::Executor;
use tokio::{pin, sync::oneshot, time::timeout};

use super::waiting_room::WaitingRoom;

tokio::task_local! {
    static BEGUN: Cell<Option<oneshot::Sender<Answer>>>;
}

/// Marks the response of a call whose answer comes bit by bit, for as long as the client likes.
#[derive(Clone)]
pub(super) struct Endless;

/// An answer that has begun.
struct Answer {
    /// The client's end of the connection.
    peer: SocketAddr,
    is_endless: bool,
}

/// Has the stream that is answered so wait for its client from now on.
pub(super) fn begin<B>(response: Response<B>, peer: SocketAddr) -> Response<B> {
    let is_endless = response.extensions().get::<Endless>().is_some();
    // There is no stream with HTTP/1.
    if let Ok(Some(begun)) = BEGUN.try_with(Cell::take) {
        let _ = begun.send(Answer { peer, is_endless });
    }
    response
}

/// Runs the streams of a connection. One whose answer is made and not taken within `patience` is
/// reset: the client may keep its window shut, and the answer is held in memory meanwhile.
#[derive(Clone)]
pub(super) struct Streams {
    patience: Duration,
    /// Of all connections.
    rooms: Arc<Rooms>,
}

/// Where streams wait for their clients.
struct Rooms {
    untaken: WaitingRoom<SocketAddr>,
    endless: WaitingRoom<SocketAddr>,
}

impl Streams {
    /// Of those that wait for their clients there are at most `max`, and as many more that are
    /// endless.
    pub(super) fn new(patience: Duration, max: usize) -> Self {
        let rooms = Rooms { untaken: WaitingRoom::new(max), endless: WaitingRoom::new(max) };
        Self { patience, rooms: Arc::new(rooms) }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let Self { patience, rooms } = self.clone();
        tokio::spawn(async move {
            let (tell, told) = oneshot::channel();
            let stream = BEGUN.scope(Cell::new(Some(tell)), stream);
            pin!(stream);
            let answer = tokio::select! {
                biased;
                _ = &mut stream => return,
                Ok(answer) = told => answer,
                else => return,
            };
            let has_ended = if answer.is_endless {
                rooms.endless.wait(answer.peer, stream).await.is_some()
            } else {
                let taken = timeout(patience, stream);
                matches!(rooms.untaken.wait(answer.peer, taken).await, Some(Ok(_)))
            };
            if !has_ended {
                tracing::debug!(peer = %answer.peer, "nobody has taken an answer: it is given up");
            }
        });
    }
}
