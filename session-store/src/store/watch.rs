//! Callbacks for sessions that have expired or ended, and for closing the store.

use crate::digest::Digest;
use std::{
    fmt, ptr,
    sync::{Mutex, PoisonError, Weak},
};

/// Is notified of sessions: see [`Store::watch_expired`](crate::Store::watch_expired) and
/// [`Store::watch_ended`](crate::Store::watch_ended). A closure that takes a [`Digest`] is a watcher that ignores
/// [`closed`](Self::closed).
pub trait Watcher: Send + Sync {
    /// A session has expired or ended.
    fn session(&self, id: Digest);

    /// The store is closing: no more ends will be reported.
    fn closed(&self) {}
}

impl<F: Fn(Digest) + Send + Sync> Watcher for F {
    fn session(&self, id: Digest) {
        self(id);
    }
}

/// A [`Watcher`], as a store holds it.
pub type Watch = dyn Watcher;

/// The callbacks that were registered with a store, for as long as they exist.
#[derive(Default)]
pub struct WatchList(Mutex<Vec<Weak<Watch>>>);

impl WatchList {
    /// Adds a callback, unless it is registered already, and removes those that no longer exist.
    pub fn add(&self, watch: Weak<Watch>) {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |other: &Weak<Watch>| ptr::addr_eq(other.as_ptr(), watch.as_ptr());
        watches.retain(|other| other.strong_count() > 0 && !is_it(other));
        watches.push(watch);
    }

    /// Notifies all callbacks of a session. No lock is held meanwhile: they may use the store.
    pub fn tell(&self, id: Digest) {
        self.each(|watch| watch.session(id));
    }

    /// Notifies all callbacks that the store is closing. No lock is held meanwhile.
    pub fn tell_closed(&self) {
        self.each(|watch| watch.closed());
    }

    fn each(&self, tell: impl Fn(&Watch)) {
        let watches = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for watch in watches.iter().filter_map(Weak::upgrade) {
            tell(&*watch);
        }
    }
}

impl fmt::Debug for WatchList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchList").finish_non_exhaustive()
    }
}
