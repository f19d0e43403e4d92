//! Callbacks for sessions that have expired or ended.

use crate::digest::Digest;
use std::{
    fmt, ptr,
    sync::{Mutex, PoisonError, Weak},
};

/// Is called with the digest of a session: see [`Store::watch_expired`](crate::Store::watch_expired) and
/// [`Store::watch_ended`](crate::Store::watch_ended).
pub type Watch = dyn Fn(Digest) + Send + Sync;

/// The callbacks that were registered with a store, for as long as they exist.
#[derive(Default)]
pub struct WatchList(Mutex<Vec<Weak<Watch>>>);

impl WatchList {
    /// Adds a callback, unless it is there already, and forgets those that no longer exist.
    pub fn add(&self, watch: Weak<Watch>) {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |other: &Weak<Watch>| ptr::addr_eq(other.as_ptr(), watch.as_ptr());
        watches.retain(|other| other.strong_count() > 0 && !is_it(other));
        watches.push(watch);
    }

    /// Calls all of them. Nothing is locked meanwhile: they may use the store.
    pub fn tell(&self, id: Digest) {
        let watches = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for watch in watches.iter().filter_map(Weak::upgrade) {
            watch(id);
        }
    }
}

impl fmt::Debug for WatchList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchList").finish_non_exhaustive()
    }
}
