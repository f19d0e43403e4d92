//! The unit of work: storing or dropping its changes, and work that continues after the response.

use super::UntypedSession;
use crate::error::Result;
#[cfg(doc)]
use crate::error::{Error, ErrorKind};

impl UntypedSession {
    /// Stores every change at once, in one atomic step, without waiting for the end of the request. Later changes are stored
    /// at the end of the request.
    ///
    /// Other tasks of the same request may continue meanwhile: their writes are stored by the next commit, and their reads
    /// wait until this commit is done. If the future is dropped, the commit is completed by the next use of the session, or
    /// at the latest by the end of the request.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("order", 17)?;
    /// session.commit().await?; // stored, even if the request fails later
    /// assert!(session.is_live().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// After an error nothing is stored and every change is kept, to be stored by the next commit, unless
    /// [`Error::may_be_stored`] says that the outcome is unknown. To continue without the changes, call
    /// [`discard`](Self::discard).
    /// - [`ErrorKind::Gone`]: the session ended meanwhile. Let the visitor start again.
    /// - [`ErrorKind::Store`]: the store failed. Let the client try again.
    /// - [`ErrorKind::Overflow`]: a counter would leave the range of its type.
    /// - [`ErrorKind::Contended`]: other requests kept changing a field of an `update`. Try again.
    /// - [`ErrorKind::TooLarge`], [`ErrorKind::Full`]: a limit that the application set is exceeded.
    /// - [`ErrorKind::Random`]: the operating system's random generator failed.
    /// - [`ErrorKind::Closed`]: the response has been sent. Use a [detached](Self::detach) session.
    ///
    /// If an earlier commit was dropped and its outcome is unknown, its error is returned once.
    #[doc(alias = "save")]
    pub async fn commit(&self) -> Result<()> {
        self.0.commit().await
    }

    /// Drops every change that is not stored yet, including `renew` and `destroy`. Values that were read stay read. Use it in
    /// a handler that continues after its [`commit`](Self::commit) was refused.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.destroy()?;
    /// session.discard()?;
    /// session.commit().await?; // nothing to store
    /// assert!(!session.is_live().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "rollback")]
    pub fn discard(&self) -> Result<()> {
        self.0.lock().discard()
    }

    /// Forgets the values that this request has read, so that the next read asks the store again: a request otherwise reads
    /// each field once. Changes that are not stored yet are kept.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// let page = session.detach()?; // a WebSocket, for example
    /// page.get::<String>("theme").await?;
    ///
    /// session.set("theme", "light")?;
    /// session.commit().await?;
    /// page.reload()?;
    /// assert_eq!(page.get::<String>("theme").await?.as_deref(), Some("light"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    #[doc(alias = "refresh")]
    pub fn reload(&self) -> Result<()> {
        self.0.lock().reload()
    }

    /// Returns the same session with a unit of work of its own, for work that continues after the response: a WebSocket,
    /// server-sent events, a spawned task. Its changes are stored by its own [`commit`](Self::commit) and by nothing else.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("user_id", 7)?;
    /// session.commit().await?; // a new session must be stored first
    ///
    /// let session = session.detach()?;
    /// let task = tokio::spawn(async move {
    ///     session.set("report", "ready")?;
    ///     session.commit().await
    /// });
    /// task.await.expect("the task ends")?;
    /// # Ok(()) }
    /// ```
    ///
    /// A field is read once per unit of work, and each commit begins a new one, even if there was nothing to store. On a
    /// long-lived connection, check permissions with every message, and call `commit` or [`reload`](Self::reload) between
    /// messages; otherwise the first answer is reused for as long as the connection lasts.
    ///
    /// Commits of a detached session keep it alive but cannot send the cookie again: the browser gets it with the
    /// next request that uses the session.
    ///
    /// Commits of a detached session never create a session. A commit that would have to fails: with [`ErrorKind::Gone`]
    /// if the session ended elsewhere, and with [`ErrorKind::Misuse`] for changes after its own `destroy` or for a visitor
    /// without a session. A session detached for a visitor without a session reads nothing, and does not follow a session
    /// that another request creates for that visitor.
    ///
    /// # Errors
    /// - [`ErrorKind::Misuse`] if this request creates the session and has not committed it yet: call
    ///   [`commit`](Self::commit) first.
    /// - [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub fn detach(&self) -> Result<Self> {
        self.0.detach().map(Self::new)
    }

    /// Returns when the session has ended. It returns at once if the session expires, or is destroyed or renewed through this
    /// process, or through any process if the store reports that ([`Abilities::tells_ended`](crate::store::Abilities));
    /// otherwise within a minute. Use it for a connection that outlives its request (ASVS 4.4.4): [`detach`](Self::detach),
    /// and close the connection when this returns. A request that renews its own session keeps watching it under the
    /// new id.
    ///
    /// It also returns when the application shuts down, by [`Sessions::end_connections`](crate::Sessions::end_connections) or
    /// [`Sessions::close`](crate::Sessions::close), and when the store is closed. For a visitor without a session it returns
    /// only then.
    ///
    /// ```
    /// # use level_session::{Result, Session};
    /// # async fn message() -> Option<String> { None }
    /// # async fn handler(session: Session) -> Result<()> {
    /// let session = session.detach()?;
    /// tokio::spawn(async move {
    ///     loop {
    ///         tokio::select! {
    ///             _ = session.ended() => break, // signed out: close the connection
    ///             Some(message) = message() => { /* .. */ }
    ///         }
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`] if the store cannot be read: close the connection then as well.
    pub async fn ended(&self) -> Result<()> {
        self.0.ended().await
    }
}
