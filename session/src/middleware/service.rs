//! The service: a session in, headers out.

use super::{ResponseFuture, future::Closing};
use crate::{session::UntypedSession, sessions::Sessions};
use http::{Request, Response};
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose requests have a session: made by [`SessionLayer`](super::SessionLayer).
///
/// The session is an [`UntypedSession`] among the request's extensions. Where a layer of the same [`Sessions`] is further out
/// already (a router nested in another), its session is used, and it decides what is stored.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    sessions: Sessions,
}

impl<S> SessionService<S> {
    pub(super) fn new(inner: S, sessions: Sessions) -> Self {
        Self { inner, sessions }
    }
}

impl<S, In, Out> Service<Request<In>> for SessionService<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    Out: Default,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Out>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        // A layer of the same sessions further out has begun the request, and will end it.
        let outer = request.extensions().get::<UntypedSession>();
        let closing = match outer.is_some_and(|session| self.sessions.has_begun(session)) {
            true => None,
            false => {
                let session = self.sessions.begin(request.headers());
                request.extensions_mut().insert(session.clone());
                Some(Closing::new(session))
            }
        };
        // After that, since the inner service may panic when it is called.
        ResponseFuture::new(self.inner.call(request), closing)
    }
}
