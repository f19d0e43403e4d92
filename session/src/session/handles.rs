//! The handles that accessors return: each is a handle on one field and the future of its value.

use super::{
    read::Read, set_from::SetFrom, unit::UnitOfWork, untyped::UntypedSession, updated::Updated,
};
use crate::{
    changes::{Change, Setting},
    error::{Error, ErrorKind, Result},
    store::{
        Bytes, FieldName, Timestamp,
        schema::{CounterValue, Def, Key},
    },
    value::{self, Body, Buffer},
};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

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

/// A field with a default: reading it returns a `T`, the default if nothing is stored.
///
/// | call | effect |
/// |---|---|
/// | `session.cart().await?` | reads the value: a `T`, a copy |
/// | [`session.cart().set(value)?`](Self::set) | sets the value |
/// | [`session.cart().update(\|cart\| ..).await?`](Self::update) | changes the value in place; no concurrent update is lost |
/// | [`session.cart().update_tracked(\|cart\| ..).await?`](Self::update_tracked) | the same, and returns the result of the run that was stored |
/// | [`session.cart().take().await?`](Self::take) | reads and removes the value at once; one of several requests gets it |
/// | [`session.cart().remove()?`](Self::remove) | removes the value; the field reads as its default again |
///
/// A read returns a copy. `session.cart().await?.push(item)` pushes to the copy, which is dropped: nothing is stored.
/// Write `session.cart().update(move |cart| cart.push(item.clone())).await?`.
///
/// ```
/// # use level_session::{Session, SessionData};
/// #[derive(SessionData)]
/// struct Shop {
///     #[session(default)]
///     cart: Vec<String>,
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
/// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
/// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
/// session.cart().update(|cart| cart.push("tea".to_owned())).await?;
/// assert_eq!(session.cart().await?, ["tea"]);
/// # Ok(()) }
/// ```
#[must_use = "a handle does nothing by itself: `.await` reads, `.set(..)?` writes"]
pub struct Field<'a, T: 'static>(Handle<'a, T>);

handle!(Field -> T, |handle, value| value.map_or_else(|| default(handle.key.typed_def()), Ok));

/// A field without a default: reading it returns an `Option<T>`, `None` if nothing is stored.
///
/// | call | effect |
/// |---|---|
/// | `session.user_id().await?` | reads the value: an `Option<T>`, a copy |
/// | [`session.user_id().set(value)?`](Self::set) | sets the value (a `T`, not an `Option<T>`) |
/// | [`session.user_id().update(\|user\| ..).await?`](Self::update) | updates, inserts or removes the value; no concurrent update is lost |
/// | [`session.user_id().update_tracked(\|user\| ..).await?`](Self::update_tracked) | the same, and returns the result of the run that was stored |
/// | [`session.user_id().take().await?`](Self::take) | reads and removes the value at once; one of several requests gets it |
/// | [`session.user_id().remove()?`](Self::remove) | removes the value |
///
/// A read returns a copy: changes to it are not stored.
///
/// ```
/// # use level_session::{Session, SessionData};
/// #[derive(SessionData)]
/// struct Shop {
///     user_id: Option<u64>,
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
/// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
/// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
/// assert_eq!(session.user_id().await?, None);
/// session.user_id().set(7)?;
/// assert_eq!(session.user_id().await?, Some(7));
/// # Ok(()) }
/// ```
#[must_use = "a handle does nothing by itself: `.await` reads, `.set(..)?` writes"]
pub struct OptField<'a, T: 'static>(Handle<'a, T>);

handle!(OptField -> Option<T>, |_handle, value| Ok(value));

/// A number whose changes add up: no concurrent [`add`](Self::add) is lost.
///
/// | call | effect |
/// |---|---|
/// | `session.visits().await?` | reads the number: a `T`, the default or 0 if nothing is stored |
/// | [`session.visits().add(n)?`](Self::add), [`.sub(n)?`](Self::sub) | adds to it, subtracts from it |
/// | [`session.visits().set(n)?`](Self::set) | replaces it, and with it the additions of other requests so far |
/// | [`session.visits().remove()?`](Self::remove) | removes it; it reads as its default again |
///
/// ```
/// # use level_session::{Session, SessionData};
/// #[derive(SessionData)]
/// struct Shop {
///     #[session(counter)]
///     visits: u64,
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
/// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
/// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
/// session.visits().add(1)?;
/// session.visits().add(1)?;
/// assert_eq!(session.visits().await?, 2);
/// # Ok(()) }
/// ```
#[must_use = "a handle does nothing by itself: `.await` reads, `.set(..)?` writes"]
pub struct Counter<'a, T: 'static>(Handle<'a, T>);

handle!(Counter -> T, |handle, value| value.map_or_else(|| default(handle.key.typed_def()), Ok));

impl<T: Send> Field<'_, T> {
    /// Changes the value in place. `change` runs on the value that this request sees, and runs again on the latest value if
    /// another request has changed the field by the time this one is stored. So no update is lost, and `change` should have
    /// no other effect than its change of the value.
    ///
    /// Returns what `change` returned in its first run. If you need the result of the run whose value was stored, use
    /// [`update_tracked`](Self::update_tracked).
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(default)] cart: Vec<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.cart().update(|cart| cart.push("tea".to_owned())).await?;
    /// let items = session.cart().update(|cart| { cart.push("salt".to_owned()); cart.len() }).await?;
    /// assert_eq!(items, 2);
    /// assert_eq!(session.cart().await?, ["tea", "salt"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of reading (see [Errors](UntypedSession#errors)) and of [`set`](Self::set).
    pub async fn update<R: Send + 'static>(
        self,
        change: impl FnMut(&mut T) -> R + Send + 'static,
    ) -> Result<R> {
        Ok(self.update_tracked(change).await?.into_inner())
    }

    /// Like [`update`](Self::update), but returns a handle on the result of the latest run. After a successful commit, that
    /// is the run whose value was stored.
    ///
    /// ```
    /// # use level_session::{Result, Session, SessionData};
    /// #[derive(SessionData)]
    /// struct Wallet {
    ///     #[session(default)]
    ///     credits: u32,
    /// }
    ///
    /// /// Spends a credit, and says whether there was one.
    /// async fn spend(session: Session<Wallet>) -> Result<bool> {
    ///     let spend = |credits: &mut u32| {
    ///         let left = credits.checked_sub(1);
    ///         *credits = left.unwrap_or(0);
    ///         left.is_some()
    ///     };
    ///     let spent = session.credits().update_tracked(spend).await?;
    ///     session.commit().await?; // another request may have spent the last one meanwhile
    ///     Ok(spent.get())
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub async fn update_tracked<R: Send + 'static>(
        self,
        mut change: impl FnMut(&mut T) -> R + Send + 'static,
    ) -> Result<Updated<R>> {
        let def = self.0.key.typed_def();
        // The derive generates a `Field` only for fields with a default.
        let default = def.default.ok_or_else(|| no_default(def))?;
        self.0
            .update(move |value| Ok(change(value.get_or_insert_with(default))))
            .await
    }

    /// Reads the value and removes it from the stored session at once, without waiting for the end of the request. If several
    /// requests take the same field, exactly one gets the value and the others get `None`. The field stays removed even if
    /// the request fails.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(default)] queue: Vec<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.queue().set(vec![1, 2])?;
    /// assert_eq!(session.queue().take().await?, Some(vec![1, 2]));
    /// assert_eq!(session.queue().take().await?, None);
    /// assert_eq!(session.queue().await?, Vec::<u64>::new()); // the default
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of reading: see [Errors](UntypedSession#errors). After an error with
    /// [`Error::may_be_stored`](crate::Error::may_be_stored) the value may be removed all the same.
    pub async fn take(self) -> Result<Option<T>> {
        self.0.take().await
    }
}

