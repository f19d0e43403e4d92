//! The handlers of a history as a service, for the layer to wrap.

use super::{handler::Handler, plan::Request, tasks::Spawned, watch::Watched};
use http::Response;
use level_session::{Session, UntypedSession};
use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tower_service::Service;

pub(super) type Answer = Result<Response<Vec<u8>>, Infallible>;
pub(super) type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// All handlers, and their detached tasks.
#[derive(Clone)]
pub(super) struct Handlers {
    pub(super) watched: Watched,
    /// The handle of each request, used to write after its end.
    pub(super) late: Arc<Mutex<HashMap<usize, UntypedSession>>>,
    pub(super) spawned: Spawned,
    /// The number of requests: the detached unit of request `n` has the number `requests + n`.
    pub(super) requests: usize,
}

/// A request and its number.
#[derive(Clone)]
pub(super) struct Numbered(pub(super) usize, pub(super) Request);

impl Service<http::Request<()>> for Handlers {
    type Response = Response<Vec<u8>>;
    type Error = Infallible;
    type Future = Running;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<()>) -> Running {
        let session = Session::<()>::from_extensions(request.extensions());
        let session = UntypedSession::clone(&session.expect("the layer put it there"));
        let Numbered(number, what) = request
            .extensions_mut()
            .remove()
            .expect("the stage put it there");
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.insert(number, session.clone());
        let handler = Handler {
            watched: self.watched.clone(),
            number,
            spawned: self.spawned.clone(),
            later: (self.requests + number, what.later.clone()),
        };
        Box::pin(async move { Ok(handler.run(what, session).await) })
    }
}
