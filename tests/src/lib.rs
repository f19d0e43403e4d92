//! Support for the tests.

pub mod crash;
pub mod history;
pub mod http;
pub mod lints;
pub mod process;
pub mod visitor;

use level_session::{Durability, FjallStore, MemoryStore, store::Store};
use std::sync::Arc;

/// Runs a test over every store that needs no server, each new and empty: in memory, embedded, embedded without a
/// cache, and embedded with every commit on disk before it is acknowledged.
///
/// # Panics
/// If no store can be opened in the system's temporary folder.
pub async fn over_every_store(test: impl AsyncFn(Arc<dyn Store>)) {
    test(Arc::new(MemoryStore::new())).await;
    let settings = [
        (Durability::Buffer, 1_000),
        (Durability::Buffer, 0),
        (Durability::Sync, 1_000),
    ];
    for (durability, cached) in settings {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = FjallStore::builder()
            .durability(durability)
            .cache_sessions(cached)
            .open(folder.path().join("sessions"))
            .expect("a new store");
        let store = Arc::new(store);
        test(store.clone()).await;
        store.close().await.expect("the store closes");
    }
}

/// The README's examples, compiled as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
