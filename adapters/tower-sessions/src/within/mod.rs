//! The session of tower-sessions within ours: a layer, and a store that is the request's unit of work.

mod unit;
mod versions;

use http::{Request, Response, StatusCode};
use level_session::{Session, UntypedSession};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;
use versions::Sessions;

/// A tower layer that gives each request a `tower_sessions::Session` within the session of level-session, for crates
/// that ask for one: axum-login, axum-messages. It goes into the
/// [`SessionLayer`](level_session::SessionLayer), and those go into it:
///
/// ```
/// # #[cfg(feature = "core-0-14")]
/// # fn example(app: axum::Router, sessions: level_session::SessionLayer) -> axum::Router {
/// use level_session_tower_sessions::TowerSessionLayer;
///
/// app // .layer(layer_fn(|inner| AuthManager::new(inner, backend.clone(), "axum-login.data")))
///     .layer(TowerSessionLayer::new())
///     .layer(sessions)
/// # }
/// ```
///
/// What they store is stored with the rest of the request, in its one commit, or not at all. Their keys are fields of
/// the session: a typed accessor reads what they have written, and they see what it has.
///
/// | call of theirs | becomes |
/// |---|---|
/// | `insert`, `remove` | `set`, `del` of the keys that have changed, at the end of the request or at `save` |
/// | `cycle_id` | `renew` |
/// | `flush`, `delete` | `destroy` |
/// | `clear` | `del` of each key that the request sees |
/// | `load`, `get` | one read of all fields |
///
/// - `set_expiry` does nothing: how long the session lives is up to level-session's `Expiry`.
/// - `id` is a number of the request, and not what the cookie holds.
/// - A field that has no form in JSON, or is damaged, is hidden from them and stays as it is.
/// - A key that is declared in a session's struct takes a value of its type alone: saving another one is an error.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TowerSessionLayer {}

impl TowerSessionLayer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

impl<S> Layer<S> for TowerSessionLayer {
    type Service = TowerSessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TowerSessionService { inner }
    }
}

/// A service whose requests have a session of tower-sessions: made by [`TowerSessionLayer`].
#[derive(Clone, Debug)]
pub struct TowerSessionService<S> {
    inner: S,
}

impl<S, In, Out> Service<Request<In>> for TowerSessionService<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    S::Error: Send,
    Out: Default + Send,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        let session: UntypedSession = match Session::<()>::from_extensions(request.extensions()) {
            Ok(session) => (**session).clone(),
            Err(error) => {
                tracing::error!(
                    %error,
                    "there is no session for tower-sessions: add a `SessionLayer` round the `TowerSessionLayer`"
                );
                return Box::pin(self.inner.call(request));
            }
        };
        let sessions = Sessions::begin(&session, request.extensions_mut());
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            Ok(match sessions.end().await {
                Ok(()) => response,
                Err(failed) => refuse(&failed),
            })
        })
    }
}

/// What they have changed cannot be stored.
fn refuse<B: Default>(failed: &dyn fmt::Display) -> Response<B> {
    tracing::error!(
        error = %failed,
        "a request's session of tower-sessions could not be stored"
    );
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
