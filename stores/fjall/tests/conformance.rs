//! The embedded store keeps every promise of the store contract: with a cache, without, with a cache of one session,
//! and under each durability; and it agrees with the model, also across restarts.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use level_session_fjall::{Durability, FjallStore, FjallStoreBuilder};
use level_session_store::{Store, Wrapper, conformance::model};
use proptest::{prelude::*, test_runner::TestRunner};
use std::time::Duration;

/// A store in a directory that is removed with it.
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

impl Wrapper for InDir {
    fn inner(&self) -> &dyn Store {
        &self.store
    }
}

level_session_store::conformance_tests!(cached, InDir::new(FjallStore::builder()));
level_session_store::conformance_tests!(
    uncached,
    InDir::new(FjallStore::builder().cache_sessions(0))
);
level_session_store::conformance_tests!(
    tiny_cache,
    InDir::new(FjallStore::builder().cache_sessions(1))
);
level_session_store::conformance_tests!(
    queued,
    InDir::new(FjallStore::builder().queue_all_commits())
);
level_session_store::conformance_tests!(
    synced,
    InDir::new(FjallStore::builder().durability(Durability::Sync))
);
level_session_store::conformance_tests!(
    synced_at_intervals,
    InDir::new(FjallStore::builder().durability(Durability::Interval(Duration::from_millis(1))))
);

fn agrees_with_the_model(cases: u32, builder: &FjallStoreBuilder) {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let builder = builder.clone().sweep_every(None);
        builder.open(dir.path().join("sessions.db")).unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let store = std::cell::RefCell::new(open());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(any::<u64>(), 1..80), |words| {
            let mut store = store.borrow_mut();
            let restart = async |store: &mut FjallStore| {
                store.close().await.unwrap();
                *store = open();
            };
            runtime.block_on(model::run(
                &mut *store,
                &words,
                model::Sweeps::Exact,
                restart,
            ));
            Ok(())
        })
        .unwrap();
}

#[test]
fn with_a_cache_it_agrees_with_the_model() {
    agrees_with_the_model(80, &FjallStore::builder());
}

#[test]
fn without_a_cache_it_agrees_with_the_model() {
    agrees_with_the_model(80, &FjallStore::builder().cache_sessions(0));
}

#[test]
fn with_queued_commits_it_agrees_with_the_model() {
    agrees_with_the_model(40, &FjallStore::builder().queue_all_commits());
}

#[test]
fn with_synced_commits_it_agrees_with_the_model() {
    agrees_with_the_model(20, &FjallStore::builder().durability(Durability::Sync));
}
