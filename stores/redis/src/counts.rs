//! The counters of a store.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`RedisStore`](crate::RedisStore) has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Commits that were stored.
    pub commits: u64,
    /// Commits that a guard refused: the core retries them.
    pub conflicts: u64,
    /// Commands that were sent again, because a server reported that it did not run them.
    pub retries: u64,
    /// Commits whose response was lost.
    pub uncertain: u64,
    /// Connections that were reopened.
    pub reconnects: u64,
    /// Reads from this process's memory: see [`cache`](crate::RedisStoreBuilder::cache).
    pub cached: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    conflicts: AtomicU64,
    retries: AtomicU64,
    uncertain: AtomicU64,
    reconnects: AtomicU64,
}

impl Counters {
    pub(crate) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn conflicted(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tried_again(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn uncertain(&self) {
        self.uncertain.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            commits: of(&self.commits),
            conflicts: of(&self.conflicts),
            retries: of(&self.retries),
            uncertain: of(&self.uncertain),
            reconnects: of(&self.reconnects),
            cached: 0,
        }
    }
}
