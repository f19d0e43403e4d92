//! What the closure of an `update` returned.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// What the closure of an [`update_tracked`](crate::Field::update_tracked) returned when it ran last.
///
/// Until the commit that is what it made of the value that the request sees. If another request changed the field
/// meanwhile, the closure runs again within the commit: after a [`commit`](crate::UntypedSession::commit) that succeeded it is
/// what the run returned whose value was stored.
pub struct Updated<R>(Arc<Mutex<Option<R>>>);

impl<R> Updated<R> {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// For the step, which the commit keeps.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    pub(super) fn put(&self, result: R) {
        let former = self.lock().replace(result);
        drop(former); // code of the user's: the lock is free
    }

    /// What the last run returned.
    #[must_use]
    pub fn get(&self) -> R
    where
        R: Clone,
    {
        ran(self.lock().clone())
    }

    /// What the last run returned. (What a run within a later commit returns is dropped then.)
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
