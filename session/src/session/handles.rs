//! What an accessor returns: a handle on one field, which is itself the future of its value.

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

/// What all handles share.
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

    /// `change` gets what is there and leaves what shall be there.
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

/// Reads stored bytes as the field's type; what has outlived its TTL is not there.
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

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident -> $output:ty, |$handle:ident, $value:ident| $finish:expr) => {
        $(#[$doc])*
        #[must_use = "a handle does nothing by itself: `.await` reads, `.set(..)?` writes"]
        pub struct $name<'a, T: 'static>(Handle<'a, T>);

        impl<'a, T> $name<'a, T> {
            #[doc(hidden)]
            pub fn new(session: &'a UntypedSession, key: Key<T>) -> Self {
                Self(Handle::new(session, key))
            }

            /// The field's typed key.
            pub fn key(&self) -> Key<T> {
                self.0.key
            }

            /// Sets the value. It is yours alone until the request ends, then it is stored with everything else.
            ///
            /// Nothing is awaited, so that there is no await to forget. It takes a `T`, and for texts what converts
            /// without loss: `.set("text")` for a `String`. See [`SetFrom`].
            ///
            /// # Errors
            /// [`ErrorKind::Encode`] if the value's `Serialize` fails or it is too large or too deep;
            /// [`ErrorKind::Closed`] and [`ErrorKind::Gone`] if the request or the session is over.
            pub fn set<V>(self, value: V) -> Result<()>
            where
                T: SetFrom<V>,
            {
                self.0.set(&T::set_from(value))
            }

            /// Removes the value; no error if there is none.
            ///
            /// # Errors
            /// [`ErrorKind::Closed`] and [`ErrorKind::Gone`] if the request or the session is over.
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

handle! {
    /// A field with a default: reading it gives a `T`, the default where nothing is stored.
    ///
    /// `.await` reads; [`set`](Self::set), [`update`](Self::update), [`remove`](Self::remove) and
    /// [`take`](Self::take) change.
    ///
    /// What is read is a copy. `session.cart().await?.push(item)` pushes to the copy, which is dropped: nothing is stored.
    /// Write `session.cart().update(move |cart| cart.push(item.clone())).await?`.
    Field -> T, |handle, value| value.map_or_else(|| default(handle.key.typed_def()), Ok)
}

handle! {
    /// A field without a default: reading it gives an `Option<T>`, `None` where nothing is stored.
    ///
    /// What is read is a copy: what is changed in it is not stored. [`set`](Self::set), [`update`](Self::update),
    /// [`remove`](Self::remove) and [`take`](Self::take) change.
    OptField -> Option<T>, |_handle, value| Ok(value)
}

handle! {
    /// A number whose changes add up: of any number of concurrent [`add`](Self::add)s none is lost.
    Counter -> T, |handle, value| value.map_or_else(|| default(handle.key.typed_def()), Ok)
}

impl<T: Send> Field<'_, T> {
    /// Changes the value: `change` runs on what the request sees, and again on the latest value if another request
    /// changed it meanwhile. So no update is lost, and `change` should do nothing but change the value.
    ///
    /// It gives what `change` returned for the value that the request sees. Where that must be what was stored in the
    /// end, use [`update_tracked`](Self::update_tracked).
    ///
    /// # Errors
    /// Those of reading and of [`set`](Self::set).
    pub async fn update<R: Send + 'static>(
        self,
        change: impl FnMut(&mut T) -> R + Send + 'static,
    ) -> Result<R> {
        Ok(self.update_tracked(change).await?.into_inner())
    }

    /// As [`update`](Self::update), and says what `change` returned when it ran last: after the commit that is the run
    /// whose value was stored.
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
    /// As [`update`](Self::update).
    pub async fn update_tracked<R: Send + 'static>(
        self,
        mut change: impl FnMut(&mut T) -> R + Send + 'static,
    ) -> Result<Updated<R>> {
        let def = self.0.key.typed_def();
        // The derive makes a `Field` only of what has a default.
        let default = def.default.ok_or_else(|| no_default(def))?;
        self.0
            .update(move |value| Ok(change(value.get_or_insert_with(default))))
            .await
    }

    /// Takes the value out of the session, at once and whatever becomes of the request: of any number of concurrent
    /// takers one gets it, the others get `None`.
    ///
    /// # Errors
    /// Those of reading, and [`ErrorKind::Store`] if it cannot be claimed.
    pub async fn take(self) -> Result<Option<T>> {
        self.0.take().await
    }
}

impl<T: Send> OptField<'_, T> {
    /// Changes the value, or that there is one: `change` runs on what the request sees, and again on the latest value
    /// if another request changed it meanwhile. So no update is lost, and `change` should do nothing but change the
    /// value.
    ///
    /// It gives what `change` returned for the value that the request sees. Where that must be what was stored in the
    /// end, use [`update_tracked`](Self::update_tracked).
    ///
    /// # Errors
    /// Those of reading and of [`set`](Self::set).
    pub async fn update<R: Send + 'static>(
        self,
        change: impl FnMut(&mut Option<T>) -> R + Send + 'static,
    ) -> Result<R> {
        Ok(self.update_tracked(change).await?.into_inner())
    }

    /// As [`update`](Self::update), and says what `change` returned when it ran last: see
    /// [`Field::update_tracked`].
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn update_tracked<R: Send + 'static>(
        self,
        mut change: impl FnMut(&mut Option<T>) -> R + Send + 'static,
    ) -> Result<Updated<R>> {
        self.0.update(move |value| Ok(change(value))).await
    }

    /// Takes the value out of the session, at once and whatever becomes of the request: of any number of concurrent
    /// takers one gets it, the others get `None`. For one-time codes and OAuth's `state`.
    ///
    /// # Errors
    /// Those of reading, and [`ErrorKind::Store`] if it cannot be claimed.
    pub async fn take(self) -> Result<Option<T>> {
        self.0.take().await
    }
}

