//! The result of an `update`'s closure.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// The result of the latest run of an [`update_tracked`](crate::Field::update_tracked) closure.
///
/// Before the commit, that is the run on the value that the request sees. If another request changed the field meanwhile,
/// the closure runs again during the commit: after a successful [`commit`](crate::UntypedSession::commit) it is the
/// result of the run whose value was stored.
pub struct Updated<R>(Arc<Mutex<Option<R>>>);

impl<R> Updated<R> {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// A second handle for the step, which the commit keeps.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    pub(super) fn put(&self, result: R) {
        let former = self.lock().replace(result);
        drop(former); // runs user code, so the lock is released first
    }

    /// The result of the latest run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// let updated = session.update_tracked("n", |n: &mut Option<u64>| *n.insert(1)).await?;
    /// assert_eq!(updated.get(), 1); // so far
    /// session.commit().await?;
    /// assert_eq!(updated.get(), 1); // stored
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn get(&self) -> R
    where
        R: Clone,
    {
        ran(self.lock().clone())
    }

    /// The result of the latest run so far; results of later runs are dropped.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session::Result<()> {
    /// # let sessions = level_session::Sessions::new(level_session::MemoryStore::new(), level_session::Keyring::generate()?);
    /// # let session = sessions.begin(&http::HeaderMap::new());
    /// session.set("name", "Ada")?;
    /// let swap = |name: &mut Option<String>| name.replace("Grace".to_owned());
    /// let former = session.update_tracked("name", swap).await?.into_inner();
    /// assert_eq!(former.as_deref(), Some("Ada"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn into_inner(self) -> R {
        ran(self.lock().take())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There is one of these only after a run, and it is taken only with it.
fn ran<R>(result: Option<R>) -> R {
    result.expect("an update that succeeded has run")
}

impl<R> fmt::Debug for Updated<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Updated")
    }
}
