//! The layer, and its settings.

use super::SessionService;
use crate::{keyring::Keyring, sessions::Sessions, store::Store};
use tower_layer::Layer;

/// A tower layer that gives every request its session.
///
/// It reads the cookie, puts the session among the request's extensions (axum's extractors find it there), and when
/// the handler is done stores what was changed in one atomic commit, before the response's head leaves:
///
/// | response | what was changed |
/// |---|---|
/// | 1xx to 4xx, but for 408 | is stored |
/// | 5xx, 408, a gRPC error, a panic, a client that went away | is dropped, `renew` and `destroy` included |
///
/// A 408 comes from a layer that has cancelled the handler, such as tower-http's `TimeoutLayer`: half of what a handler
/// changed is no commit. Put layers that answer in the handler's place with another status (a timeout as 429, say) round
/// this one, not into it.
///
/// If it cannot be stored, the response is replaced: by `500 Internal Server Error` without a body, or by
/// `409 Conflict` if the session ended while the request was at work ([`ErrorKind::Gone`](crate::ErrorKind::Gone)).
/// The reason is logged with `tracing` and not told to the client.
///
/// A request that does not use its session costs no store access and gets no cookie.
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
pub struct SessionLayer {
    sessions: Sessions,
}

impl SessionLayer {
    /// A layer with the default settings. For others, make it of [`Sessions::builder`]`(..).build()?` with
    /// [`SessionLayer::from`].
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Sessions::new(store, keyring).into()
    }

    /// The sessions behind the layer.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

impl From<Sessions> for SessionLayer {
    fn from(sessions: Sessions) -> Self {
        Self { sessions }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, self.sessions.clone())
    }
}