impl<T: CounterValue> Counter<'_, T> {
    /// Adds `delta` to what is stored when the request ends, whatever that is then.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] if the sum is known to leave the range of `T`; where it only turns out when the request
    /// is stored, that fails, and nothing of it is stored. [`ErrorKind::Closed`] and [`ErrorKind::Gone`] as always.
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
    /// # Errors
    /// As [`add`](Self::add).
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
/// `.await` gives the value and claims it at once, so that of two concurrent requests one shows it. [`peek`](Self::peek)
/// looks without taking; so does `.await` in a HEAD request, whose response nobody is shown.
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

    /// The field's typed key.
    pub fn key(&self) -> Key<T> {
        self.key
    }

    /// Sets the value, for the next request that reads it, or for this one.
    ///
    /// # Errors
    /// As [`OptField::set`].
    pub fn set<V>(self, value: V) -> Result<()>
    where
        T: SetFrom<V>,
    {
        self.peek().set(value)
    }

    /// Removes the value unread.
    ///
    /// # Errors
    /// As [`OptField::remove`].
    pub fn remove(self) -> Result<()> {
        self.peek().remove()
    }

    /// Reads the value and leaves it where it is.
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
/// `.await` gives them, an empty list where there are none, and claims them at once, so that of two concurrent requests
/// one shows them. [`push`](Self::push) adds one; [`peek`](Self::peek) looks without taking.
#[must_use = "a handle does nothing by itself: `.await` takes, `.push(..).await?` adds"]
pub struct FlashList<'a, T: 'static>(Flash<'a, Vec<T>>);

impl<'a, T> FlashList<'a, T> {
    #[doc(hidden)]
    pub fn new(session: &'a UntypedSession, key: Key<Vec<T>>) -> Self {
        Self(Flash::new(session, key))
    }

    /// The field's typed key.
    pub fn key(&self) -> Key<Vec<T>> {
        self.0.key()
    }

    /// Adds a message behind those that are there. It is an [`update`](Field::update), so of any number of concurrent
    /// requests that add one none is lost.
    ///
    /// # Errors
    /// As [`Field::update`].
    pub fn push<V>(self, message: V) -> impl Future<Output = Result<()>> + Send
    where
        T: SetFrom<V> + Send,
    {
        let Flash { session, key, .. } = self.0;
        let fail = move |cause: value::ValueError| cause.on_field(key.name());
        // As bytes, since it is needed once for each run and need not be `Clone`.
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

    /// Sets all messages, in place of those that are there.
    ///
    /// # Errors
    /// As [`Field::set`].
    pub fn set(self, messages: Vec<T>) -> Result<()> {
        self.0.set(messages)
    }

    /// Removes the messages unread.
    ///
    /// # Errors
    /// As [`Field::remove`].
    pub fn remove(self) -> Result<()> {
        self.0.remove()
    }

    /// Reads the messages and leaves them where they are.
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
