//! The layer, and its settings.

use super::{
    SessionService,
    body::{AnyBody, SameBody},
};
use crate::{keyring::Keyring, sessions::Sessions, store::Store};
use std::marker::PhantomData;
use tower_layer::Layer;

/// A tower layer that gives every request its session.
///
/// It reads the cookie and puts the session into the request's extensions, where axum's extractors find it. When the
/// handler is done, it stores the changes in one atomic commit, before the head of the response is sent:
///
/// | response | changes |
/// |---|---|
/// | 1xx to 4xx, except 408 | stored |
/// | 5xx, 408, a gRPC error, a panic, a client that disconnected | dropped, including `renew` and `destroy` |
///
/// A 408 comes from a layer that has cancelled the handler, such as tower-http's `TimeoutLayer`: half of a handler's changes
/// must not be stored. Put layers that answer in the handler's place with another status (a timeout as 429, for example)
/// outside this layer, or exclude the status with [`commit_when`](crate::SessionsBuilder::commit_when).
///
/// If the changes cannot be stored, the response is replaced: by an empty `500 Internal Server Error`, or by `409 Conflict`
/// if the session ended while the request was being handled ([`ErrorKind::Gone`](crate::ErrorKind::Gone)) and the handler
/// was not told; in gRPC by the status `INTERNAL` or `ABORTED`. [`on_failure`](crate::SessionsBuilder::on_failure) builds
/// the page. The reason is logged with `tracing` and never sent to the client.
///
/// While the body streams, the session can be read but not changed: use [`detach`](crate::UntypedSession::detach) for
/// that.
///
/// A request that does not use its session causes no store access and gets no cookie.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use level_session::{FjallStore, Keyring, Session, SessionLayer};
///
/// async fn hello(session: Session) -> level_session::Result<String> {
///     let before = session.get::<u64>("visits").await?.unwrap_or(0);
///     session.set("visits", before + 1)?;
///     Ok(format!("you were here {before} times"))
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionLayer::new(FjallStore::open("sessions.db")?, Keyring::from_env("SESSION_KEYS")?);
/// let app: Router = Router::new().route("/", get(hello)).layer(sessions);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SessionLayer<M = SameBody> {
    sessions: Sessions,
    body: PhantomData<fn() -> M>,
}

impl SessionLayer {
    /// Creates a layer with the default settings. For other settings, convert [`Sessions`] into a layer.
    ///
    /// ```
    /// use level_session::{Expiry, Keyring, MemoryStore, SessionLayer, Sessions};
    ///
    /// let layer = SessionLayer::new(MemoryStore::new(), Keyring::generate()?);
    ///
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .expiry(Expiry::nist_aal2())
    ///     .build()?;
    /// let layer = SessionLayer::from(sessions);
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Sessions::new(store, keyring).into()
    }

    /// Makes the layer accept services with any response body: one that a layer within wraps (`TraceLayer`,
    /// `CompressionLayer`), a `StreamBody`, a tonic service. Response bodies are then wrapped in a
    /// [`SessionBody`](crate::SessionBody). A service whose body type the layer can create itself, such as an axum router, is
    /// faster without it.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use level_session::{Keyring, MemoryStore, SessionLayer};
    /// use tower::ServiceBuilder;
    /// use tower_http::trace::TraceLayer;
    ///
    /// # fn main() -> Result<(), level_session::Error> {
    /// let sessions = SessionLayer::new(MemoryStore::new(), Keyring::generate()?);
    /// let layers = ServiceBuilder::new().layer(sessions.any_body()).layer(TraceLayer::new_for_http());
    /// let app: Router = Router::new().route("/", get(async || "hello")).layer(layers);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn any_body(self) -> SessionLayer<AnyBody> {
        SessionLayer {
            sessions: self.sessions,
            body: PhantomData,
        }
    }
}

impl<M> SessionLayer<M> {
    /// The sessions of the layer: to find and end sessions from elsewhere, and to close them at shutdown.
    ///
    /// ```
    /// use level_session::{Keyring, MemoryStore, SessionLayer};
    ///
    /// let layer = SessionLayer::new(MemoryStore::new(), Keyring::generate()?);
    /// let sessions = layer.sessions().clone();
    /// // .. serve the application; then:
    /// sessions.end_connections();
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

impl From<Sessions> for SessionLayer {
    fn from(sessions: Sessions) -> Self {
        Self {
            sessions,
            body: PhantomData,
        }
    }
}

impl<S, M> Layer<S> for SessionLayer<M> {
    type Service = SessionService<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, self.sessions.clone())
    }
}
