//! How much memory all clients together may hold: what they have sent of requests not yet answered, and answers they have
//! not yet read. It must not know what is in them.
//!
//! Each request and each answer has a limit of its own, but ten thousand connections times that limit is more than any
//! machine has.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of requests that are being read or answered.
pub(crate) const REQUESTS: usize = 512 << 20;
/// Bytes of answers that wait to be read.
pub(crate) const ANSWERS: usize = 1 << 30;

/// A number of bytes that all share.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
}

/// A part of a budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    /// Nothing yet, to be added to.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }
}

impl Held {
    /// Holds so many bytes more; whether there is room for them.
    #[must_use]
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.budget.limit;
        if fits {
            self.bytes += bytes;
        } else {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// What is held so far goes to somebody else.
    pub(crate) fn take(&mut self) -> Self {
        Self { budget: self.budget.clone(), bytes: std::mem::take(&mut self.bytes) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A socket that counts what was read of a message not yet complete.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    inner: S,
    unfinished: Held,
}

impl<S> Metered<S> {
    pub(crate) fn new(inner: S, budget: &Arc<Budget>) -> Self {
        Self { inner, unfinished: budget.hold() }
    }

    /// A message is complete: what it holds goes with it.
    pub(crate) fn finished(&mut self) -> Held {
        self.unfinished.take()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 && !self.unfinished.add(bytes) {
            return Poll::Ready(Err(std::io::ErrorKind::OutOfMemory.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[test]
    fn a_budget_is_shared_and_given_back() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (budget.hold(), budget.hold());
        assert!(first.add(60) && !second.add(50) && second.add(40));
        let moved = first.take();
        drop(first);
        assert!(!second.add(1), "what was moved is still held");
        drop(moved);
        assert!(second.add(60) && !second.add(1));
        drop(second);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_message_without_an_end_runs_into_the_budget() {
        let budget = Budget::new(10);
        let mut socket = Metered::new(&[7u8; 100][..], &budget);
        let mut buffer = [0; 8];
        socket.read_exact(&mut buffer).await.unwrap();
        drop(socket.finished());
        socket.read_exact(&mut buffer).await.unwrap();
        assert_eq!(socket.read_exact(&mut buffer).await.unwrap_err().kind(), std::io::ErrorKind::OutOfMemory);
    }
}
