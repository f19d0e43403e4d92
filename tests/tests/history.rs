//! Nothing lost, nothing revived: random histories against a model, over every store.
//!
//! `HISTORY_OPS` is how many operations to do on each store (default: some thousand), `HISTORY_SEED` the history to begin
//! with. A violation is printed as the shortest history that still shows it, with the seed.

use level_session::{Durability, FjallStore, FjallStoreBuilder, MemoryStore};
use level_session_tests::{
    history::{Crowd, Episode, Rng, Stage, fresh_seed, shortest},
    over_every_store,
    visitor::App,
};

fn ops(default: u64) -> u64 {
    number("HISTORY_OPS").unwrap_or(default)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// After so many operations a store is replaced by a new one: what was removed stays in a database's files for a while,
/// and every list and every look-up steps over it.
const PER_STORE: u64 = 400_000;

/// Histories of fresh seeds, one after another on one store, until there were enough operations.
fn hunt(store: &str, ops: u64, stage: impl Fn() -> Stage) {
    let first = number("HISTORY_SEED").unwrap_or_else(fresh_seed);
    println!("{store}: HISTORY_SEED={first}");
    let mut seeds = Rng::new(first);
    let mut seed = first;
    let (mut done, mut episodes) = (0, 0);
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
        episodes += 1;
        seed = seeds.draw();
    }
    println!("{store}: {done} operations in {episodes} histories");
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

/// On real threads, where the store's own locks decide; ten times fewer requests than operations elsewhere.
#[test]
fn on_real_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
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
