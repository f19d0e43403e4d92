//! Values that are read once.

use super::{Field, Handle, OptField};
use crate::{
    error::Result,
    session::{set_from::SetFrom, untyped::UntypedSession},
    store::schema::Key,
    value::{self, Body, Buffer},
};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

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
