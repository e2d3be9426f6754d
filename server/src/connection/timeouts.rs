//! A connection's stream with the time-outs that hyper lacks: for the first bytes, and for a peer
//! that reads nothing of what is written.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    time::{Sleep, sleep},
};

/// The length of the HTTP/2 preface. A shorter HTTP/1 request is answered, but not kept alive.
const PREFACE_BYTES: usize = 24;

pub(super) struct TimeoutStream<S> {
    stream: S,
    missing_bytes: usize,
    begun_tx: Option<oneshot::Sender<()>>,
    write_timeout: Duration,
    /// Runs while the peer reads nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> TimeoutStream<S> {
    /// The stream, whose writes fail when the peer has read nothing for `write_timeout`; and a
    /// receiver that completes when the first bytes have arrived or the stream is dropped.
    pub(super) fn new(stream: S, write_timeout: Duration) -> (Self, oneshot::Receiver<()>) {
        let (tx, rx) = oneshot::channel();
        let (missing_bytes, begun_tx) = (PREFACE_BYTES, Some(tx));
        (Self { stream, missing_bytes, begun_tx, write_timeout, stalled: None }, rx)
    }

    /// The result of a write; an error if it has been pending for too long.
    fn check_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let write_timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.missing_bytes = self.missing_bytes.saturating_sub(buf.filled().len() - before);
        if self.missing_bytes == 0
            && let Some(tx) = self.begun_tx.take()
        {
            let _ = tx.send(());
        }
        Poll::Ready(Ok(()))
    }
}

/// Deliberately not vectored: h2 then copies responses of up to a kilobyte into its buffer and
/// sends many with one system call.
impl<S: AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.check_write(cx, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.check_write(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
