//! The service: a session in, headers out.

use super::{Policy, ResponseFuture, future::Closing};
use crate::sessions::Sessions;
use http::{Request, Response};
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose requests have a session: made by [`SessionLayer`](super::SessionLayer).
///
/// The session is an [`Untyped`](crate::Untyped) among the request's extensions.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    sessions: Sessions,
    policy: Policy,
}

impl<S> SessionService<S> {
    pub(super) fn new(inner: S, sessions: Sessions, policy: Policy) -> Self {
        Self {
            inner,
            sessions,
            policy,
        }
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
        let session = self.sessions.begin(request.headers());
        request.extensions_mut().insert(session.clone());
        // First, since the inner service may panic when it is called.
        let closing = Closing::new(self.sessions.clone(), session, self.policy);
        ResponseFuture::new(self.inner.call(request), closing)
    }
}
