//! Sessions without a framework: a request's headers in, a session, a response's headers out.

mod builder;
mod response;
#[cfg(test)]
mod tests;

pub use builder::SessionsBuilder;

use crate::{
    cookie::Lines,
    error::Result,
    keyring::Keyring,
    runtime::Runtime,
    session::{CookieAction, Session, SessionData, UnitOfWork, UntypedSession},
    store::Store,
};
use http::HeaderMap;
use std::{fmt, sync::Arc};

/// The sessions of an application: a store, the keys of its cookies, and the settings.
///
/// Every middleware is built on it. Without a middleware, call [`begin`](Self::begin) with the request's headers, pass
/// the session to the handler, and call [`finish`](Self::finish) with the response's headers.
///
/// Cloning is cheap; clones share everything.
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
    /// Creates sessions with the default settings: see [`CookieConfig::default`](crate::CookieConfig::default) and
    /// [`Expiry::default`](crate::Expiry::default).
    ///
    /// ```
    /// use level_session::{Keyring, MemoryStore, Sessions};
    ///
    /// let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Self(Arc::new(Runtime::new(Arc::new(store), keyring)))
    }

    /// Starts with the default settings. All settings are made here, for every framework.
    ///
    /// ```
    /// use level_session::{Expiry, Keyring, MemoryStore, Sessions};
    ///
    /// let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate()?)
    ///     .expiry(Expiry::nist_aal2())
    ///     .build()?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    pub fn builder(store: impl Store, keyring: Keyring) -> SessionsBuilder {
        SessionsBuilder::over(Runtime::new(Arc::new(store), keyring))
    }

    /// Starts with the settings of these sessions. The new `Sessions` share the store, the registered structs and the
    /// tasks that wait for the end of a session. If a request has both, structs that were declared with
    /// [`data`](SessionsBuilder::data) belong to the original ones.
    ///
    /// ```
    /// # use level_session::CookieConfig;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let admin = sessions
    ///     .to_builder()
    ///     .cookie(CookieConfig::builder().name("__Host-admin").build()?)
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn to_builder(&self) -> SessionsBuilder {
        let mut runtime = Runtime::clone(&self.0);
        runtime.declared.clear();
        SessionsBuilder::over(runtime)
    }

    /// The session of a request. Nothing happens until it is used: the store is not asked, no cookie is set, and the
    /// request's cookies are not parsed.
    ///
    /// The cookie is taken from the `Cookie` headers and from nowhere else. A cookie that was not issued here counts as none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let request = http::HeaderMap::new();
    /// let session = sessions.begin(&request);
    /// assert_eq!(session.get::<u64>("user_id").await?, None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn begin(&self, request: &HeaderMap) -> UntypedSession {
        self.begin_with(Lines::of(request), false)
    }

    pub(crate) fn begin_with(&self, cookies: Option<Lines>, is_head: bool) -> UntypedSession {
        UntypedSession::new(UnitOfWork::new(self.0.clone(), cookies, is_head))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0
    }

    /// The session of a request with a declared type: see [`begin`](Self::begin).
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { user_id: Option<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// let request = http::HeaderMap::new();
    /// let session: Session<Shop> = sessions.begin_typed(&request)?;
    /// assert_eq!(session.user_id().await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Clash`](crate::ErrorKind::Clash) if another struct claims one of its keys: give one of them a
    /// `#[session(namespace = "..")]`.
    pub fn begin_typed<T: SessionData>(&self, request: &HeaderMap) -> Result<Session<T>> {
        self.begin(request).typed()
    }

    /// Ends a request: stores every change in one atomic step, closes the session, and adds `Set-Cookie`, `Cache-Control` and
    /// `Vary` to the response as needed.
    ///
    /// ```
    /// # use level_session::Error;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// let mut response = http::Response::new("saved");
    /// if let Err(error) = sessions.finish(&session, response.headers_mut()).await {
    ///     *response.status_mut() = error.status(); // nothing was stored: do not report a success
    /// }
    /// assert!(response.headers().contains_key("set-cookie"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`commit`](UntypedSession::commit). Nothing is stored then: send a response that reports the failure,
    /// such as [`Error::to_response`](crate::Error::to_response). The session is closed, and the response has the
    /// headers for earlier commits of the request.
    pub async fn finish(&self, session: &UntypedSession, response: &mut HeaderMap) -> Result<()> {
        let result = session.unit().commit().await;
        self.abandon(session, response);
        result
    }

    /// Ends a request that failed: drops every change that is not stored yet, including `renew` and `destroy`. Adds the
    /// headers for earlier commits of the request to the response.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// let mut response = http::HeaderMap::new();
    /// sessions.abandon(&session, &mut response);
    /// assert!(!response.contains_key("set-cookie")); // no session was made
    /// # Ok(()) }
    /// ```
    pub fn abandon(&self, session: &UntypedSession, response: &mut HeaderMap) {
        end(session, session.unit().close(true), response);
    }

    /// The store.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// assert!(sessions.store().abilities().exact_limits); // a limit of sessions per user is atomic
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// Tells connections that outlive their requests to end: every [`ended`](UntypedSession::ended) returns, now and from now
    /// on. Requests continue as before. Call it when a graceful shutdown begins; otherwise the server waits for event streams
    /// and WebSockets that never end by themselves.
    ///
    /// It also applies to clones and to sessions built by [`to_builder`](Self::to_builder).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// sessions.end_connections(); // SIGTERM has arrived
    /// session.ended().await?; // returns
    /// # Ok(()) }
    /// ```
    pub fn end_connections(&self) {
        self.0.close();
    }

    /// Ends connections ([`end_connections`](Self::end_connections)) and closes the store, which waits for commits in flight.
    /// Call it after the last response.
    ///
    /// ```no_run
    /// # async fn shutdown_signal() {}
    /// # async fn serve(sessions: level_session::Sessions, app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    /// axum::serve(listener, app).with_graceful_shutdown(shutdown_signal()).await?;
    /// sessions.close().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if committed changes could not be made durable: log it, and exit with a
    /// failure.
    pub async fn close(&self) -> Result<()> {
        self.end_connections();
        Ok(self.0.store.close().await?)
    }
}

/// Adds the outcome of a request's end to the response.
pub(crate) fn end(
    session: &UntypedSession,
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
