//! Whether a peer has said what it speaks. Until then hyper would wait for ever.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// The bytes that HTTP/2 begins with; a shorter request of HTTP/1 is answered, but not kept alive.
const PREFACE_BYTES: usize = 24;

/// A stream that tells when so much has come.
pub(super) struct Beginning<S> {
    stream: S,
    missing: usize,
    begun: Option<oneshot::Sender<()>>,
}

impl<S> Beginning<S> {
    /// The stream, and what completes when enough has come or the stream is dropped.
    pub(super) fn of(stream: S) -> (Self, oneshot::Receiver<()>) {
        let (begun, told) = oneshot::channel();
        (Self { stream, missing: PREFACE_BYTES, begun: Some(begun) }, told)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Beginning<S> {
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

/// Not vectored, on purpose: h2 then copies answers of up to a kilobyte into its buffer, and many go
/// out with one write. Otherwise each costs a system call.
impl<S: AsyncWrite + Unpin> AsyncWrite for Beginning<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
