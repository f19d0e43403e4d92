//! Whom a store of this process tells of expired sessions.

use super::{Digest, ExpiryListener};
use std::sync::{PoisonError, RwLock};

#[derive(Default)]
pub(super) struct Listener(RwLock<Option<ExpiryListener>>);

impl Listener {
    pub(super) fn set(&self, listener: ExpiryListener) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    /// Tells of sessions that were removed; for when no lock of the store is held.
    pub(super) fn tell(&self, expired: Vec<Digest>) {
        let listener = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(listener) = listener {
            expired.into_iter().for_each(|id| listener(id));
        }
    }
}
