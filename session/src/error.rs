//! Run-time errors, and what a caller can do about them.

use crate::store::{self, FieldName, ValueError};
use std::{borrow::Cow, error::Error as StdError, fmt};

/// The result of every fallible operation on a session.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of an operation on a session, with the field concerned and the cause.
///
/// Neither `Display` nor `Debug` shows an id, a cookie, a key or a field's value (ASVS 16.2.5).
///
/// ```
/// use level_session::{ErrorKind, Result, Session};
///
/// async fn order(session: Session) -> Result<&'static str> {
///     session.set("order", 17)?;
///     match session.commit().await {
///         Ok(()) => Ok("ordered"),
///         Err(error) if error.may_be_stored() => Ok("please check your orders before you try again"),
///         Err(error) if error.kind() == ErrorKind::Contended => Ok("please try again"),
///         Err(error) => Err(error), // a response with its status
///     }
/// }
/// ```
pub struct Error {
    kind: ErrorKind,
    field: Option<FieldName>,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    may_be_stored: bool,
}

/// The kind of an [`Error`], to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store could not be reached, read or written. Nothing of the failed call is stored, unless
    /// [`Error::may_be_stored`] says otherwise.
    Store,
    /// The session was destroyed, renewed or has expired since this request began. Nothing of this request is stored; the
    /// visitor gets a new session with the next request.
    Gone,
    /// The request is over: the head of its response has been sent, or it was cancelled. The session can still be read but
    /// not changed. `detach()` gives the session a unit of work of its own.
    Closed,
    /// A stored value cannot be read as the requested type.
    Decode,
    /// A value cannot be stored: its `Serialize` failed, or it is too large or too deep.
    Encode,
    /// The session would have more fields, or a value more bytes, than the application allows
    /// ([`max_fields`](crate::SessionsBuilder::max_fields),
    /// [`max_value_bytes`](crate::SessionsBuilder::max_value_bytes)). Nothing of the commit is stored.
    TooLarge,
    /// A sign-in was refused: the user already has as many sessions as the application allows
    /// (`#[session(index, limit = .., when_full = "refuse")]`). Nothing of the commit is stored.
    Full,
    /// A declared field was given a value of another type.
    Type,
    /// A whole struct was requested, and a field without a default is not stored.
    Missing,
    /// A counter would leave the range of its type.
    Overflow,
    /// Other requests kept changing a field while this request tried to store an `update` of it.
    Contended,
    /// Two session structs claim one key.
    Clash,
    /// The operating system's random generator failed.
    Random,
    /// A setting cannot be used.
    Config,
    /// The library was called in a way that cannot work: in a handler outside the middleware, for a change that a detached
    /// session cannot make, or with a reserved key.
    Misuse,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            field: None,
            message: message.into(),
            source: None,
            may_be_stored: false,
        }
    }

    /// The error of a handler that asks for a session outside any middleware that provides one: for adapters, and for
    /// extractors of your own.
    ///
    /// ```
    /// use level_session::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::no_middleware().kind(), ErrorKind::Misuse);
    /// ```
    #[must_use]
    pub fn no_middleware() -> Self {
        Self::new(
            ErrorKind::Misuse,
            "there is no session middleware around this handler: add it to the route (`SessionLayer` in axum)",
        )
    }

    pub(crate) fn gone() -> Self {
        Self::new(
            ErrorKind::Gone,
            "the session ended while this request was being handled (destroyed, renewed or expired): nothing of the request is stored; let the visitor start again",
        )
    }

    pub(crate) fn closed() -> Self {
        Self::new(
            ErrorKind::Closed,
            "the request of this session is over, so the change would be lost: call `detach()` before the response is sent, and use that handle",
        )
    }

    pub(crate) fn too_many_fields(fields: usize, most: usize) -> Self {
        let message = format!(
            "the session would have {fields} fields, more than the limit of {most}: remove fields, keep many entries as a map in one field, or raise `max_fields`"
        );
        Self::new(ErrorKind::TooLarge, message)
    }

    pub(crate) fn too_many_bytes(bytes: usize, most: usize) -> Self {
        let message = format!(
            "the value takes {bytes} bytes, more than the limit of {most}: keep it in a database and its key in the session, or \
             raise `max_value_bytes`"
        );
        Self::new(ErrorKind::TooLarge, message)
    }

    pub(crate) fn full(field: impl Into<FieldName>) -> Self {
        Self::new(
            ErrorKind::Full,
            "the limit of sessions with this value is reached: nothing of the commit is stored; let the user end another session first",
        )
        .on(field)
    }

    pub(crate) fn unknown_outcome() -> Self {
        Self::new(
            ErrorKind::Store,
            "the store returned an outcome that this version of level-session does not support: upgrade level-session",
        )
    }

    /// An error about the value of a field.
    pub(crate) fn of_value(cause: ValueError, field: impl Into<FieldName>) -> Self {
        cause.on_field(field).into()
    }

    #[must_use]
    pub(crate) fn on(mut self, field: impl Into<FieldName>) -> Self {
        self.field = Some(field.into());
        self
    }

    #[must_use]
    pub(crate) fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Marks the outcome of the commit as unknown.
    #[must_use]
    pub(crate) fn uncertain(mut self) -> Self {
        self.may_be_stored = true;
        self
    }

    /// The kind of the error.
    ///
    /// ```
    /// # use level_session::ErrorKind;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// let error = session.get::<u64>("theme").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Decode);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The key of the field concerned, if the error concerns one field.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("theme", "dark")?;
    /// let error = session.get::<u64>("theme").await.unwrap_err();
    /// assert_eq!(error.field(), Some("theme"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Whether the failed commit may nevertheless have been stored, as a whole: the connection to the store broke
    /// before the response arrived, or an fsync failed (requirement F11). The library does not repeat such a commit.
    /// Read the session again before you repeat the change, or tell the user that the outcome is unknown.
    ///
    /// ```
    /// # use level_session::{Result, Session};
    /// async fn buy(session: Session) -> Result<&'static str> {
    ///     session.set("order", 17)?;
    ///     match session.commit().await {
    ///         Err(error) if error.may_be_stored() => Ok("please check your orders before you try again"),
    ///         outcome => outcome.map(|()| "thank you"),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn may_be_stored(&self) -> bool {
        self.may_be_stored
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let kind = match error.kind() {
            store::ErrorKind::Decode => ErrorKind::Decode,
            store::ErrorKind::Encode => ErrorKind::Encode,
            store::ErrorKind::Type => ErrorKind::Type,
            store::ErrorKind::Overflow => ErrorKind::Overflow,
            store::ErrorKind::Config => ErrorKind::Config,
            _ => ErrorKind::Store,
        };
        let may_be_stored = error.may_be_stored();
        let (field, message, source) = error.into_parts();
        Self {
            kind,
            field,
            message,
            source,
            may_be_stored,
        }
    }
}

impl From<store::ConfigError> for Error {
    fn from(refused: store::ConfigError) -> Self {
        store::Error::from(refused).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "session field `{}`: ", field.escape_debug())?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.kind);
        if let Some(field) = &self.field {
            out.field("field", field);
        }
        out.field("message", &self.message);
        if self.may_be_stored {
            out.field("may_be_stored", &true);
        }
        if let Some(source) = &self.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ConfigError;

    #[test]
    fn a_refused_setting_becomes_an_error_and_keeps_its_cause() {
        let cause = std::io::Error::other("the disk is gone");
        let error: Error = ConfigError::new("keys", "cannot be read")
            .because(cause)
            .into();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), "keys: cannot be read");
        assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
    }

    /// A lost response that was mistaken for a failure would be repeated, and the change applied twice.
    #[test]
    fn a_commit_that_may_be_stored_says_so() {
        let error = store::Error::uncertain("waiting for the server", "end of file");
        assert!(Error::from(error).may_be_stored());
        let error = store::Error::store("reaching the server", "refused");
        assert!(!Error::from(error).may_be_stored());
    }
}
