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

/// Runs a test over every store, each new and empty: the [in-process stores](over_every_local_store), and Redis and
/// PostgreSQL if they are installed.
///
/// # Panics
/// If no store can be opened in the system's temporary folder, or a server does not start.
pub async fn over_every_store(test: impl AsyncFn(Arc<dyn Store>)) {
    over_every_local_store(&test).await;
    over_redis(&test).await;
    over_postgres(&test).await;
}

/// Runs a test over every in-process store: in memory, embedded, embedded without a cache, and embedded with a sync
/// before each commit is acknowledged. These stores report every expired session, by the clock of the test.
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

/// Runs a test on a new Redis server: with the settings of a single server, and with the homes of a Cluster. With
/// `REDIS_CLUSTER=1` the latter is a Cluster of three, which takes seconds to start. Without `redis-server` the test is
/// skipped, which `tests/run` reports.
async fn over_redis(test: &impl AsyncFn(Arc<dyn Store>)) {
    let Some(program) = redis::program("redis") else {
        return;
    };
    let server = redis::Server::start(&program, &[]).expect("redis-server starts");
    at_redis(&server.url(), 1, test).await;
    if std::env::var_os("REDIS_CLUSTER").is_some() {
        let cluster = redis::Cluster::start(&program, &[]).expect("a Cluster starts");
        at_redis(&cluster.url(), 64, test).await;
    } else {
        at_redis(&server.url(), 64, test).await;
    }
}

async fn at_redis(url: &str, homes: u16, test: &impl AsyncFn(Arc<dyn Store>)) {
    let settings = RedisStore::builder()
        .prefix(format!("homes-{homes}"))
        .homes(homes)
        .safety(Safety::Ignore)
        .tell_ended(true)
        // The machine may be busy.
        .response_timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(10));
    let store = Arc::new(settings.connect(url).await.expect("a store on it"));
    test(store.clone()).await;
    store.close().await.expect("the store closes");
}

/// Runs a test on PostgreSQL: one server for all tests of a process, and a schema for each test. Without PostgreSQL the
/// test is skipped, which `tests/run` reports.
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

/// The PostgreSQL server of this process. If PostgreSQL is not installed, prints a note and returns `None`.
///
/// # Panics
/// If the server does not start.
pub fn postgres() -> Option<&'static Postgres> {
    static SERVER: LazyLock<Option<Postgres>> = LazyLock::new(|| {
        // These tests do not depend on durability, so the server need not wait for the disk.
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

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
