//! A field with a default, and one without.

use super::{Handle, default, handle, no_default};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    error::Result,
    session::{set_from::SetFrom, untyped::UntypedSession, updated::Updated},
    store::schema::Key,
};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A field with a default: reading it returns a `T`, the default if nothing is stored.
///
/// | call | effect |
/// |---|---|
/// | `session.cart().await?` | reads the value: a `T`, a copy |
/// | [`session.cart().set(value)?`](Self::set) | sets the value |
/// | [`session.cart().update(\|cart\| ..).await?`](Self::update) | changes the value in place; no concurrent update is lost |
/// | [`session.cart().update_tracked(\|cart\| ..).await?`](Self::update_tracked) | the same, and returns an [`Updated`], which has the result of the run that is stored |
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
/// | [`session.user_id().update_tracked(\|user\| ..).await?`](Self::update_tracked) | the same, and returns an [`Updated`], which has the result of the run that is stored |
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

impl<T: Send> Field<'_, T> {
    /// Changes the value in place. `change` runs on the value that this request sees, and runs again on the latest value if
    /// another request has changed the field before this request commits. So no update is lost, and `change` should have
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

    /// Like [`update`](Self::update), but returns an [`Updated`] with the result of the latest run. After a successful
    /// commit, that is the run whose value was stored.
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
    /// value if another request has changed the field before this request commits. So no update is lost, and `change`
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

    /// Like [`update`](Self::update), but returns an [`Updated`] with the result of the latest run. After a successful
    /// commit, that is the run whose value was stored. See [`Field::update_tracked`].
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
