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
    /// Sessions with the default settings: see [`CookieConfig::default`](crate::CookieConfig::default) and
    /// [`Expiry::default`](crate::Expiry::default).
    #[must_use]
    pub fn new(store: impl Store, keyring: Keyring) -> Self {
        Self(Arc::new(Runtime::new(Arc::new(store), keyring)))
    }

    /// Sessions with other settings: all of them are set here, for every framework.
    pub fn builder(store: impl Store, keyring: Keyring) -> SessionsBuilder {
        SessionsBuilder::over(Runtime::new(Arc::new(store), keyring))
    }

    /// A builder with the settings of these sessions: what it builds shares their store, and their knowledge of what
    /// is declared and who waits for an end. The structs that [`data`](SessionsBuilder::data) has declared stay with these
    /// sessions where a request has both.
    pub fn to_builder(&self) -> SessionsBuilder {
        let mut runtime = Runtime::clone(&self.0);
        runtime.declared.clear();
        SessionsBuilder::over(runtime)
    }

    /// The session of a request. Nothing happens until it is used: no store access, no cookie, and the request's
    /// cookies are not even read.
    ///
    /// The cookie is taken from the `Cookie` headers and from nowhere else; one that is not ours, in whatever way, is
    /// the same as none.
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
    /// Those of [`commit`](UntypedSession::commit). Nothing is stored then, and the response must be no success: the handle
    /// is closed, and the headers have what earlier commits of the request asked for.
    pub async fn finish(&self, session: &UntypedSession, response: &mut HeaderMap) -> Result<()> {
        let result = session.unit().commit().await;
        self.abandon(session, response);
        result
    }

    /// Ends a request that failed: what was changed and not committed is dropped, a `renew` or `destroy` included.
    /// Adds to the response what earlier commits of the request asked for.
    pub fn abandon(&self, session: &UntypedSession, response: &mut HeaderMap) {
        end(session, session.unit().close(true), response);
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// Tells connections that outlive their requests to end: every [`ended`](UntypedSession::ended) returns, now and from
    /// now on. Requests go on as before. Call it when a graceful shutdown begins, or the server waits for event streams
    /// and WebSockets that never end by themselves.
    ///
    /// It holds for clones, and for sessions that were made by [`to_builder`](Self::to_builder) of one of them.
    pub fn end_connections(&self) {
        self.0.close();
    }

    /// Closes the application's sessions: [`end_connections`](Self::end_connections), and then closes the store, which
    /// waits for commits that are under way. Call it when the last request was answered.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if what was committed could not be brought to disk.
    pub async fn close(&self) -> Result<()> {
        self.end_connections();
        Ok(self.0.store.close().await?)
    }
}

/// Adds to the response what a request's end came to.
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