impl<T: Send> OptField<'_, T> {
    /// Updates, inserts or removes the value. `change` runs on the value that this request sees, and runs again on the latest
    /// value if another request has changed the field by the time this one is stored. So no update is lost, and `change`
    /// should have no other effect than its change of the value.
    ///
    /// Returns what `change` returned in its first run. If you need the result of the run whose value was stored, use
    /// [`update_tracked`](Self::update_tracked).
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { best: Option<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// let keep_best = |best: &mut Option<u64>| *best = (*best).max(Some(40));
    /// session.best().update(keep_best).await?;
    /// assert_eq!(session.best().await?, Some(40));
    /// session.best().update(|best| *best = None).await?; // removes it
    /// assert_eq!(session.best().await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of reading (see [Errors](UntypedSession#errors)) and of [`set`](Self::set).
    pub async fn update<R: Send + 'static>(
        self,
        change: impl FnMut(&mut Option<T>) -> R + Send + 'static,
    ) -> Result<R> {
        Ok(self.update_tracked(change).await?.into_inner())
    }

    /// Like [`update`](Self::update), but returns a handle on the result of the latest run. After a successful commit, that
    /// is the run whose value was stored. See [`Field::update_tracked`].
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { seat: Option<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// let reserve = |seat: &mut Option<u64>| *seat.get_or_insert(12); // keeps a seat that is there
    /// let seat = session.seat().update_tracked(reserve).await?;
    /// session.commit().await?;
    /// assert_eq!(seat.get(), 12);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub async fn update_tracked<R: Send + 'static>(
        self,
        mut change: impl FnMut(&mut Option<T>) -> R + Send + 'static,
    ) -> Result<Updated<R>> {
        self.0.update(move |value| Ok(change(value))).await
    }

    /// Reads the value and removes it from the stored session at once, without waiting for the end of the request. If several
    /// requests take the same field, exactly one gets the value and the others get `None`. The field stays removed even if
    /// the request fails. Use it for one-time codes and the `state` of OAuth.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { code: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.code().set("271828")?;
    /// session.commit().await?;
    /// let other = session.detach()?; // another request
    /// assert_eq!(session.code().take().await?.as_deref(), Some("271828"));
    /// assert_eq!(other.code().take().await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of reading: see [Errors](UntypedSession#errors). After an error with
    /// [`Error::may_be_stored`](crate::Error::may_be_stored) the value may be removed all the same: issue a new code.
    pub async fn take(self) -> Result<Option<T>> {
        self.0.take().await
    }
}

