//! Support for the tests.

pub mod crash;
pub mod disk;
pub mod history;
pub mod http;
pub mod lints;
pub mod process;
pub mod shim;
pub mod visitor;

use level_session::{Durability, FjallStore, MemoryStore, RedisStore, Safety, store::Store};
use level_session_servers::redis;
use std::{sync::Arc, time::Duration};

/// Runs a test over every store, each new and empty: in memory, embedded, embedded without a cache, embedded with every
/// commit on disk before it is acknowledged; and on Redis, where there is one.
///
/// # Panics
/// If no store can be opened in the system's temporary folder, or a server does not start.
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
    over_redis(&test).await;
}

/// At a server of its own: as one process has it, and with the homes of a Cluster. Without `redis-server` it is left out,
/// which `tests/run` says.
async fn over_redis(test: &impl AsyncFn(Arc<dyn Store>)) {
    let Some(program) = redis::program("redis") else {
        return;
    };
    let server = redis::Server::start(&program, &[]).expect("redis-server starts");
    for (prefix, homes) in [("one", 1), ("many", 64)] {
        let settings = RedisStore::builder()
            .prefix(prefix)
            .homes(homes)
            .safety(Safety::Ignore)
            .tell_ended(true)
            .response_timeout(Duration::from_secs(10));
        let store = settings.connect(&server.url()).await;
        let store = Arc::new(store.expect("a store on it"));
        test(store.clone()).await;
        store.close().await.expect("the store closes");
    }
}

/// The README's examples, compiled as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
