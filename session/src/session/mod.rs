//! The session as a handler sees it.

mod all_fields;
mod data;
mod handles;
mod order;
mod read;
mod set_from;
mod state;
mod unit;
mod untyped;
mod updated;

pub use all_fields::AllFields;
pub use data::{Diff, Loading, Storing, View, detach, load, store};
pub use handles::{Counter, Field, Flash, FlashList, OptField};
pub use set_from::SetFrom;
#[cfg(feature = "tower")]
pub(crate) use unit::Committing;
pub use untyped::UntypedSession;
pub(crate) use untyped::decode;
pub use updated::Updated;
pub(crate) use {state::CookieAction, unit::UnitOfWork};

use crate::store::schema::Schema;
use std::{fmt, marker::PhantomData, ops::Deref};

/// A struct whose fields are kept in a session, implemented by `#[derive(SessionData)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not session data",
    label = "`#[derive(SessionData)]` is missing",
    note = "write `#[derive(level_session::SessionData)]` on `{Self}`, or use `Session` alone for untyped access"
)]
pub trait SessionData: Sized + 'static {
    /// The generated struct with one method per field.
    type Fields: Deref<Target = UntypedSession> + 'static;
    /// The declaration of the struct.
    const SCHEMA: &'static Schema;
    // A constant and not a method: for a method's body the compiler would have to check everything that a session
    // consists of.
    #[doc(hidden)]
    const FIELDS: fn(UntypedSession, Of<Self>) -> Self::Fields;
    #[doc(hidden)]
    fn read(view: &View<'_>) -> crate::Result<Self>;
    #[doc(hidden)]
    fn write(&self, diff: &mut Diff<'_>) -> crate::Result<()>;
}

/// Marks the struct that the fields belong to.
#[doc(hidden)]
pub type Of<T> = PhantomData<fn() -> T>;

/// The session of a request: `Session<Shop>` for a declared struct, `Session` alone for untyped access.
///
/// It has no methods of its own, so that none can ever hide a field. The methods come from two places.
///
/// **The fields.** The derive generates a method for each field. It returns a *field handle*, whose type depends on the
/// field:
///
/// | declared as | field handle | what it offers |
/// |---|---|---|
/// | a type with `#[session(default)]` | [`Field<T>`](crate::Field) | `.await?` reads a `T`; [`set`](crate::Field::set), [`update`](crate::Field::update), [`take`](crate::Field::take), [`remove`](crate::Field::remove) |
/// | `Option<T>`, or a type without a default | [`OptField<T>`](crate::OptField) | `.await?` reads an `Option<T>`; [`set`](crate::OptField::set), [`update`](crate::OptField::update), [`take`](crate::OptField::take), [`remove`](crate::OptField::remove) |
/// | `#[session(counter)]` | [`Counter<T>`](crate::Counter) | `.await?` reads a `T`; [`add`](crate::Counter::add), [`sub`](crate::Counter::sub), [`set`](crate::Counter::set) |
/// | `#[session(flash)]` on an `Option<T>` | [`Flash<T>`](crate::Flash) | `.await?` takes the value; [`set`](crate::Flash::set), [`peek`](crate::Flash::peek) |
/// | `#[session(flash)]` on a `Vec<T>` | [`FlashList<T>`](crate::FlashList) | `.await?` takes all messages; [`push`](crate::FlashList::push), [`peek`](crate::FlashList::peek) |
/// | `#[session(nest)]` | the fields of the nested struct | |
///
/// It also generates `load()` and `store(&data)` for the whole struct, and a `detach()` that keeps the type.
///
/// **The session.** It dereferences to [`UntypedSession`]:
///
/// | method | what it does |
/// |---|---|
/// | [`renew`](UntypedSession::renew) | gives the session a new id: at sign-in and at every change of privilege |
/// | [`destroy`](UntypedSession::destroy) | ends the session: at sign-out |
/// | [`set_lifetime`](UntypedSession::set_lifetime) | chooses how long this session lives: "remember me" |
/// | [`end_others`](UntypedSession::end_others), [`end_other`](UntypedSession::end_other) | end other sessions of the same user |
/// | [`clear`](UntypedSession::clear), [`touch`](UntypedSession::touch) | removes every field; restarts the idle timeout |
/// | [`commit`](UntypedSession::commit), [`discard`](UntypedSession::discard) | stores the changes now, instead of at the end of the request; drops them |
/// | [`detach`](UntypedSession::detach), [`reload`](UntypedSession::reload), [`ended`](UntypedSession::ended) | for work that continues after the response: WebSockets, server-sent events, tasks |
/// | [`get`](UntypedSession::get), [`get_all`](UntypedSession::get_all), [`set`](UntypedSession::set), [`update`](UntypedSession::update), [`update_tracked`](UntypedSession::update_tracked), [`take`](UntypedSession::take), [`del`](UntypedSession::del) | fields by key, declared or not |
/// | [`csrf_token`](UntypedSession::csrf_token), [`verify_csrf`](UntypedSession::verify_csrf) | a token for forms |
/// | [`is_live`](UntypedSession::is_live), [`created_at`](UntypedSession::created_at), [`expires_at`](UntypedSession::expires_at), [`handle`](UntypedSession::handle), [`log_id`](UntypedSession::log_id) | facts about the session |
/// | [`typed`](UntypedSession::typed) | the same session with another struct |
///
/// All changes are stored when the request ends, in one atomic step, or none of them.
///
/// ```
/// use level_session::{Keyring, MemoryStore, Session, SessionData, Sessions};
/// use http::HeaderMap;
///
/// #[derive(SessionData)]
/// struct Shop {
///     user_id: Option<u64>,
///     #[session(default)]
///     cart: Vec<String>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = Sessions::new(MemoryStore::new(), Keyring::generate()?);
/// let session: Session<Shop> = sessions.begin_typed(&HeaderMap::new())?;
/// session.renew()?;
/// session.user_id().set(7)?;
/// session.cart().update(|cart| cart.push("tea".to_owned())).await?;
/// assert_eq!(session.user_id().await?, Some(7));
/// assert_eq!(session.cart().await?, ["tea"]);
/// sessions.finish(&session, &mut HeaderMap::new()).await?;
/// # Ok(()) }
/// ```
///
/// Clones share the session and its [unit of work](UntypedSession).
pub struct Session<T: SessionData = ()> {
    fields: T::Fields,
    // For better compiler messages: whether a struct is `Sized` depends on its last field alone, and if `T` lacks the
    // derive, a field that names `T` there would add one more error at each use of a session.
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

/// No declared fields: the data of `Session` alone.
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

/// The fields of `Session` alone: none, only the [`UntypedSession`] that it dereferences to.
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
