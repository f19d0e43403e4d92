//! The response: the handler's, and then the commit before its head leaves.

use super::status;
use crate::{
    error::{Error, ErrorKind},
    session::{Committing, UnitOfWork, UntypedSession},
    sessions,
};
use http::{HeaderValue, Response, header::CACHE_CONTROL};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The response of a [`SessionService`](super::SessionService).
    ///
    /// If it is dropped before it is done (the client went away), or the handler panics, nothing is stored.
    pub struct ResponseFuture<F, B> {
        #[pin]
        inner: F,
        commit: Option<Committing<Arc<UnitOfWork>>>,
        response: Option<Response<B>>,
        closing: Option<Closing>,
    }
}

/// The session's side of a request. Dropping it closes the session's handles.
pub(super) struct Closing {
    session: UntypedSession,
    closed: bool,
}

impl Drop for Closing {
    fn drop(&mut self) {
        if !self.closed {
            self.session.unit().close();
        }
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn new(inner: F, closing: Option<Closing>) -> Self {
        Self {
            inner,
            commit: None,
            response: None,
            closing,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(closing) = this.closing else {
            return this.inner.poll(cx);
        };
        if this.commit.is_none() {
            let mut response = ready!(this.inner.poll(cx))?;
            let Some(commit) = closing.end_or_commit(&mut response) else {
                return Poll::Ready(Ok(response));
            };
            *this.commit = Some(commit);
            *this.response = Some(response);
        }
        let outcome = match this.commit {
            Some(commit) => ready!(Pin::new(commit).poll(cx)),
            None => Ok(()),
        };
        let response = this.response.take().unwrap_or_default();
        Poll::Ready(Ok(match outcome {
            Ok(()) => closing.end(response),
            Err(error) => closing.fail(&error),
        }))
    }
}

impl Closing {
    pub(super) fn new(session: UntypedSession) -> Self {
        Self {
            session,
            closed: false,
        }
    }

    /// Ends the request, or gives the commit that is to come before, if there is anything that could be stored.
    fn end_or_commit<B>(
        &mut self,
        response: &mut Response<B>,
    ) -> Option<Committing<Arc<UnitOfWork>>> {
        let unit = self.session.unit();
        let policy = unit.runtime.policy;
        let commits = policy.commits(response.status(), response.headers());
        match unit.close_unless_it_stores(commits) {
            Some(end) => {
                self.closed = true;
                sessions::end(&self.session, end, response.headers_mut());
                None
            }
            None => Some(Committing::new(self.session.shared_unit())),
        }
    }

    fn end<B>(&mut self, mut response: Response<B>) -> Response<B> {
        self.closed = true;
        sessions::end(
            &self.session,
            self.session.unit().close(),
            response.headers_mut(),
        );
        response
    }

    /// Nothing is stored: the client must not be told of a success, nor why.
    fn fail<B: Default>(&mut self, error: &Error) -> Response<B> {
        let session = self.session.log_id();
        let session = session.as_deref().unwrap_or("new");
        match error.kind() {
            ErrorKind::Gone => {
                tracing::info!(
                    session,
                    "a request was refused: its session ended meanwhile"
                );
            }
            ErrorKind::Full => {
                tracing::info!(
                    session,
                    "a sign-in was refused: its user has as many sessions as allowed"
                );
            }
            _ => tracing::error!(
                session,
                error = error as &dyn std::error::Error,
                "a request's session could not be stored"
            ),
        }
        let mut response = Response::new(B::default());
        *response.status_mut() = status(error);
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        self.end(response)
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
