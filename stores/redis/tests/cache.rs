//! The cache in the application's process: sessions read from it are at most as stale as configured, whatever happens
//! to servers, connections and commits.
//!
//! This prevents a session that another process has ended or changed from being read in its former state for longer.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, cluster, server, work::*};
use level_session_redis::RedisStore;
use level_session_servers::redis::{Cluster, Server, program};
use level_session_store::{Digest, Loaded, Select, Snapshot, Store, Timestamp, Watch};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3_600);
/// How long an expected event may take.
const PATIENCE: Duration = Duration::from_secs(30);

async fn is_live(store: &RedisStore, id: Digest) -> bool {
    let loaded = store.load(id, Select::Names(&["f"]), now()).await.unwrap();
    matches!(loaded, Loaded::Live(_))
}

async fn number(store: &RedisStore, id: Digest, name: &str) -> u64 {
    let bytes = field(store, id, name).await.unwrap();
    bytes.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().unwrap()))
}

/// Reads until the condition holds; false if it never does.
async fn soon(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let give_up = Instant::now() + PATIENCE;
    while Instant::now() < give_up {
        if holds().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    false
}

/// The number of reads from memory meanwhile.
async fn hits(store: &RedisStore, work: impl AsyncFnOnce()) -> u64 {
    let before = store.counts().cached;
    work().await;
    store.counts().cached - before
}

/// A store with a cache, and one without, on the same sessions.
async fn two(url: &str, max_stale: Duration) -> (RedisStore, RedisStore) {
    let settings = builder();
    let plain = settings.clone().connect(url).await.unwrap();
    let cached = settings.cache(1_000, max_stale);
    (cached.connect(url).await.unwrap(), plain)
}

fn skip(name: &str) {
    eprintln!("skipped: there is no {name}, as `tests/run` says");
}

/// On each server that this machine has.
async fn everywhere(test: impl AsyncFn(&str)) {
    for name in ["redis", "redis-8", "valkey-9"] {
        match server(name) {
            Some(server) => test(&server.url()).await,
            None => skip(name),
        }
    }
    for name in ["redis", "valkey-9"] {
        match cluster(name) {
            Some(cluster) => test(&cluster.url()).await,
            None => skip(name),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_read_asks_nobody_and_any_choice_of_fields_is_answered() {
    everywhere(async |url| {
        let (cached, _) = two(url, LONG).await;
        let writes = [set("f", b"1"), set("g", b"2")];
        done(
            cached
                .commit(create(id("a")).with_writes(&writes))
                .await
                .unwrap(),
        );
        assert_eq!(
            field(&cached, id("a"), "f").await.unwrap().unwrap()[..],
            *b"1"
        );
        let hits = hits(&cached, async || {
            assert_eq!(
                field(&cached, id("a"), "g").await.unwrap().unwrap()[..],
                *b"2"
            );
            assert!(field(&cached, id("a"), "h").await.unwrap().is_none());
            assert_eq!(fields(&cached, id("a")).await.len(), 2);
            let nothing = cached.load(id("a"), Select::Nothing, now()).await.unwrap();
            assert!(matches!(nothing, Loaded::Live(Snapshot { .. })));
        });
        assert_eq!(hits.await, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_does_is_seen_and_what_it_ends_is_over() {
    everywhere(async |url| {
        let (cached, other) = two(url, LONG).await;
        done(
            other
                .commit(create(id("a")).with_writes(&[set("f", b"1")]))
                .await
                .unwrap(),
        );
        for n in 0..20u8 {
            is_live(&cached, id("a")).await;
            done(
                other
                    .commit(keep(id("a")).with_writes(&[set("f", &[n])]))
                    .await
                    .unwrap(),
            );
            let value = async || field(&cached, id("a"), "f").await.unwrap().unwrap();
            assert!(soon(async || value().await[..] == [n]).await, "round {n}");
        }
        // A proof requested after the response to a change shows the change at once: see the conformance suite.
        assert!(hits(&cached, async || assert!(is_live(&cached, id("a")).await)).await > 0);
        done(other.commit(destroy(id("a"))).await.unwrap());
        assert!(soon(async || !is_live(&cached, id("a")).await).await);
        // Neither a mark nor a missing session is cached.
        let misses = hits(&cached, async || {
            for _ in 0..3 {
                assert!(!is_live(&cached, id("a")).await && !is_live(&cached, id("none")).await);
            }
        });
        assert_eq!(misses.await, 0);
    })
    .await;
}

/// With a cached session that another process has ended, no commit is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_of_an_ended_session_is_never_written() {
    let Some(server) = server("redis") else {
        return skip("redis");
    };
    let (cached, other) = two(&server.url(), LONG).await;
    for n in 0..50 {
        let id = id(&format!("{n}"));
        done(other.commit(create(id)).await.unwrap());
        assert!(is_live(&cached, id).await);
        done(other.commit(destroy(id)).await.unwrap());
        let outcome = cached.commit(keep(id).with_writes(&[set("f", b"1")])).await;
        assert!(!outcome.unwrap().is_done());
        assert!(!is_live(&cached, id).await, "its own commit has evicted it");
    }
}

/// Own commits are visible at once, among any number of reads of the same session.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_this_store_has_committed_it_reads() {
    everywhere(async |url| {
        let (cached, _) = two(url, LONG).await;
        done(cached.commit(create(id("a"))).await.unwrap());
        let over = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (cached, over) = (cached.clone(), Arc::clone(&over));
                let answered = Arc::clone(&answered);
                tokio::spawn(async move {
                    while !over.load(Ordering::Acquire) {
                        let at_least = answered.load(Ordering::Acquire);
                        let read = number(&cached, id("a"), "n").await;
                        assert!(read >= at_least, "{read} was read after {at_least}");
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for n in 1..=300u64 {
            let writes = [set("n", &n.to_be_bytes())];
            done(
                cached
                    .commit(keep(id("a")).with_writes(&writes))
                    .await
                    .unwrap(),
            );
            answered.store(n, Ordering::Release);
        }
        over.store(true, Ordering::Release);
        for reader in readers {
            reader.await.unwrap();
        }
        done(
            cached
                .commit(renew(id("a"), new_id(&cached, id("a"))))
                .await
                .unwrap(),
        );
        assert!(!is_live(&cached, id("a")).await, "it has another id");
    })
    .await;
}

/// An id with the home of another.
fn new_id(store: &RedisStore, old: Digest) -> Digest {
    let ids = (0..).map(|n| id(&format!("new {n}")));
    let mut at_home = ids.filter(|id| store.home(*id) == store.home(old));
    at_home.next().unwrap()
}

/// A read that another process's commit overtakes is not cached: a read after the proof of that commit sees the commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_that_a_commit_overtakes_is_not_kept() {
    everywhere(async |url| {
        // Each hit requests a proof: so it shows all changes acknowledged before it began.
        let (cached, other) = two(url, Duration::ZERO).await;
        done(other.commit(create(id("a"))).await.unwrap());
        let answered = Arc::new(AtomicU64::new(0));
        let writer = {
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                for n in 1..=500u64 {
                    let writes = [set("n", &n.to_be_bytes())];
                    done(
                        other
                            .commit(keep(id("a")).with_writes(&writes))
                            .await
                            .unwrap(),
                    );
                    answered.store(n, Ordering::Release);
                    if n % 5 == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        };
        let mut reading = Vec::new();
        for _ in 0..4 {
            let (cached, answered) = (cached.clone(), Arc::clone(&answered));
            reading.push(tokio::spawn(async move {
                while answered.load(Ordering::Acquire) < 500 {
                    let at_least = answered.load(Ordering::Acquire);
                    let read = number(&cached, id("a"), "n").await;
                    assert!(read >= at_least, "{read} was read after {at_least}");
                    tokio::task::yield_now().await;
                }
            }));
        }
        writer.await.unwrap();
        for reader in reading {
            reader.await.unwrap();
        }
        let proven = hits(&cached, async || {
            for _ in 0..3 {
                assert_eq!(number(&cached, id("a"), "n").await, 500);
            }
        });
        assert!(proven.await >= 2, "the cache was used");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expiry_goes_by_the_time_that_is_passed_in() {
    let Some(server) = server("redis") else {
        return skip("redis");
    };
    let (cached, _) = two(&server.url(), LONG).await;
    done(cached.commit(create(id("a"))).await.unwrap());
    assert!(is_live(&cached, id("a")).await);
    let at = |millis: u64| Timestamp::from_millis(now().as_millis() + millis);
    let hits = hits(&cached, async || {
        let end = u64::try_from(LIFE.as_millis()).unwrap();
        let before = cached
            .load(id("a"), Select::All, at(end - 1))
            .await
            .unwrap();
        assert!(matches!(before, Loaded::Live(_)));
        let after = cached
            .load(id("a"), Select::All, at(end + 1))
            .await
            .unwrap();
        assert_eq!(after, Loaded::Missing);
    });
    assert_eq!(hits.await, 2);
}

/// The ids of the connections that receive invalidations.
fn tracking(server: &Server) -> Vec<String> {
    let list = server.say(&["CLIENT", "LIST"]).unwrap();
    let told = list.lines().filter(|line| {
        let flags = line.split(' ').find_map(|word| word.strip_prefix("flags="));
        flags.is_some_and(|flags| flags.contains('t'))
    });
    told.filter_map(|line| {
        let id = line.split(' ').find_map(|word| word.strip_prefix("id="));
        id.map(str::to_owned)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_takes_all_with_it() {
    let Some(path) = program("redis") else {
        return skip("redis");
    };
    let server = Server::start(&path, &[]).unwrap();
    let (cached, other) = two(&server.url(), LONG).await;
    for round in 0..5u8 {
        let ids: Vec<_> = (0..20).map(|n| id(&format!("{round} {n}"))).collect();
        for id in &ids {
            done(other.commit(create(*id)).await.unwrap());
            assert!(is_live(&cached, *id).await);
        }
        let all = hits(&cached, async || {
            for id in &ids {
                assert!(is_live(&cached, *id).await);
            }
        });
        assert_eq!(all.await, 20);
        // From here on the cache receives no invalidations: it notices an end only by the loss of its connection.
        let told = tracking(&server);
        assert_eq!(told.len(), 1);
        server.say(&["CLIENT", "KILL", "ID", &told[0]]).unwrap();
        for id in &ids {
            done(other.commit(destroy(*id)).await.unwrap());
        }
        for id in &ids {
            assert!(soon(async || !is_live(&cached, *id).await).await);
        }
    }
}

/// Sends a signal to a server's process; for `-STOP`, returns once the process is stopped.
async fn signal(server: &Server, name: &str) {
    let pid = server.pid().unwrap().to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args([name, &pid]).status().unwrap().success());
    let state = format!("/proc/{pid}/stat");
    let stands = async || std::fs::read_to_string(&state).unwrap().contains(") T ");
    assert!(name != "-STOP" || soon(stands).await);
}

/// Begins a read, as far as it goes without a response. `true` if it needs none.
fn begins(read: &mut (impl Future<Output = level_session_store::Result<Loaded>> + Unpin)) -> bool {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(read).poll(&mut cx).is_ready()
}

/// A delayed response proves the state at the time of its request, not of its arrival.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_as_old_as_its_question() {
    let Some(path) = program("redis") else {
        return skip("redis");
    };
    let server = Server::start(&path, &[]).unwrap();
    let max_stale = Duration::from_millis(400);
    let (cached, other) = two(&server.url(), max_stale).await;
    done(other.commit(create(id("a"))).await.unwrap());
    let load = || cached.load(id("a"), Select::Nothing, now());
    // The first is a read of the session, the second only the request for a proof.
    for _ in 0..2 {
        signal(&server, "-STOP").await;
        tokio::time::sleep(2 * max_stale).await;
        let mut read = load();
        assert!(!begins(&mut read));
        tokio::time::sleep(2 * max_stale).await;
        signal(&server, "-CONT").await;
        assert!(matches!(read.await, Ok(Loaded::Live(_))));
        // From here on no server responds, so reads come from memory.
        signal(&server, "-STOP").await;
        let at_hand = begins(&mut load());
        signal(&server, "-CONT").await;
        assert!(!at_hand, "it is read with a proof that is too old");
    }
}

/// A stopped server proves nothing: once the last proof is too old, nothing is read from memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_ends_the_use_of_the_cache() {
    let Some(path) = program("redis") else {
        return skip("redis");
    };
    let server = Server::start(&path, &[]).unwrap();
    let max_stale = Duration::from_millis(200);
    let settings = builder().response_timeout(Duration::from_millis(300));
    let cached = settings
        .cache(1_000, max_stale)
        .connect(&server.url())
        .await
        .unwrap();
    done(cached.commit(create(id("a"))).await.unwrap());
    assert!(is_live(&cached, id("a")).await);
    signal(&server, "-STOP").await;
    let stopped = Instant::now();
    // Requests sent after it stopped get no response. So no read that begins later than this may succeed.
    let failed = soon(async || {
        let began = Instant::now();
        let read = cached.load(id("a"), Select::All, now()).await;
        assert!(
            read.is_err() || began <= stopped + max_stale,
            "it was read {:?} after the server stopped",
            began - stopped
        );
        read.is_err()
    });
    let failed = failed.await;
    signal(&server, "-CONT").await;
    assert!(failed);
    assert!(soon(async || cached.load(id("a"), Select::All, now()).await.is_ok()).await);
}

/// A session whose slot migrates is read at its new node, and an end there takes effect here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_move_to_another_node_are_followed() {
    let Some(path) = program("redis") else {
        return skip("redis");
    };
    let cluster = Cluster::start(&path, &[]).unwrap();
    let settings = builder().homes(2);
    let other = settings.clone().connect(&cluster.url()).await.unwrap();
    let cached = settings
        .cache(1_000, LONG)
        .connect(&cluster.url())
        .await
        .unwrap();
    done(other.commit(create(id("a"))).await.unwrap());
    let slot = cached.slots()[usize::from(cached.home(id("a")).number())];
    for n in 0..4u8 {
        assert!(is_live(&cached, id("a")).await);
        let owner = cluster.owner(slot).unwrap().unwrap();
        cluster.migrate(slot, (owner + 1) % 3).unwrap();
        done(
            other
                .commit(keep(id("a")).with_writes(&[set("f", &[n])]))
                .await
                .unwrap(),
        );
        let value = async || field(&cached, id("a"), "f").await.unwrap().unwrap();
        assert!(soon(async || value().await[..] == [n]).await, "round {n}");
        let again =
            async || hits(&cached, async || assert!(is_live(&cached, id("a")).await)).await > 0;
        assert!(soon(again).await, "the new node sends invalidations");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_not_be_told_is_refused_when_it_connects() {
    let Some(path) = program("redis") else {
        return skip("redis");
    };
    let server = Server::start(&path, &[]).unwrap();
    let rules = [
        "ACL",
        "SETUSER",
        "shop",
        "on",
        ">pw",
        "~*",
        "&*",
        "+@all",
        "-client|tracking",
    ];
    server.say(&rules).unwrap();
    let url = server.url().replace("redis://", "redis://shop:pw@");
    builder().connect(&url).await.unwrap();
    let refused = builder().cache(10, LONG).connect(&url).await.unwrap_err();
    assert!(
        refused.to_string().contains("`CLIENT TRACKING`"),
        "{refused}"
    );
}

/// A watcher that is notified of an end reads the session, and must not find its former state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_told_of_an_end_does_not_read_the_session_as_it_was() {
    let Some(server) = server("redis") else {
        return skip("redis");
    };
    let settings = builder().tell_ended(true);
    let other = settings.clone().connect(&server.url()).await.unwrap();
    let cached = settings.cache(1_000, LONG).connect(&server.url()).await;
    let cached = cached.unwrap();
    let (ends, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let reading = cached.clone();
    let watch: Arc<Watch> = Arc::new(move |id: Digest| {
        // In the callback itself, on the connection's own task: the cache's connection may not have been read since.
        let read = std::pin::pin!(reading.load(id, Select::Nothing, now()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let at_hand = matches!(
            read.poll(&mut cx),
            std::task::Poll::Ready(Ok(Loaded::Live(_)))
        );
        ends.send((id, at_hand)).unwrap();
    });
    cached.watch_ended(Arc::downgrade(&watch));
    for n in 0..100 {
        let id = id(&format!("{n}"));
        done(other.commit(create(id)).await.unwrap());
        assert!(is_live(&cached, id).await);
        done(other.commit(destroy(id)).await.unwrap());
        let told = tokio::time::timeout(PATIENCE, ended.recv()).await;
        assert_eq!(told.unwrap(), Some((id, false)));
    }
}
