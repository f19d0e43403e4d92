//! The handle: a session as a handler sees it.

mod data;
mod handles;
mod order;
mod read;
mod set_from;
mod state;
mod unit;
mod untyped;
mod updated;

pub use data::{Diff, Loading, Storing, View, detach, load, store};
pub use handles::{Counter, Field, Flash, FlashList, OptField};
pub use set_from::SetFrom;
#[cfg(feature = "tower")]
pub(crate) use unit::Committing;
pub use untyped::{AllFields, UntypedSession};
pub use updated::Updated;
pub(crate) use {state::CookieAction, unit::UnitOfWork};

use crate::store::schema::Schema;
use std::{fmt, marker::PhantomData, ops::Deref};

/// A struct whose fields are kept in a session: made by `#[derive(SessionData)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not session data",
    label = "`#[derive(SessionData)]` is missing",
    note = "write `#[derive(level_session::SessionData)]` on `{Self}`, or use `Session` alone for untyped access"
)]
pub trait SessionData: Sized + 'static {
    /// The generated struct with one method per field.
    type Fields: Deref<Target = UntypedSession> + 'static;
    /// What the struct declares.
    const SCHEMA: &'static Schema;
    // No method: in the body of one the compiler would look into all that a session consists of.
    #[doc(hidden)]
    const FIELDS: fn(UntypedSession, Of<Self>) -> Self::Fields;
    #[doc(hidden)]
    fn read(view: &View<'_>) -> crate::Result<Self>;
    #[doc(hidden)]
    fn write(&self, diff: &mut Diff<'_>) -> crate::Result<()>;
}

/// Says which struct's fields they are.
#[doc(hidden)]
pub type Of<T> = PhantomData<fn() -> T>;

/// The session of a request: `Session<Shop>` for a declared struct, `Session` alone for untyped access.
///
/// It dereferences to the struct's generated fields (one method each), and those to [`UntypedSession`]. It has no methods of
/// its own, so none can ever stand in the way of a field's.
///
/// Clones are the same session and the same unit of work.
pub struct Session<T: SessionData = ()> {
    fields: T::Fields,
    // For the compiler's message: whether a struct has a size is asked of its last field alone, and where `T` lacks the
    // derive the answer would be one error more for each place that has a session.
    _last: (),
}

impl<T: SessionData> Session<T> {
    pub(crate) fn over(session: UntypedSession) -> Self {
        Self {
            fields: (T::FIELDS)(session, PhantomData),
            _last: (),
        }
    }
}

/// No declared fields: `Session` alone.
impl SessionData for () {
    type Fields = NoFields;
    const SCHEMA: &'static Schema = &crate::store::schema::schema("()", &[], &[]);
    const FIELDS: fn(UntypedSession, Of<Self>) -> NoFields = NoFields;
    fn read(_: &View<'_>) -> crate::Result<Self> {
        Ok(())
    }
    fn write(&self, _: &mut Diff<'_>) -> crate::Result<()> {
        Ok(())
    }
}

/// The fields of `Session` alone: none, but [`UntypedSession`] beneath.
pub struct NoFields(UntypedSession, Of<()>);

impl Deref for NoFields {
    type Target = UntypedSession;
    fn deref(&self) -> &UntypedSession {
        &self.0
    }
}

impl fmt::Debug for NoFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: SessionData> Clone for Session<T> {
    fn clone(&self) -> Self {
        let session: &UntypedSession = &self.fields;
        Self::over(session.clone())
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
        let session: &UntypedSession = &self.fields;
        fmt::Debug::fmt(session, f)
    }
}
