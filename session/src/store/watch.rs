//! Who wants to know of sessions that had expired and were removed.

use super::Digest;
use std::{
    fmt,
    sync::{Mutex, PoisonError, Weak},
};

/// What is called with the digest of a session that had expired and was removed: see
/// [`Store::watch_expired`](super::Store::watch_expired).
pub type ExpiredWatch = dyn Fn(Digest) + Send + Sync;

/// Those who asked a store, for as long as they are there.
#[derive(Default)]
pub(super) struct Watchers(Mutex<Vec<Weak<ExpiredWatch>>>);

impl Watchers {
    pub(super) fn add(&self, watch: Weak<ExpiredWatch>) {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watch| watch.strong_count() > 0);
        watchers.push(watch);
    }

    /// Tells all of them. Nothing is locked meanwhile: they may use the store.
    pub(super) fn tell(&self, id: Digest) {
        let watchers = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for watch in watchers.iter().filter_map(Weak::upgrade) {
            watch(id);
        }
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchers").finish_non_exhaustive()
    }
}
