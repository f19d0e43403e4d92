//! A number whose changes add up.

use super::{Handle, default, handle};
use crate::{
    error::{Error, ErrorKind, Result},
    session::{set_from::SetFrom, unit::UnitOfWork, untyped::UntypedSession},
    store::{
        FieldName,
        schema::{CounterValue, Key},
    },
};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

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
