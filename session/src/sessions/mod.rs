//! Sessions without a framework: a request's headers in, a session, a response's headers out.

mod response;

use crate::{
    cookie::{CookieConfig, Lines, SessionCookie},
    error::Result,
    expiry::Expiry,
    id::IdSource,
    keyring::Keyring,
    runtime::{Event, Observer, Runtime},
    session::{CookieAction, Session, SessionData, UnitOfWork, Untyped},
    store::Clock,
    store::Store,
};
use http::HeaderMap;
use std::{fmt, sync::Arc, time::Duration};

/// The sessions of an application: a store, the keys of its cookies, and the settings.
///
/// The tower layer is made of it; where there is no tower, it serves any framework by itself: [`begin`](Self::begin)
/// with the request's headers, hand the session to the handler, [`finish`](Self::finish) with the response's headers.
///
/// Cloning is cheap; clones are the same sessions.
///
/// ```
/// use level_session::{Keyring, Sessions, store::MemoryStore};
/// use http::HeaderMap;
///
/// # async fn handle() -> level_session::Result<()> {
/// let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
///
/// let request = HeaderMap::new();
/// let mut response = HeaderMap::new();
/// let session = sessions.begin(&request);
/// session.set("referrer", "newsletter")?;
/// sessions.finish(&session, &mut response).await?; // one atomic commit, and the cookie
/// assert!(response.contains_key("set-cookie"));
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(handle()).unwrap();
/// ```
#[derive(Clone)]
pub struct Sessions(Arc<Runtime>);

impl Sessions {
    /// Sessions with the default settings: see [`CookieConfig::default`] and [`Expiry::default`].
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Self(Arc::new(Runtime::new(Arc::new(store), keyring)))
    }

    fn with(self, change: impl FnOnce(&mut Runtime)) -> Self {
        let mut runtime = Arc::unwrap_or_clone(self.0);
        change(&mut runtime);
        Self(Arc::new(runtime))
    }

    /// Replaces the cookie's name and attributes.
    #[must_use]
    pub fn with_cookie(self, cookie: CookieConfig) -> Self {
        self.with(|runtime| {
            runtime.cookie = SessionCookie::new(&runtime.keyring, cookie);
        })
    }

    /// Replaces the timeouts.
    #[must_use]
    pub fn with_expiry(self, expiry: Expiry) -> Self {
        self.with(|runtime| runtime.expiry = expiry)
    }

    /// Lets an id work on for this long after it was renewed, so that requests which the browser sent before it had
    /// the new cookie lose nobody (OWASP, "Renewal"). The old id dies when the time is over or the new one was seen.
    /// The default is zero: the old id is dead at once. Seconds are enough.
    #[must_use]
    pub fn with_renewal_grace(self, grace: Duration) -> Self {
        self.with(|runtime| runtime.grace = grace)
    }

    /// Makes a session and sends its cookie with every visitor's first request, as the Node ancestor does. The
    /// default is to make it when something is written.
    #[must_use]
    pub fn with_create_at_once(self, create: bool) -> Self {
        self.with(|runtime| runtime.create_at_once = create)
    }

    /// Calls `observe` whenever a session was created, renewed, destroyed, or had expired and was removed: once each,
    /// after it was stored (OWASP, "Logging Sessions Life Cycle"). It should be quick; it cannot prevent anything, and
    /// nothing is undone if it panics.
    ///
    /// ```
    /// # use level_session::{Event, Keyring, Sessions, store::MemoryStore};
    /// # fn main() -> Result<(), level_session::ConfigError> {
    /// let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?).with_observer(|event| {
    ///     if let Event::Destroyed(session) = event {
    ///         println!("session {} signed out", session.short());
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_observer(self, observe: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.with(|runtime| {
            runtime.observer = Observer::new(observe);
            runtime.observer.watch(&*runtime.store);
        })
    }

    /// Replaces the clock: for tests.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.with(|runtime| runtime.clock = clock)
    }

    /// Replaces the source of ids: for tests of what a broken generator could do.
    #[doc(hidden)]
    #[must_use]
    pub fn with_id_source(
        self,
        source: impl Fn() -> Result<[u8; 24]> + Send + Sync + 'static,
    ) -> Self {
        self.with(|runtime| runtime.ids = IdSource::Given(Arc::new(source)))
    }

    /// Declares that this application uses `T`: its keys are checked against those of the other structs now, and
    /// untyped writes are checked against its types from the first request on. Without it, that begins with the first
    /// request that uses `T`.
    ///
    /// # Errors
    /// [`ErrorKind::Clash`](crate::ErrorKind::Clash) if another struct claims one of its keys.
    pub fn with_data<T: SessionData>(self) -> Result<Self> {
        self.0.register(T::SCHEMA)?;
        Ok(self)
    }

    /// The session of a request. Nothing happens until it is used: no store access, no cookie, and the request's
    /// cookies are not even read.
    ///
    /// The cookie is taken from the `Cookie` headers and from nowhere else; one that is not ours, in whatever way, is
    /// the same as none.
    #[must_use]
    pub fn begin(&self, request: &HeaderMap) -> Untyped {
        Untyped::new(UnitOfWork::new(self.0.clone(), Lines::of(request)))
    }

    /// Whether it was [begun](Self::begin) here, with these settings.
    #[cfg(feature = "tower")]
    pub(crate) fn has_begun(&self, session: &Untyped) -> bool {
        Arc::ptr_eq(&self.0, &session.unit().runtime)
    }

    /// The same with a declared type.
    ///
    /// # Errors
    /// [`ErrorKind::Clash`](crate::ErrorKind::Clash) if another struct claims one of its keys.
    pub fn begin_typed<T: SessionData>(&self, request: &HeaderMap) -> Result<Session<T>> {
        self.begin(request).typed()
    }

    /// Ends a request: stores everything that was changed, at once, closes the handle, and adds to the response what
    /// the client must know: `Set-Cookie`, `Cache-Control` and `Vary`.
    ///
    /// # Errors
    /// Those of [`commit`](Untyped::commit). Nothing is stored then, and the response must be no success: the handle
    /// is closed, and the headers have what earlier commits of the request asked for.
    pub async fn finish(&self, session: &Untyped, response: &mut HeaderMap) -> Result<()> {
        let result = session.unit().commit().await;
        self.abandon(session, response);
        result
    }

    /// Ends a request that failed: what was changed and not committed is dropped, a `renew` or `destroy` included.
    /// Adds to the response what earlier commits of the request asked for.
    pub fn abandon(&self, session: &Untyped, response: &mut HeaderMap) {
        end(session, session.unit().close(), response);
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.0.store
    }
}

/// Adds to the response what a request's end came to.
pub(crate) fn end(
    session: &Untyped,
    (action, used): (CookieAction, bool),
    response: &mut HeaderMap,
) {
    response::apply(&session.unit().runtime, action, used, response);
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
