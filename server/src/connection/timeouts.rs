//! A connection's stream with the time-outs that hyper lacks: for the first bytes, for a peer that
//! reads nothing of what is written, and for one that reads an HTTP/1 response slowly. An HTTP/2
//! response has a time-out of its own, in [`response_stream`](crate::response_stream).

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

/// With it, an HTTP/2 connection begins (RFC 9113, section 3.4). A shorter HTTP/1 request is
/// answered, but not kept alive.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) struct TimeoutStream<S> {
    stream: S,
    /// What is missing of the first bytes, as many as the preface has.
    missing: &'static [u8],
    is_http2: bool,
    begun_tx: Option<oneshot::Sender<()>>,
    write_timeout: Duration,
    /// HTTP/2: runs while the peer reads nothing. HTTP/1: runs from a write that had to wait until
    /// everything is written, which is at the end of a response at the latest.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> TimeoutStream<S> {
    /// The stream, whose writes fail when the peer has read nothing for `write_timeout`; and a
    /// receiver that completes when the first bytes have arrived or the stream is dropped.
    pub(super) fn new(stream: S, write_timeout: Duration) -> (Self, oneshot::Receiver<()>) {
        let (tx, rx) = oneshot::channel();
        let (missing, begun_tx) = (PREFACE, Some(tx));
        let stream =
            Self { stream, missing, is_http2: true, begun_tx, write_timeout, stalled: None };
        (stream, rx)
    }

    /// Notes the first bytes of the connection.
    fn note(&mut self, bytes: &[u8]) {
        let begun = &bytes[..bytes.len().min(self.missing.len())];
        self.is_http2 &= self.missing.starts_with(begun);
        self.missing = &self.missing[begun.len()..];
        if self.missing.is_empty()
            && let Some(tx) = self.begun_tx.take()
        {
            let _ = tx.send(());
        }
    }

    /// The result of a write; an error if it has been pending for too long. `is_flush`: with it,
    /// everything is written.
    fn check_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
        is_flush: bool,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            if self.is_http2 || is_flush {
                self.stalled = None;
            }
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
        if !self.missing.is_empty() {
            self.note(&buf.filled()[before..]);
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
        self.check_write(cx, poll, false)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.check_write(cx, poll, true)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
