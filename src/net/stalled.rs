//! A connection whose other end stops reading is ended after a while, so that answers do not lie
//! in memory for ever.

use pin_project_lite::pin_project;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

pin_project! {
    /// A stream that fails with `TimedOut` when a write makes no progress for `patience`.
    #[derive(Debug)]
    pub(super) struct Guarded<S> {
        #[pin]
        stream: S,
        patience: Duration,
        // Only there while a write waits: an idle connection should cost little.
        waiting: Option<Pin<Box<Sleep>>>,
    }
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waiting: None }
    }
}

/// Passes a finished write on; times one that waits.
fn watched<T>(
    written: Poll<io::Result<T>>,
    patience: Duration,
    waiting: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if written.is_ready() {
        *waiting = None;
        return written;
    }
    let sleep = waiting
        .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
    ready!(sleep.as_mut().poll(cx));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl<S: AsyncRead> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().stream.poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        watched(this.stream.poll_write(cx, bytes), *this.patience, this.waiting, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        watched(this.stream.poll_write_vectored(cx, slices), *this.patience, this.waiting, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        watched(this.stream.poll_flush(cx), *this.patience, this.waiting, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        watched(this.stream.poll_shutdown(cx), *this.patience, this.waiting, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_reader_that_stops_ends_the_stream() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut near = Guarded::new(near, Duration::from_millis(20));
        near.write_all(&[1; 16]).await.unwrap();
        far.read_exact(&mut [0; 16]).await.unwrap();
        let stuck = near.write_all(&[2; 17]).await.unwrap_err();
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
    }
}
