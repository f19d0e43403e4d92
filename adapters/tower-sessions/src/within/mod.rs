//! The session of tower-sessions on top of ours: a layer, and a store that is the request's unit of work.

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

/// A tower layer that gives each request a `tower_sessions::Session` on top of the session of level-session, for crates that
/// require one, such as axum-login and axum-messages. Put it inside the [`SessionLayer`](level_session::SessionLayer), and the
/// layers of these crates inside it:
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
/// Their changes are stored with the rest of the request, in its single commit, or not at all. Their keys are fields of the
/// session: typed accessors and these crates read each other's values.
///
/// | call of tower-sessions | becomes |
/// |---|---|
/// | `insert`, `remove` | `set`, `del` of the keys that have changed, at the end of the request or at `save` |
/// | `cycle_id` | `renew` |
/// | `flush`, `delete` | `destroy` |
/// | `clear` | `del` of each key that is visible to the request |
/// | `load`, `get` | one read of all fields |
///
/// - `set_expiry` does nothing: level-session's `Expiry` determines how long the session lives.
/// - `id` returns a number that identifies the request, not the id in the cookie.
/// - A field that cannot be represented in JSON, or is damaged, is hidden from these crates and stays unchanged.
/// - A key that is declared in a session's struct accepts only values of its type: saving another one is an error.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TowerSessionLayer {}

impl TowerSessionLayer {
    /// Creates the layer.
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

/// A service whose requests have a session of tower-sessions: created by [`TowerSessionLayer`].
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
                    "no session for tower-sessions: add a `SessionLayer` around the `TowerSessionLayer`"
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

/// The response if the changes cannot be stored.
fn refuse<B: Default>(failed: &dyn fmt::Display) -> Response<B> {
    tracing::error!(
        error = %failed,
        "request failed: could not store its tower-sessions session"
    );
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
