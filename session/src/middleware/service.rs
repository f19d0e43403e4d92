//! The service: attaches a session to the request, and adds headers to the response.

use super::{
    ResponseFuture,
    body::{MakeBody, SameBody},
};
use crate::sessions::Sessions;
use http::{Request, Response};
use std::{
    marker::PhantomData,
    task::{Context, Poll},
};
use tower_service::Service;

/// A service whose requests have a session, made by [`SessionLayer`](super::SessionLayer).
///
/// Handlers find the session with [`Session::from_extensions`](crate::Session::from_extensions). If a layer of the same
/// [`Sessions`] already wraps this one (a router nested in another), its session is used, and it decides what is
/// stored. Layers of other `Sessions` need other cookie names: see [`RequestSessions`](crate::RequestSessions).
#[derive(Clone, Debug)]
pub struct SessionService<S, M = SameBody> {
    inner: S,
    sessions: Sessions,
    body: PhantomData<fn() -> M>,
}

impl<S, M> SessionService<S, M> {
    pub(super) fn new(inner: S, sessions: Sessions) -> Self {
        Self {
            inner,
            sessions,
            body: PhantomData,
        }
    }
}

impl<S, In, Out, M> Service<Request<In>> for SessionService<S, M>
where
    S: Service<Request<In>, Response = Response<Out>>,
    M: MakeBody<Out>,
{
    type Response = Response<M::Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Out, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        let exchange = self.sessions.exchange(request.method(), request.headers());
        let exchange = exchange.enter(request.extensions_mut());
        // Attached only now, since the inner service may panic when it is called.
        ResponseFuture::new(self.inner.call(request), exchange)
    }
}
