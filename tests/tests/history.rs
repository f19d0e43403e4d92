//! Nothing is lost or revived: random histories against a model, over every store.
//!
//! `HISTORY_OPS` sets the number of operations on each store (default: several thousand), `HISTORY_SEED` the first
//! history. A violation is printed as the shortest history that still reproduces it, with the seed.

use level_session::{
    Durability, FjallStore, FjallStoreBuilder, MemoryStore, PostgresStore, RedisStore,
    RedisStoreBuilder, Safety, store::Store,
};
use level_session_servers::redis;
use level_session_tests::{
    history::{Crowd, Episode, Lasting, Rng, Stage, fresh_seed, shortest},
    over_every_store, postgres,
    visitor::App,
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

fn ops(default: u64) -> u64 {
    number("HISTORY_OPS").unwrap_or(default)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// A store is replaced after this number of operations: a database keeps removed entries in its files for a while, and
/// every list and look-up steps over them.
const PER_STORE: u64 = 400_000;

/// Runs histories with fresh seeds, one after another on one store, until there were enough operations.
fn hunt(store: &str, ops: u64, stage: impl Fn() -> Stage) {
    let first = number("HISTORY_SEED").unwrap_or_else(fresh_seed);
    println!("{store}: HISTORY_SEED={first}");
    let mut seeds = Rng::new(first);
    let mut seed = first;
    let (mut done, mut episodes, mut refused) = (0, 0, 0);
    let mut shared = stage();
    let mut replaced = 0;
    while done < ops {
        if done / PER_STORE > replaced {
            replaced = done / PER_STORE;
            shared = stage();
        }
        let episode = Episode::of(seed);
        let report = shared.play(&episode, false);
        if let Some(violation) = report.violation {
            let (_, shortest) = shortest(&episode, 3_000, &stage);
            let told = match shortest.violation {
                Some(_) => shortest.told,
                None => vec!["(it does not happen on a store of its own)".into()],
            };
            panic!(
                "{store}, HISTORY_SEED={seed}, after {done} operations: {violation}\nthe shortest history:\n{}",
                told.join("\n")
            );
        }
        if (done + report.operations) / 1_000_000 > done / 1_000_000 {
            println!("{store}: {} operations so far", done + report.operations);
        }
        done += report.operations;
        refused += report.refused;
        episodes += 1;
        seed = seeds.draw();
    }
    println!("{store}: {done} operations in {episodes} histories, {refused} sign-ins refused");
    assert!(
        refused > 0 || episodes < 200,
        "{store}: no limit has refused anything"
    );
}

#[test]
fn in_memory() {
    hunt("memory", ops(60_000), || {
        Stage::new(MemoryStore::new(), None)
    });
}

fn fjall(builder: FjallStoreBuilder) -> Stage {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = builder
        .sweep_every(None)
        .open(folder.path().join("sessions"))
        .expect("a new store");
    Stage::new(store, Some(folder))
}

#[test]
fn embedded() {
    hunt("fjall", ops(12_000), || fjall(FjallStore::builder()));
}

#[test]
fn embedded_without_a_cache() {
    hunt("fjall without a cache", ops(8_000), || {
        fjall(FjallStore::builder().cache_sessions(0))
    });
}

#[test]
fn embedded_with_commits_on_another_thread() {
    hunt("fjall queued", ops(6_000), || {
        fjall(FjallStore::builder().queue_all_commits())
    });
}

#[test]
fn embedded_and_on_disk() {
    hunt("fjall synced", ops(4_000), || {
        fjall(FjallStore::builder().durability(Durability::Sync))
    });
}

/// The `redis-server` of this machine. Without one the test is skipped, which `tests/run` reports.
fn redis_server() -> Option<PathBuf> {
    let program = redis::program("redis");
    if program.is_none() {
        eprintln!("skipped: there is no redis-server, as `tests/run` says");
    }
    program
}

/// Runs at this address, with these settings for the store that reads.
fn on_redis(name: &str, url: &str, reads: Option<fn(RedisStoreBuilder) -> RedisStoreBuilder>) {
    let prefixes = AtomicU64::new(0);
    hunt(name, ops(3_000), || {
        let prefix = prefixes.fetch_add(1, Ordering::Relaxed);
        let settings = RedisStore::builder()
            .prefix(prefix.to_string())
            .safety(Safety::Ignore)
            .response_timeout(Duration::from_secs(10))
            .connect_timeout(Duration::from_secs(10));
        let stores = async {
            let connect = async |settings: RedisStoreBuilder| {
                let store = settings.connect(url).await.expect("a store on it");
                Arc::new(store) as Arc<dyn Store>
            };
            let writes = connect(settings.clone()).await;
            match reads {
                None => (Arc::clone(&writes), writes),
                Some(reads) => (connect(reads(settings)).await, writes),
            }
        };
        Stage::new(Lasting::new(stores), None).without_sweeps()
    });
}

#[test]
fn on_a_server() {
    let Some(program) = redis_server() else {
        return;
    };
    let server = redis::Server::start(&program, &[]).expect("redis-server starts");
    on_redis("redis", &server.url(), None);
}

/// One store commits, another reads from its cache, with a check for each read.
#[test]
fn on_a_server_read_through_the_cache_of_another_store() {
    let Some(program) = redis_server() else {
        return;
    };
    let server = redis::Server::start(&program, &[]).expect("redis-server starts");
    on_redis(
        "redis, cached elsewhere",
        &server.url(),
        Some(|settings| settings.cache(1_000, Duration::ZERO)),
    );
}

#[test]
fn on_a_cluster() {
    let Some(program) = redis_server() else {
        return;
    };
    let cluster = redis::Cluster::start(&program, &[]).expect("a Cluster starts");
    on_redis("redis cluster", &cluster.url(), None);
}

/// Runs in separate tables. A sweep removes expired sessions by the clock of the server, which differs from the clock
/// of the test. Without PostgreSQL the test is skipped, which `tests/run` reports.
#[test]
fn in_a_database() {
    let Some(server) = postgres() else {
        return;
    };
    let schemas = AtomicU64::new(0);
    hunt("postgres", ops(3_000), || {
        let schema = format!("history{}", schemas.fetch_add(1, Ordering::Relaxed));
        let settings = PostgresStore::builder(server.url())
            .schema(schema)
            .pool_size(8)
            .timeout(Duration::from_secs(60))
            .sweep_every(None);
        let stores = async {
            settings.migrate().await.expect("tables");
            let store = settings.open().await.expect("a store on it");
            let store = Arc::new(store) as Arc<dyn Store>;
            (Arc::clone(&store), store)
        };
        Stage::new(Lasting::new(stores), None).without_sweeps()
    });
}

/// On real threads, where the store's own locks decide; with a tenth as many requests as operations elsewhere.
#[test]
fn on_real_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(over_every_store(async |store| {
        let seed = number("HISTORY_SEED").unwrap_or_else(fresh_seed);
        println!("threads: HISTORY_SEED={seed}");
        let crowd = Crowd::new(App::over(store), 3, ops(20_000) / 10);
        let requests = crowd.run(16, seed).await;
        println!("threads: {requests} requests");
    }));
}
