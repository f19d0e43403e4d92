//! The future that a store returns.

use crate::error::Result;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The result of a call of a store: ready, without an allocation, or a boxed future.
#[must_use = "a store does nothing before its future is awaited"]
pub struct StoreFuture<'a, T>(Answer<'a, T>);

enum Answer<'a, T> {
    Ready(Option<Result<T>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>),
}

impl<'a, T> StoreFuture<'a, T> {
    /// A result that is ready.
    #[inline]
    pub fn ready(answer: Result<T>) -> Self {
        Self(Answer::Ready(Some(answer)))
    }

    /// A future that will resolve to the result.
    pub fn boxed(future: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self(Answer::Boxed(Box::pin(future)))
    }
}

impl<T> Unpin for StoreFuture<'_, T> {}

impl<T> Future for StoreFuture<'_, T> {
    type Output = Result<T>;

    /// # Panics
    /// If it is polled after it returned `Ready`.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Answer::Ready(answer) => Poll::Ready(
                answer
                    .take()
                    .expect("a store's future was polled after it completed"),
            ),
            Answer::Boxed(future) => future.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for StoreFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Answer::Ready(_) => "StoreFuture::Ready",
            Answer::Boxed(_) => "StoreFuture::Boxed",
        })
    }
}
