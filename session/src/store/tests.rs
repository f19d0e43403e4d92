//! The stores of this crate under the conformance suite.

use super::MemoryStore;

crate::conformance_tests!(memory, MemoryStore::new());

#[cfg(feature = "fjall")]
mod fjall {
    use crate::Timestamp;
    use crate::store::{
        Commit, Digest, Durability, FjallStore, FjallStoreBuilder, Loaded, Meta, Outcome, Select,
        Store, StoreFuture, Swept,
    };
    use std::time::Duration;

    crate::conformance_tests!(cached, InDir::new(FjallStore::builder()));
    crate::conformance_tests!(
        uncached,
        InDir::new(FjallStore::builder().cache_sessions(0))
    );
    crate::conformance_tests!(
        tiny_cache,
        InDir::new(FjallStore::builder().cache_sessions(1))
    );
    crate::conformance_tests!(
        synced,
        InDir::new(FjallStore::builder().durability(Durability::Sync))
    );
    crate::conformance_tests!(
        synced_at_intervals,
        InDir::new(
            FjallStore::builder().durability(Durability::Interval(Duration::from_millis(1)))
        )
    );

    /// A store in a directory that goes when the store does.
    struct InDir {
        store: FjallStore,
        _dir: tempfile::TempDir,
    }

    impl InDir {
        fn new(builder: FjallStoreBuilder) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = builder.open(dir.path().join("sessions.db")).unwrap();
            Self { store, _dir: dir }
        }
    }

    impl Store for InDir {
        fn load<'a>(
            &'a self,
            id: Digest,
            select: Select<'a>,
            now: Timestamp,
        ) -> StoreFuture<'a, Loaded> {
            self.store.load(id, select, now)
        }
        fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
            self.store.commit(commit)
        }
        fn find<'a>(
            &'a self,
            field: &'a str,
            entry: &'a [u8],
            now: Timestamp,
        ) -> StoreFuture<'a, Vec<(Digest, Meta)>> {
            self.store.find(field, entry, now)
        }
        fn page(
            &self,
            after: Option<Digest>,
            limit: usize,
            now: Timestamp,
        ) -> StoreFuture<'_, Vec<Digest>> {
            self.store.page(after, limit, now)
        }
        fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
            self.store.sweep(now, limit)
        }
        fn close(&self) -> StoreFuture<'_, ()> {
            self.store.close()
        }
    }
}
