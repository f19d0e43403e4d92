//! The session without a declared type.

mod fields;
mod life;
mod work;

pub(crate) use fields::decode;

use super::{Session, SessionData, unit::UnitOfWork};
#[cfg(doc)]
use crate::error::{Error, ErrorKind};
use crate::{error::Result, handle::SessionHandle, store::Timestamp};
use std::{fmt, sync::Arc};

/// The session without a declared type: its life cycle, and its fields by key.
///
/// Every typed session dereferences to it, and both are the same session: [`get`](Self::get) reads the value that a
/// typed accessor wrote. A declared field accepts only a value of its type, whichever way it is set.
///
/// Clones share the session and its *unit of work*: the values that were read, and the changes that are stored together.
/// A request is one unit of work. A [detached](Self::detach) session begins another one, and a new one with each
/// commit.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
/// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
/// # let session = sessions.begin(&http::HeaderMap::new());
/// session.set("theme", "dark")?; // visible to this request
/// session.commit().await?; // and now to every request
/// assert_eq!(session.get::<String>("theme").await?.as_deref(), Some("dark"));
/// # Ok(()) }
/// ```
///
/// # Errors
/// Most methods can fail in one of these ways. In a handler, pass the error on with `?`: it becomes a response with the
/// [status](Error::status) in the last column.
///
/// | kind | when | what to do | status |
/// |---|---|---|---|
/// | [`Gone`](ErrorKind::Gone) | the session was destroyed, renewed or has expired since the request began | nothing was stored: let the visitor start again | 409 |
/// | [`Closed`](ErrorKind::Closed) | the response has been sent | call [`detach`](Self::detach) before the response is sent, and use the detached session | 500 |
/// | [`Store`](ErrorKind::Store) | the store cannot be reached, read or written | let the client try again, unless [`Error::may_be_stored`] | 500 |
/// | [`Decode`](ErrorKind::Decode) | a stored value is not of the requested type | read it with its former type, or remove the field | 500 |
/// | [`Misuse`](ErrorKind::Misuse) | the call cannot work where it is made | the message says how to change the code | 500 |
#[derive(Clone)]
pub struct UntypedSession(Arc<UnitOfWork>);

impl UntypedSession {
    pub(crate) fn new(unit: UnitOfWork) -> Self {
        Self(Arc::new(unit))
    }

    pub(crate) fn unit(&self) -> &UnitOfWork {
        &self.0
    }

    #[cfg(feature = "tower")]
    pub(crate) fn shared_unit(&self) -> Arc<UnitOfWork> {
        self.0.clone()
    }

    /// Whether other clones with the same unit of work exist.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Returns a token against cross-site request forgery for a form on this page, bound to the session. Put it into a hidden
    /// field and pass the submitted value to [`verify_csrf`](Self::verify_csrf). It is 86 characters of base64url and differs
    /// with every call; every token stays valid until the session is renewed (ASVS 3.5.1). A visitor without a session gets
    /// one. Call it after [`renew`](Self::renew), not before.
    ///
    /// ```
    /// # use level_session::{Result, Session};
    /// async fn form(session: Session) -> Result<String> {
    ///     let token = session.csrf_token().await?;
    ///     Ok(format!(r#"<form method="post"><input type="hidden" name="csrf" value="{token}">"#))
    /// }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Random`] if the operating system's random generator failed.
    /// - [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub async fn csrf_token(&self) -> Result<String> {
        self.0.csrf_token().await
    }

    /// Returns whether `token` was issued for the session that this request came with. Tokens are compared in constant time.
    /// Returns `false` for a visitor without a session.
    ///
    /// ```
    /// # use level_session::{Result, Session};
    /// # async fn transfer() -> Result<()> { Ok(()) }
    /// async fn submit(session: Session, form_token: String) -> Result<&'static str> {
    ///     if !session.verify_csrf(&form_token).await? {
    ///         return Ok("this form has expired, please send it again");
    ///     }
    ///     transfer().await?;
    ///     Ok("done")
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub async fn verify_csrf(&self, token: &str) -> Result<bool> {
        self.0.verify_csrf(token).await
    }

    /// Returns whether there is a stored session: `false` for a new visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// assert!(!session.is_live().await?);
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// assert!(session.is_live().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`], [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](Self#errors).
    pub async fn is_live(&self) -> Result<bool> {
        Ok(self.0.meta().await?.is_some())
    }

    /// Returns when the session was created; `None` for a new visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// assert_eq!(session.created_at().await?, None);
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// assert!(session.created_at().await?.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`is_live`](Self::is_live).
    pub async fn created_at(&self) -> Result<Option<Timestamp>> {
        Ok(self.0.meta().await?.map(|meta| meta.created))
    }

    /// Returns when the session expires unless it is used before then, by the timeouts in force today; `None` for a new
    /// visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// let (from, until) = (session.created_at().await?.unwrap(), session.expires_at().await?.unwrap());
    /// assert_eq!(until.since(from).as_secs(), 14 * 24 * 3600); // the default: two weeks
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`is_live`](Self::is_live).
    pub async fn expires_at(&self) -> Result<Option<Timestamp>> {
        let meta = self.0.meta().await?;
        Ok(meta.map(|meta| self.0.runtime.lifetimes.deadline(&meta.lease)))
    }

    /// Returns a few characters that identify the session in a log and are useless for anything else; `None` for a new
    /// visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// println!("session {}: order 17 placed", session.log_id().unwrap());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn log_id(&self) -> Option<String> {
        self.0.digest().map(|digest| digest.short())
    }

    /// Returns the public name of the session, which changes when the session is renewed: see [`SessionHandle`]. `None` for a
    /// new visitor.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// assert_eq!(session.handle(), None);
    /// session.set("theme", "dark")?;
    /// session.commit().await?;
    /// let handle = session.handle().unwrap();
    /// assert!(sessions.end(&handle).await?); // from anywhere in the application
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn handle(&self) -> Option<SessionHandle> {
        self.0.digest().map(SessionHandle::new)
    }

    /// Returns the same session with the same unit of work, typed by a struct.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { user_id: Option<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("user_id", 7_u64)?;
    /// let shop: Session<Shop> = session.typed()?;
    /// assert_eq!(shop.user_id().await?, Some(7));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Clash`] if another struct of this application claims one of its keys: give one of them a
    /// `#[session(namespace = "..")]`.
    pub fn typed<T: SessionData>(&self) -> Result<Session<T>> {
        self.0.runtime.register(T::SCHEMA)?;
        Ok(Session::over(self.clone()))
    }
}

impl fmt::Debug for UntypedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
