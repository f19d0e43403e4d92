//! The layer, and its settings.

use super::{Policy, SessionService};
use crate::{
    cookie::CookieConfig, error::Result, expiry::Expiry, keyring::Keyring, session::SessionData,
    sessions::Sessions, store::Clock, store::Store,
};
use std::time::Duration;
use tower_layer::Layer;

/// A tower layer that gives every request its session.
///
/// It reads the cookie, puts the session among the request's extensions (axum's extractors find it there), and when
/// the handler is done stores what was changed in one atomic commit, before the response's head leaves:
///
/// | response | what was changed |
/// |---|---|
/// | 1xx to 4xx | is stored |
/// | 5xx, a panic, a client that went away | is dropped, `renew` and `destroy` included |
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
    policy: Policy,
}

impl SessionLayer {
    /// A layer with the default settings: see [`Sessions::new`].
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Sessions::new(store, keyring).into()
    }

    /// Replaces the cookie's name and attributes: see [`CookieConfig`].
    #[must_use]
    pub fn with_cookie(self, cookie: CookieConfig) -> Self {
        self.with(|sessions| sessions.with_cookie(cookie))
    }

    /// Replaces the timeouts: see [`Expiry`].
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        self.with(|sessions| sessions.with_expiry(expiry))
    }

    /// Lets an id work on after its renewal: see [`Sessions::with_renewal_grace`].
    #[must_use]
    pub fn with_renewal_grace(self, grace: Duration) -> Self {
        self.with(|sessions| sessions.with_renewal_grace(grace))
    }

    /// Makes a session for every visitor at once: see [`Sessions::with_create_at_once`].
    #[must_use]
    pub fn with_create_at_once(self, create: bool) -> Self {
        self.with(|sessions| sessions.with_create_at_once(create))
    }

    /// Replaces the clock: for tests.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.with(|sessions| sessions.with_clock(clock))
    }

    /// Declares that this application uses `T`: see [`Sessions::with_data`].
    ///
    /// # Errors
    /// [`ErrorKind::Clash`](crate::ErrorKind::Clash) if another struct claims one of its keys.
    pub fn with_data<T: SessionData>(self) -> Result<Self> {
        Ok(Self {
            sessions: self.sessions.with_data::<T>()?,
            ..self
        })
    }

    /// Stores what was changed also when the response is a 5xx. The default is not to.
    #[must_use]
    pub fn with_commit_on_server_error(mut self, commit: bool) -> Self {
        self.policy.commit_on_server_error = commit;
        self
    }

    /// The sessions behind the layer.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn with(self, change: impl FnOnce(Sessions) -> Sessions) -> Self {
        Self {
            sessions: change(self.sessions),
            policy: self.policy,
        }
    }
}

impl From<Sessions> for SessionLayer {
    fn from(sessions: Sessions) -> Self {
        Self {
            sessions,
            policy: Policy::default(),
        }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, self.sessions.clone(), self.policy)
    }
}