impl<T: CounterValue> Counter<'_, T> {
    /// Adds `delta` to the value that is stored when the request ends. Additions of concurrent requests add up.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(counter)] visits: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.visits().add(1)?;
    /// session.commit().await?;
    /// let other = session.detach()?; // another request
    /// session.visits().add(1)?;
    /// other.visits().add(1)?;
    /// session.commit().await?;
    /// other.commit().await?;
    /// assert_eq!(other.visits().await?, 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Overflow`] if the sum is already known to leave the range of `T`. If that shows only when the request
    ///   is stored, the commit fails with this kind and stores nothing.
    /// - [`ErrorKind::Gone`], [`ErrorKind::Closed`]: see [Errors](UntypedSession#errors).
    #[doc(alias = "increment")]
    #[allow(
        clippy::should_implement_trait,
        reason = "it changes a session and can fail"
    )]
    pub fn add(self, delta: T) -> Result<()> {
        self.add_wide(delta.widen())
    }

    /// Subtracts `delta`: see [`add`](Self::add).
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Quiz { #[session(counter, default = 3)] lives: u8 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Quiz> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.lives().sub(1)?;
    /// assert_eq!(session.lives().await?, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`add`](Self::add).
    #[doc(alias = "decrement")]
    #[allow(
        clippy::should_implement_trait,
        reason = "it changes a session and can fail"
    )]
    pub fn sub(self, delta: T) -> Result<()> {
        self.add_wide(-delta.widen())
    }

    fn add_wide(self, delta: i128) -> Result<()> {
        let Handle { unit, key, .. } = self.0;
        let base = default(key.typed_def())?.widen();
        let now = unit.now();
        match UnitOfWork::adding(&key.typed_def().erased, delta, base, now) {
            Some(add) => unit
                .lock()
                .add(&FieldName::from_static(key.name()), add, now),
            None => Err(
                Error::new(ErrorKind::Type, "is not declared `#[session(counter)]`").on(key.name()),
            ),
        }
    }
}

