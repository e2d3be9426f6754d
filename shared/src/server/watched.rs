//! A connection's stream, watched: whether the peer has said what it speaks, and whether it takes
//! what is written to it. hyper would wait for both for ever.

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

/// The bytes that HTTP/2 begins with; a shorter request of HTTP/1 is answered, but not kept alive.
const PREFACE_BYTES: usize = 24;

pub(super) struct Watched<S> {
    stream: S,
    missing: usize,
    begun: Option<oneshot::Sender<()>>,
    patience: Duration,
    /// While the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    /// The stream, which fails when the peer has taken nothing for as long as `patience`; and what
    /// completes when its first bytes have come or the stream is dropped.
    pub(super) fn of(stream: S, patience: Duration) -> (Self, oneshot::Receiver<()>) {
        let (begun, told) = oneshot::channel();
        let begun = Some(begun);
        (Self { stream, missing: PREFACE_BYTES, begun, patience, stalled: None }, told)
    }

    /// Passes on what a write came to, unless it has come to nothing for too long.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.missing = self.missing.saturating_sub(buf.filled().len() - before);
        if self.missing == 0
            && let Some(begun) = self.begun.take()
        {
            let _ = begun.send(());
        }
        Poll::Ready(Ok(()))
    }
}

/// Not vectored, on purpose: h2 then copies answers of up to a kilobyte into its buffer, and many
/// go out with one write. Otherwise each costs a system call.
impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
