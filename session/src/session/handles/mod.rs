//! The handles that accessors return: each is a handle on one field and the future of its value.

mod counter;
mod field;
mod flash;

pub use counter::Counter;
pub use field::{Field, OptField};
pub use flash::{Flash, FlashList};

use super::{read::Read, unit::UnitOfWork, untyped::UntypedSession, updated::Updated};
use crate::{
    changes::{Change, Setting},
    error::{Error, ErrorKind, Result},
    store::{
        Bytes, FieldName, Timestamp,
        schema::{Def, Key},
    },
    value,
};
use std::task::{Context, Poll, ready};

/// The part that all handles share.
struct Handle<'a, T: 'static> {
    unit: &'a UnitOfWork,
    key: Key<T>,
    read: Read<'a>,
}

impl<'a, T> Handle<'a, T> {
    fn new(session: &'a UntypedSession, key: Key<T>) -> Self {
        Self {
            unit: session.unit(),
            key,
            read: Read::declared(key.name_slice()),
        }
    }

    fn name(&self) -> FieldName {
        FieldName::from_static(self.key.name())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let now = self.unit.now();
        let bytes = ready!(self.read.poll(self.unit, cx, now))?;
        Poll::Ready(decode(self.key.typed_def(), bytes.as_ref(), now))
    }

    fn set(&self, value: &T) -> Result<()> {
        let setting = setting(self.key.typed_def(), value, || self.unit.now())?;
        self.unit.lock().change(&self.name(), Change::Set(setting))
    }

    fn remove(&self) -> Result<()> {
        self.unit.lock().change(&self.name(), Change::Remove)
    }

    async fn take(self) -> Result<Option<T>> {
        let Self { unit, key, .. } = self;
        let check = |bytes: &Bytes| decode(key.typed_def(), Some(bytes), unit.now()).map(drop);
        let bytes = unit
            .take(&FieldName::from_static(key.name()), check)
            .await?;
        decode(key.typed_def(), bytes.as_ref(), unit.now())
    }

    /// `change` gets the current value and modifies it.
    async fn update<R: Send + 'static>(
        self,
        mut change: impl FnMut(&mut Option<T>) -> Result<R> + Send + 'static,
    ) -> Result<Updated<R>> {
        let Self { unit, key, .. } = self;
        let updated = Updated::new();
        let latest = updated.share();
        let step = move |bytes: Option<&Bytes>, now| {
            let mut value = decode(key.typed_def(), bytes, now)?;
            let result = change(&mut value)?;
            let setting = value
                .map(|value| setting(key.typed_def(), &value, || now))
                .transpose()?;
            latest.put(result);
            Ok(setting)
        };
        unit.update(&FieldName::from_static(key.name()), Box::new(step))
            .await?;
        Ok(updated)
    }
}

/// Reads stored bytes as the field's type; `None` for a value past its TTL.
pub(super) fn decode<T>(def: &Def<T>, bytes: Option<&Bytes>, now: Timestamp) -> Result<Option<T>> {
    let Some(bytes) = bytes else { return Ok(None) };
    let read = || match value::open(bytes)?.live(now) {
        Some(body) => (def.decode)(&body).map(Some),
        None => Ok(None),
    };
    read().map_err(|cause| Error::of_value(cause, def.erased.key()))
}

pub(super) fn setting<T>(
    def: &Def<T>,
    value: &T,
    now: impl FnOnce() -> Timestamp,
) -> Result<Setting> {
    let name = FieldName::from_static(def.erased.key());
    UnitOfWork::setting(Some(&def.erased), &name, now, |out| {
        (def.encode)(value, out)
    })
}

fn default<T>(def: &Def<T>) -> Result<T> {
    match def.default {
        Some(default) => Ok(default()),
        None => Err(no_default(def)),
    }
}

fn no_default<T>(def: &Def<T>) -> Error {
    let problem = "nothing is stored, and the field has no default";
    Error::new(ErrorKind::Missing, problem).on(def.erased.key())
}

// The structs are outside the macro: its arguments would appear in the compiler's message for a wrong `set`.
macro_rules! handle {
    ($name:ident -> $output:ty, |$handle:ident, $value:ident| $finish:expr) => {
        impl<'a, T> $name<'a, T> {
            #[doc(hidden)]
            pub fn new(session: &'a UntypedSession, key: Key<T>) -> Self {
                Self(Handle::new(session, key))
            }

            /// The field's typed key, the constant that the derive generates.
            ///
            /// ```
            /// # use level_session::{Session, SessionData};
            /// # #[derive(SessionData)] struct Shop { user_id: Option<u64> }
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
            /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
            /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
            /// assert_eq!(session.user_id().key().name(), "user_id");
            /// assert_eq!(session.user_id().key().name(), Shop::USER_ID.name());
            /// # Ok(()) }
            /// ```
            pub fn key(&self) -> Key<T> {
                self.0.key
            }

            /// Sets the value. Only this request sees it until the request ends; then it is stored with all other changes.
            ///
            /// It takes a `T` or, for text, anything that converts into it without loss: `.set("text")` for a `String`. See
            /// [`SetFrom`]. There is nothing to await.
            ///
            /// ```
            /// # use level_session::{Session, SessionData};
            /// # #[derive(SessionData)] struct Shop { name: Option<String>, #[session(default)] page: u32 }
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
            /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
            /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
            /// session.name().set("Ada")?;
            /// session.page().set(3)?;
            /// assert_eq!(session.name().await?.as_deref(), Some("Ada"));
            /// assert_eq!(session.page().await?, 3);
            /// # Ok(()) }
            /// ```
            ///
            /// # Errors
            /// - [`ErrorKind::Encode`] if the value's `Serialize` fails, or the value is larger than 1 MiB or too deeply nested: keep
            ///   it in a database and its key in the session.
            /// - [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](UntypedSession#errors).
            pub fn set<V>(self, value: V) -> Result<()>
            where
                T: SetFrom<V>,
            {
                self.0.set(&T::set_from(value))
            }

            /// Removes the value. Removing a value that is not stored is no error.
            ///
            /// ```
            /// # use level_session::{Session, SessionData};
            /// # #[derive(SessionData)] struct Shop { #[session(default = 1)] page: u32, user_id: Option<u64> }
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
            /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
            /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
            /// session.page().set(3)?;
            /// session.page().remove()?;
            /// session.user_id().remove()?;
            /// assert_eq!(session.page().await?, 1); // the default
            /// assert_eq!(session.user_id().await?, None);
            /// # Ok(()) }
            /// ```
            ///
            /// # Errors
            /// [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](UntypedSession#errors).
            #[doc(alias = "delete")]
            pub fn remove(self) -> Result<()> {
                self.0.remove()
            }
        }

        impl<T> Unpin for $name<'_, T> {}

        impl<T> Future for $name<'_, T> {
            type Output = Result<$output>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let $value = ready!(self.0.poll(cx))?;
                let $handle = &self.0;
                Poll::Ready($finish)
            }
        }

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0.key)
            }
        }
    };
}

use handle;
