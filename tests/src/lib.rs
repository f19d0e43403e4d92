//! Support for the tests.

pub mod crash;
pub mod disk;
pub mod front;
pub mod history;
pub mod http;
pub mod lints;
pub mod process;
pub mod shim;
pub mod visitor;

use level_session::{
    Durability, FjallStore, MemoryStore, PostgresStore, RedisStore, Safety, store::Store,
};
use level_session_servers::{postgres::Postgres, redis};
use std::{
    io,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Runs a test over every store, each new and empty: those [of this process](over_every_local_store), and on Redis and
/// PostgreSQL, where there is one.
///
/// # Panics
/// If no store can be opened in the system's temporary folder, or a server does not start.
pub async fn over_every_store(test: impl AsyncFn(Arc<dyn Store>)) {
    over_every_local_store(&test).await;
    over_redis(&test).await;
    over_postgres(&test).await;
}

/// Runs a test over every store that is in the process: in memory, embedded, embedded without a cache, embedded with every
/// commit on disk before it is acknowledged. Those tell of each session that expires, by the clock of the test.
///
/// # Panics
/// If no store can be opened in the system's temporary folder.
pub async fn over_every_local_store(test: impl AsyncFn(Arc<dyn Store>)) {
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

/// One server for all tests of a process, and a schema for each. Without PostgreSQL it is left out, which `tests/run` says.
async fn over_postgres(test: &impl AsyncFn(Arc<dyn Store>)) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Some(server) = postgres() else {
        return;
    };
    let settings = PostgresStore::builder(server.url())
        .schema(format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed)))
        .pool_size(8)
        .timeout(Duration::from_secs(60))
        .sweep_every(None)
        .tell_ended(true);
    settings.migrate().await.expect("tables");
    let store = Arc::new(settings.open().await.expect("a store on it"));
    test(store.clone()).await;
    store.close().await.expect("the store closes");
}

/// The PostgreSQL server of this process; `None`, and a word about it, if there is none on this machine.
///
/// # Panics
/// If it does not start.
pub fn postgres() -> Option<&'static Postgres> {
    static SERVER: LazyLock<Option<Postgres>> = LazyLock::new(|| {
        // Without waiting for the disk, which these tests do not ask about.
        match Postgres::start(&["fsync=off"]) {
            Ok(server) => Some(server),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                eprintln!("left out: {cause}");
                None
            }
            Err(cause) => panic!("{cause}"),
        }
    });
    SERVER.as_ref()
}

/// The README's examples, compiled as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
