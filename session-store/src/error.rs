//! Errors of stores and of values.

use crate::name::FieldName;
use std::{borrow::Cow, error::Error as StdError, fmt};

/// The result of a store's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a store, with the field concerned and the cause.
///
/// Neither `Display` nor `Debug` shows an id, a key or a field's value (ASVS 16.2.5). A store must not put any of them
/// into the message or the cause.
///
/// ```
/// use level_session_store::{Error, ErrorKind};
///
/// let error = Error::store("cannot reach the server at 127.0.0.1:6379", "connection refused");
/// assert_eq!(error.kind(), ErrorKind::Store);
/// assert!(!error.may_be_stored());
///
/// let error = Error::uncertain("the connection broke before the server answered", "unexpected end of file");
/// assert!(error.may_be_stored());
/// ```
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    field: Option<FieldName>,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    may_be_stored: bool,
}

/// The kind of an [`Error`] of a store or of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store could not be reached, read or written.
    Store,
    /// A stored value cannot be read as the requested type.
    Decode,
    /// A value cannot be stored: its `Serialize` failed, or it is too large or too deep.
    Encode,
    /// A declared field was given a value of another type.
    Type,
    /// A counter would leave the range of its type.
    Overflow,
    /// A setting of the store cannot be used.
    Config,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Repr {
            kind,
            field: None,
            message: message.into(),
            source: None,
            may_be_stored: false,
        }))
    }

    /// An error of the store, with a message and the cause. Nothing of the call was stored.
    pub fn store(
        doing: impl Into<Cow<'static, str>>,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::new(ErrorKind::Store, doing).because(cause)
    }

    /// An error of the store after which it is unknown whether the commit was stored: a connection that broke before
    /// the response arrived, or an fsync that failed.
    pub fn uncertain(
        doing: impl Into<Cow<'static, str>>,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::store(doing, cause).uncertain_if(true)
    }

    /// The same error, with this value of [`may_be_stored`](Self::may_be_stored).
    #[must_use]
    pub fn uncertain_if(mut self, may_be_stored: bool) -> Self {
        self.0.may_be_stored = may_be_stored;
        self
    }

    /// The same error, of one field.
    #[must_use]
    pub fn on(mut self, field: impl Into<FieldName>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// The same error, with its cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(cause.into());
        self
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The key of the field concerned, if the error concerns one field.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// Whether the failed commit may nevertheless have been stored, as a whole (requirement F11). `false` means that
    /// nothing of it is stored.
    #[must_use]
    pub fn may_be_stored(&self) -> bool {
        self.0.may_be_stored
    }

    /// The message and the cause, for an error type that is converted from this one.
    #[doc(hidden)]
    #[must_use]
    pub fn into_parts(
        self,
    ) -> (
        Option<FieldName>,
        Cow<'static, str>,
        Option<Box<dyn StdError + Send + Sync>>,
    ) {
        let Repr {
            field,
            message,
            source,
            ..
        } = *self.0;
        (field, message, source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.0.field {
            write!(f, "session field `{}`: ", field.escape_debug())?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind);
        if let Some(field) = &self.0.field {
            out.field("field", field);
        }
        out.field("message", &self.0.message);
        if self.0.may_be_stored {
            out.field("may_be_stored", &true);
        }
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

impl From<crate::ConfigError> for Error {
    fn from(refused: crate::ConfigError) -> Self {
        let message = refused.to_string();
        match refused.into_source() {
            Some(cause) => Self::new(ErrorKind::Config, message).because(cause),
            None => Self::new(ErrorKind::Config, message),
        }
    }
}