/// A value that is read once: reading takes it.
///
/// `.await` returns the value and removes it from the stored session at once, so that only one of two concurrent requests
/// shows it. In a HEAD request, whose response shows nothing, `.await` leaves the value in place.
///
/// | call | effect |
/// |---|---|
/// | `session.notice().await?` | takes the value: an `Option<T>` |
/// | [`session.notice().peek().await?`](Self::peek) | reads the value and leaves it in place |
/// | [`session.notice().set(value)?`](Self::set) | sets the value |
/// | [`session.notice().remove()?`](Self::remove) | removes the value unread |
///
/// ```
/// # use level_session::{Session, SessionData};
/// #[derive(SessionData)]
/// struct Shop {
///     #[session(flash)]
///     notice: Option<String>,
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
/// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
/// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
/// session.notice().set("Saved")?;
/// assert_eq!(session.notice().await?.as_deref(), Some("Saved"));
/// assert_eq!(session.notice().await?, None);
/// # Ok(()) }
/// ```
#[must_use = "a handle does nothing by itself: `.await` takes, `.set(..)?` writes"]
pub struct Flash<'a, T: 'static> {
    session: &'a UntypedSession,
    key: Key<T>,
    taking: Option<Taking<'a, T>>,
}

type Taking<'a, T> = Pin<Box<dyn Future<Output = Result<Option<T>>> + Send + 'a>>;

impl<'a, T> Flash<'a, T> {
    #[doc(hidden)]
    pub fn new(session: &'a UntypedSession, key: Key<T>) -> Self {
        Self {
            session,
            key,
            taking: None,
        }
    }

    /// The field's typed key, the constant that the derive generates.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] notice: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// assert_eq!(session.notice().key().name(), Shop::NOTICE.name());
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> Key<T> {
        self.key
    }

    /// Sets the value. The next request that reads the field takes it, or this one if it reads the field.
    ///
    /// ```
    /// # use level_session::{Result, Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] notice: Option<String> }
    /// async fn save(session: Session<Shop>) -> Result<axum::response::Redirect> {
    ///     session.notice().set("Saved")?;
    ///     Ok(axum::response::Redirect::to("/")) // the page there shows it
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`OptField::set`].
    pub fn set<V>(self, value: V) -> Result<()>
    where
        T: SetFrom<V>,
    {
        self.peek().set(value)
    }

    /// Removes the value unread.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] notice: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.notice().set("Saved")?;
    /// session.notice().remove()?;
    /// assert_eq!(session.notice().await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`OptField::remove`].
    pub fn remove(self) -> Result<()> {
        self.peek().remove()
    }

    /// Reads the value and leaves it in place.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] notice: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.notice().set("Saved")?;
    /// assert!(session.notice().peek().await?.is_some());
    /// assert!(session.notice().peek().await?.is_some());
    /// # Ok(()) }
    /// ```
    pub fn peek(self) -> OptField<'a, T> {
        OptField::new(self.session, self.key)
    }
}

impl<T> Unpin for Flash<'_, T> {}

impl<T: Send> Future for Flash<'_, T> {
    type Output = Result<Option<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            session,
            key,
            taking,
        } = &mut *self;
        let future = taking.get_or_insert_with(|| {
            let field = OptField::new(session, *key);
            match session.unit().is_head() {
                true => Box::pin(field),
                false => Box::pin(field.take()),
            }
        });
        future.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Flash<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flash({:?})", self.key)
    }
}

