//! The handle: a session as a handler sees it.

mod data;
mod handles;
mod untyped;

pub use data::{Diff, View, load, store};
pub use handles::{Counter, Field, Flash, OptField};
pub use untyped::Untyped;

use crate::field::Schema;
use std::{fmt, ops::Deref};

/// A struct whose fields are kept in a session: made by `#[derive(SessionData)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not session data",
    label = "`#[derive(SessionData)]` is missing",
    note = "write `#[derive(level_session::SessionData)]` on `{Self}`, or use `Session` alone for untyped access"
)]
pub trait SessionData: Sized + Send + Sync + 'static {
    /// The generated struct with one method per field.
    type Fields: Deref<Target = Untyped> + Clone + Send + Sync + 'static;
    /// What the struct declares.
    const SCHEMA: &'static Schema;
    #[doc(hidden)]
    fn fields(session: Untyped) -> Self::Fields;
    #[doc(hidden)]
    fn read(view: &View<'_>) -> crate::Result<Self>;
    #[doc(hidden)]
    fn write(&self, diff: &mut Diff<'_>) -> crate::Result<()>;
}

/// The session of a request.
pub struct Session<T: SessionData> {
    fields: T::Fields,
}

impl<T: SessionData> Session<T> {
    /// A typed handle on the same session.
    #[must_use]
    pub fn new(session: &Untyped) -> Self {
        Self {
            fields: T::fields(session.clone()),
        }
    }
}

impl<T: SessionData> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self {
            fields: self.fields.clone(),
        }
    }
}

impl<T: SessionData> Deref for Session<T> {
    type Target = T::Fields;
    fn deref(&self) -> &T::Fields {
        &self.fields
    }
}

impl<T: SessionData> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session: &Untyped = &self.fields;
        fmt::Debug::fmt(session, f)
    }
}
