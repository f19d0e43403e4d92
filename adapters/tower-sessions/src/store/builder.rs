//! The settings of the store.

use super::BridgeStore;
use crate::index::Index;
use level_session_store::{Clock, ConfigError, RESERVED_PREFIX, Store};
use std::{fmt, sync::Arc};

/// The settings of a [`BridgeStore`].
#[must_use]
pub struct BridgeStoreBuilder {
    store: Arc<dyn Store>,
    clock: Clock,
    indexes: Vec<Index>,
}

impl BridgeStoreBuilder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Clock::system(),
            indexes: Vec::new(),
        }
    }

    /// Indexes sessions by a part of the value of a key, selected by this JSON pointer (RFC 6901), or by the whole value for
    /// `""`. A session for which the pointer selects nothing, or `null`, is not found.
    ///
    /// The index covers values that are written from then on: an older session is not found until the key is written again.
    ///
    /// ```
    /// use level_session_store::MemoryStore;
    /// use level_session_tower_sessions::BridgeStore;
    ///
    /// // axum-login stores the signed-in user there.
    /// let store = BridgeStore::builder(MemoryStore::new())
    ///     .with_index("axum-login.data", "/user_id")
    ///     .build()?;
    /// # Ok::<(), level_session_store::ConfigError>(())
    /// ```
    pub fn with_index(mut self, key: impl Into<String>, pointer: impl Into<String>) -> Self {
        self.indexes.push(Index {
            key: key.into().into(),
            pointer: pointer.into(),
        });
        self
    }

    /// Sets the clock. Default: the system clock.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds the store.
    ///
    /// # Errors
    /// If a pointer is invalid, or a key has two indexes, is empty, or is reserved for the library.
    pub fn build(self) -> Result<BridgeStore, ConfigError> {
        for (at, index) in self.indexes.iter().enumerate() {
            let refused = if !index.pointer.is_empty() && !index.pointer.starts_with('/') {
                "its JSON pointer does not begin with '/'; for the member `user_id`, write `/user_id`"
            } else if index.key.is_empty() || index.key.starts_with(RESERVED_PREFIX) {
                "its key is empty, or reserved for the library; choose another key"
            } else if self.indexes[..at]
                .iter()
                .any(|other| other.key == index.key)
            {
                "its key already has an index; a key can have only one"
            } else {
                continue;
            };
            return Err(ConfigError::new(
                format!("the index on `{}`", index.key),
                refused,
            ));
        }
        Ok(BridgeStore::with(self.store, self.clock, self.indexes))
    }
}

impl fmt::Debug for BridgeStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeStoreBuilder")
            .field("indexes", &self.indexes)
            .finish_non_exhaustive()
    }
}