/// Messages that are read once: reading takes all of them.
///
/// `.await` returns the messages and removes them from the stored session at once, so that only one of two concurrent
/// requests shows them. In a HEAD request, whose response shows nothing, `.await` leaves them in place.
///
/// | call | effect |
/// |---|---|
/// | `session.messages().await?` | takes all messages: a `Vec<T>`, empty if there are none |
/// | [`session.messages().push(message).await?`](Self::push) | adds one |
/// | [`session.messages().peek().await?`](Self::peek) | reads the messages and leaves them in place |
/// | [`session.messages().set(messages)?`](Self::set) | replaces all messages |
/// | [`session.messages().remove()?`](Self::remove) | removes all messages unread |
///
/// ```
/// # use level_session::{Session, SessionData};
/// #[derive(SessionData)]
/// struct Shop {
///     #[session(flash)]
///     messages: Vec<String>,
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
/// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
/// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
/// session.messages().push("Saved").await?;
/// session.messages().push("Sent").await?;
/// assert_eq!(session.messages().await?, ["Saved", "Sent"]);
/// assert!(session.messages().await?.is_empty());
/// # Ok(()) }
/// ```
#[must_use = "a handle does nothing by itself: `.await` takes, `.push(..).await?` adds"]
pub struct FlashList<'a, T: 'static>(Flash<'a, Vec<T>>);

impl<'a, T> FlashList<'a, T> {
    #[doc(hidden)]
    pub fn new(session: &'a UntypedSession, key: Key<Vec<T>>) -> Self {
        Self(Flash::new(session, key))
    }

    /// The field's typed key, the constant that the derive generates.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] messages: Vec<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// assert_eq!(session.messages().key().name(), Shop::MESSAGES.name());
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> Key<Vec<T>> {
        self.0.key()
    }

    /// Adds a message after the ones that are stored. It is an [`update`](Field::update): no message of a concurrent request
    /// is lost.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] messages: Vec<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.messages().push("Saved").await?;
    /// assert_eq!(session.messages().peek().await?, ["Saved"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`Field::update`].
    pub fn push<V>(self, message: V) -> impl Future<Output = Result<()>> + Send
    where
        T: SetFrom<V> + Send,
    {
        let Flash { session, key, .. } = self.0;
        let fail = move |cause: value::ValueError| cause.on_field(key.name());
        // As bytes, since each run needs it and it need not be `Clone`.
        let mut bytes = Buffer::new();
        let written =
            (key.typed_def().encode)(&vec![T::set_from(message)], &mut bytes).map_err(fail);
        async move {
            written?;
            let push = move |messages: &mut Option<Vec<T>>| {
                let mut added = (key.typed_def().decode)(&Body::of(&bytes)).map_err(fail)?;
                messages.get_or_insert_default().append(&mut added);
                Ok(())
            };
            Handle::new(session, key).update(push).await.map(drop)
        }
    }

    /// Replaces all messages.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] messages: Vec<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.messages().push("Saved").await?;
    /// session.messages().set(vec!["Undone".to_owned()])?;
    /// assert_eq!(session.messages().await?, ["Undone"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`Field::set`].
    pub fn set(self, messages: Vec<T>) -> Result<()> {
        self.0.set(messages)
    }

    /// Removes all messages unread.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] messages: Vec<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.messages().push("Saved").await?;
    /// session.messages().remove()?;
    /// assert!(session.messages().await?.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`Field::remove`].
    pub fn remove(self) -> Result<()> {
        self.0.remove()
    }

    /// Reads the messages and leaves them in place.
    ///
    /// ```
    /// # use level_session::{Session, SessionData};
    /// # #[derive(SessionData)] struct Shop { #[session(flash)] messages: Vec<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session: level_session::Session<Shop> = sessions.begin_typed(&http::HeaderMap::new())?;
    /// session.messages().push("Saved").await?;
    /// assert_eq!(session.messages().peek().await?.len(), 1);
    /// assert_eq!(session.messages().peek().await?.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn peek(self) -> Field<'a, Vec<T>> {
        Field::new(self.0.session, self.0.key)
    }
}

impl<T> Unpin for FlashList<'_, T> {}

impl<T: Send> Future for FlashList<'_, T> {
    type Output = Result<Vec<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let taken = ready!(Pin::new(&mut self.0).poll(cx))?;
        Poll::Ready(Ok(taken.unwrap_or_default()))
    }
}

impl<T> fmt::Debug for FlashList<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlashList({:?})", self.key())
    }
}
