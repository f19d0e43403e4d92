//! The response future: the handler's response, then the commit before its head is sent.

use super::body::MakeBody;
use crate::{
    exchange::{Commit, Exchange, grpc_content_type},
    runtime::Head,
};
use http::Response;
use pin_project_lite::pin_project;
use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The response of a [`SessionService`](super::SessionService).
    ///
    /// If it is dropped before it completes (the client disconnected), or the handler panics, nothing is stored.
    pub struct ResponseFuture<F, B, M> {
        // Dropped as soon as it completes: it may hold the request, and with it handles on the session, which are
        // counted at the end.
        #[pin]
        inner: Option<F>,
        commit: Option<Commit>,
        response: Option<Response<B>>,
        exchange: Option<Exchange>,
        body: PhantomData<fn() -> M>,
    }
}

const POLLED_AGAIN: &str = "a response future was polled after it completed";

impl<F, B, M> ResponseFuture<F, B, M> {
    pub(super) fn new(inner: F, exchange: Option<Exchange>) -> Self {
        Self {
            inner: Some(inner),
            commit: None,
            response: None,
            exchange,
            body: PhantomData,
        }
    }
}

impl<F, B, E, M> Future for ResponseFuture<F, B, M>
where
    F: Future<Output = Result<Response<B>, E>>,
    M: MakeBody<B>,
{
    type Output = Result<Response<M::Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(exchange) = this.exchange else {
            let inner = this.inner.as_pin_mut().expect(POLLED_AGAIN);
            return Poll::Ready(Ok(M::pass(ready!(inner.poll(cx))?)));
        };
        if this.response.is_none() {
            let inner = this.inner.as_mut().as_pin_mut().expect(POLLED_AGAIN);
            let mut response = ready!(inner.poll(cx))?;
            this.inner.set(None);
            let status = response.status();
            *this.commit = exchange.end_or_commit(status, response.headers_mut());
            if this.commit.is_none() {
                return Poll::Ready(Ok(M::pass(response)));
            }
            *this.response = Some(response);
        }
        let outcome = match this.commit {
            Some(commit) => ready!(Pin::new(commit).poll(cx)),
            None => Ok(()),
        };
        *this.commit = None; // it holds a handle on the session, and the handles are counted
        let mut response = match (outcome, this.response.take()) {
            (Ok(()), Some(response)) => M::pass(response),
            (Err(error), Some(response)) => {
                let failure = exchange.failure(error, grpc_content_type(Head::of(&response)));
                failure.into_response().map(M::make)
            }
            (_, None) => panic!("{POLLED_AGAIN}"),
        };
        exchange.end_by_ref(response.headers_mut());
        Poll::Ready(Ok(response))
    }
}

impl<F, B, M> fmt::Debug for ResponseFuture<F, B, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
