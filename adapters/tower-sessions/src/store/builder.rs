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

    /// Makes sessions findable by a part of the value of a key: by what is there at this JSON pointer (RFC 6901), or by
    /// the whole value for `""`. A session whose value has nothing there, or `null`, is not found.
    ///
    /// It holds for what is written from then on: a session that is not written to is not found.
    ///
    /// ```
    /// use level_session_store::MemoryStore;
    /// use level_session_tower_sessions::BridgeStore;
    ///
    /// // axum-login keeps the signed-in user there.
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

    /// Where the time is taken from. Default: the system.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The store with these settings.
    ///
    /// # Errors
    /// If a pointer is none, or a key has two indexes or belongs to the library.
    pub fn build(self) -> Result<BridgeStore, ConfigError> {
        for (at, index) in self.indexes.iter().enumerate() {
            let refused = if !index.pointer.is_empty() && !index.pointer.starts_with('/') {
                "its JSON pointer does not begin with '/': write `/user_id` for the member `user_id`"
            } else if index.key.is_empty() || index.key.starts_with(RESERVED_PREFIX) {
                "its key is empty, or belongs to the library"
            } else if self.indexes[..at]
                .iter()
                .any(|other| other.key == index.key)
            {
                "its key has an index already: one is what a key can have"
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
