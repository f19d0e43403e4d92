//! The Redis store keeps every promise of the store contract: on each server that this machine has, with one handle and
//! with two, on a single server and on a Cluster.
//!
//! `tests/run` lists the missing servers.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, cluster, server};
use level_session_redis::{RedisStore, RedisStoreBuilder};
use level_session_store::MemoryStore;
use level_session_store::{Store, Wrapper};
use std::time::Duration;

/// A store, or one in memory if the server is missing: `tests/run` says so.
struct Tested(Box<dyn Store>);

impl Wrapper for Tested {
    fn inner(&self) -> &dyn Store {
        &*self.0
    }
}

/// The replacement for a missing server, so that the suite's tests have something to run on.
fn skipped() -> MemoryStore {
    eprintln!("skipped: the server is missing, as `tests/run` says; this ran in memory");
    MemoryStore::new()
}

/// How long connecting may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

async fn at(url: Option<String>, settings: RedisStoreBuilder) -> Tested {
    let settings = settings.connect_timeout(PATIENCE);
    match url {
        Some(url) => Tested(Box::new(settings.connect(&url).await.unwrap())),
        None => Tested(Box::new(skipped())),
    }
}

async fn pair(url: Option<String>, settings: RedisStoreBuilder) -> (Tested, Tested) {
    let settings = settings.connect_timeout(PATIENCE);
    match url {
        Some(url) => {
            let first: RedisStore = settings.clone().connect(&url).await.unwrap();
            let second = settings.connect(&url).await.unwrap();
            (Tested(Box::new(first)), Tested(Box::new(second)))
        }
        None => {
            let store = std::sync::Arc::new(skipped());
            let other = std::sync::Arc::clone(&store);
            (Tested(Box::new(store)), Tested(Box::new(other)))
        }
    }
}

fn single(name: &'static str) -> Option<String> {
    server(name).map(|server| server.url())
}

fn nodes(name: &'static str) -> Option<String> {
    cluster(name).map(|cluster| cluster.url())
}

level_session_store::conformance_tests!(
    redis_7,
    at(single("redis"), builder()).await,
    pair: pair(single("redis"), builder().tell_ended(true)).await
);
level_session_store::conformance_tests!(redis_8, at(single("redis-8"), builder()).await);
level_session_store::conformance_tests!(valkey_9, at(single("valkey-9"), builder()).await);
level_session_store::conformance_tests!(
    several_homes_at_a_single_server,
    at(single("redis"), builder().homes(8)).await
);
level_session_store::conformance_tests!(
    redis_cluster,
    at(nodes("redis"), builder()).await,
    pair: pair(nodes("redis"), builder().tell_ended(true)).await
);
level_session_store::conformance_tests!(valkey_cluster, at(nodes("valkey-9"), builder()).await);
// A store reads its own commits at once, however old a proof may be.
level_session_store::conformance_tests!(
    redis_7_cached,
    at(
        single("redis"),
        builder().cache(1_000, Duration::from_secs(3_600))
    )
    .await
);
// Two stores see each other's commits at once if each hit requests a proof.
level_session_store::conformance_tests!(
    redis_7_cached_and_proven,
    at(single("redis"), builder().cache(1_000, Duration::ZERO)).await,
    pair: pair(single("redis"), builder().tell_ended(true).cache(1_000, Duration::ZERO)).await
);
level_session_store::conformance_tests!(
    redis_8_cached,
    at(single("redis-8"), builder().cache(1_000, Duration::from_secs(3_600))).await,
    pair: pair(single("redis-8"), builder().tell_ended(true).cache(1_000, Duration::ZERO)).await
);
level_session_store::conformance_tests!(
    valkey_9_cached,
    at(single("valkey-9"), builder().cache(1_000, Duration::from_secs(3_600))).await,
    pair: pair(single("valkey-9"), builder().tell_ended(true).cache(1_000, Duration::ZERO)).await
);
level_session_store::conformance_tests!(
    redis_cluster_cached,
    at(nodes("redis"), builder().cache(1_000, Duration::from_secs(3_600))).await,
    pair: pair(nodes("redis"), builder().tell_ended(true).cache(1_000, Duration::ZERO)).await
);
