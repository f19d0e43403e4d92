//! The stores of this crate under the conformance suite.

mod model;

use super::MemoryStore;
use proptest::prelude::*;
use std::collections::BTreeSet;

crate::conformance_tests!(memory, MemoryStore::new());

/// A promise that is not on the list would be held by nobody.
#[test]
fn every_promise_is_on_the_list() {
    let rooms = [
        include_str!("../conformance/adding.rs"),
        include_str!("../conformance/expiry.rs"),
        include_str!("../conformance/fields.rs"),
        include_str!("../conformance/grace.rs"),
        include_str!("../conformance/guards.rs"),
        include_str!("../conformance/index.rs"),
        include_str!("../conformance/life.rs"),
        include_str!("../conformance/races.rs"),
        include_str!("../conformance/renewal.rs"),
        include_str!("../conformance/upkeep.rs"),
    ];
    let lines = rooms.iter().flat_map(|room| room.lines());
    let promises: BTreeSet<_> = lines
        .filter_map(|line| line.strip_prefix("pub async fn ")?.split_once('('))
        .map(|(name, _)| name)
        .collect();
    macro_rules! listed {
        (() $($promise:ident)*) => { BTreeSet::from([$(stringify!($promise)),*]) };
    }
    assert_eq!(promises, crate::__for_each_promise!(listed));
    assert!(promises.len() > 50);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_store_agrees_with_the_model(actions in model::actions()) {
        block_on(model::run(&mut MemoryStore::new(), &actions, async |_| {}));
    }
}

#[cfg(feature = "fjall")]
mod fjall {
    use super::{block_on, model};
    use crate::Timestamp;
    use crate::store::{
        Commit, Digest, Durability, FjallStore, FjallStoreBuilder, Loaded, Meta, Outcome, Select,
        Store, StoreFuture, Swept,
    };
    use proptest::{prelude::*, test_runner::TestRunner};
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

    fn agrees_with_the_model(cases: u32, builder: FjallStoreBuilder) {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            builder
                .clone()
                .sweep_every(None)
                .open(dir.path().join("sessions.db"))
                .unwrap()
        };
        let store = std::cell::RefCell::new(open());
        let config = ProptestConfig {
            cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        TestRunner::new(config)
            .run(&model::actions(), |actions| {
                let mut store = store.borrow_mut();
                block_on(model::run(&mut *store, &actions, async |store| {
                    store.close().await.unwrap();
                    *store = open();
                }));
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn with_a_cache_it_agrees_with_the_model() {
        agrees_with_the_model(80, FjallStore::builder());
    }

    #[test]
    fn without_a_cache_it_agrees_with_the_model() {
        agrees_with_the_model(80, FjallStore::builder().cache_sessions(0));
    }

    #[test]
    fn with_synced_commits_it_agrees_with_the_model() {
        agrees_with_the_model(20, FjallStore::builder().durability(Durability::Sync));
    }

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
