//! A commit is applied once or not at all, even if its response is lost (requirement F11).
//!
//! This prevents a client from sending a command again because it got no response, although the command had run. Each
//! commit here adds one to a counter and sets a field of its own: if it is applied twice, the counter is ahead of the
//! fields.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, work::*};
use level_session_redis::RedisStore;
use level_session_servers::redis::{Cluster, Proxy, Server, program};
use level_session_store::{Outcome, Select, Store};
use std::{sync::Arc, time::Duration};

#[derive(Debug, Default, PartialEq)]
struct Told {
    stored: u64,
    uncertain: u64,
    refused: u64,
}

/// The number of tasks, and of commits of each, on a few sessions.
async fn work(store: &RedisStore, tasks: u64, each: u64) -> Told {
    let mut running = Vec::new();
    for task in 0..tasks {
        let store = store.clone();
        running.push(tokio::spawn(async move {
            let mut told = Told::default();
            for n in 0..each {
                let writes = [add_one("n"), set(&format!("{task}-{n}"), b"1")];
                let commit = keep(session(task));
                match store.commit(commit.with_writes(&writes)).await {
                    Ok(Outcome::Done(_)) => told.stored += 1,
                    Err(error) if error.may_be_stored() => told.uncertain += 1,
                    Err(_) => told.refused += 1,
                    Ok(other) => panic!("the commit is {other:?}"),
                }
            }
            told
        }));
    }
    let mut all = Told::default();
    for task in running {
        let told = task.await.unwrap();
        all.stored += told.stored;
        all.uncertain += told.uncertain;
        all.refused += told.refused;
    }
    all
}

const SESSIONS: u64 = 8;

fn session(task: u64) -> level_session_store::Digest {
    id(&format!("session {}", task % SESSIONS))
}

async fn begin(store: &RedisStore) {
    for n in 0..SESSIONS {
        done(store.commit(create(session(n))).await.unwrap());
    }
}

/// Every acknowledged commit is stored, once.
async fn check(store: &RedisStore, told: &Told) {
    let mut stored = 0;
    for n in 0..SESSIONS {
        let count = count(store, session(n), "n").await;
        let fields = fields(store, session(n)).await.len() as u64;
        assert_eq!(
            count + u64::from(count > 0),
            fields,
            "a commit was applied twice, or half"
        );
        stored += count;
    }
    assert!(
        stored >= told.stored,
        "{stored} are stored of {told:?}: some are lost"
    );
    assert!(
        stored <= told.stored + told.uncertain,
        "{stored} are stored of {told:?}"
    );
}

fn redis() -> Option<std::path::PathBuf> {
    let path = program("redis");
    if path.is_none() {
        eprintln!("skipped: there is no redis-server (apt-get install redis-server)");
    }
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_a_single_server_double_nothing() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let store = builder().connect(&proxy.url()).await.unwrap();
    begin(&store).await;
    proxy.cut("EVALSHA", 40);
    let told = work(&store, 16, 60).await;
    proxy.cut("EVALSHA", 0);
    assert!(
        proxy.lost() >= 10 && told.uncertain >= 10,
        "{} {told:?}",
        proxy.lost()
    );
    assert!(told.stored > 100, "{told:?}");
    check(&store, &told).await;
    assert_eq!(store.counts().uncertain, told.uncertain);
    assert!(store.counts().reconnects >= 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_a_cluster_double_nothing() {
    let Some(path) = redis() else { return };
    let cluster = Cluster::start(&path, &[]).unwrap();
    let proxies: Vec<_> = cluster
        .nodes()
        .iter()
        .map(|node| Proxy::start(node.port()).unwrap())
        .collect();
    let nodes = cluster.nodes().iter().map(Server::port);
    let names: Vec<_> = nodes.zip(proxies.iter().map(Proxy::port)).collect();
    proxies.iter().for_each(|proxy| proxy.rename(&names));
    let store = builder().connect(&proxies[0].url()).await.unwrap();
    begin(&store).await;
    proxies.iter().for_each(|proxy| proxy.cut("EVALSHA", 30));
    let told = work(&store, 16, 60).await;
    proxies.iter().for_each(|proxy| proxy.cut("EVALSHA", 0));
    let lost: u64 = proxies.iter().map(Proxy::lost).sum();
    assert!(lost >= 10 && told.uncertain >= 10, "{lost} {told:?}");
    assert!(told.stored > 100, "{told:?}");
    check(&store, &told).await;
}

/// A server that stalls: each commit that was sent is uncertain and none hangs; afterwards the store works again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_server_is_an_error_in_time_and_nothing_is_doubled() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let settings = builder().response_timeout(Duration::from_millis(300));
    let store = settings.connect(&proxy.url()).await.unwrap();
    begin(&store).await;
    proxy.stall(true);
    let told = tokio::time::timeout(Duration::from_secs(60), work(&store, 16, 1)).await;
    let told = told.expect("no commit waits for ever");
    assert_eq!(told.stored, 0);
    assert!(told.uncertain > 0, "{told:?}");
    proxy.stall(false);
    check(&store, &told).await;
    let again = work(&store, 16, 2).await;
    assert_eq!(again.stored, 32, "{again:?}");
}

/// A restart that went unnoticed, since nothing was sent meanwhile: the next commit succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_commit_after_a_restart_of_an_idle_server_is_stored() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &["--appendonly", "yes"]).unwrap();
    let store = Arc::new(builder().connect(&server.url()).await.unwrap());
    begin(&store).await;
    for _ in 0..3 {
        server.stop();
        server.start_again().unwrap();
        let told = work(&store, 1, 1).await;
        assert_eq!(told.stored, 1, "{told:?}");
    }
    assert_eq!(count(&*store, session(0), "n").await, 3);
}

/// A commit is sent again while its slot migrates from one node to another, and each is stored once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_go_on_while_slots_migrate() {
    let Some(path) = redis() else { return };
    let cluster = Arc::new(Cluster::start(&path, &[]).unwrap());
    let store = builder().homes(4).connect(&cluster.url()).await.unwrap();
    begin(&store).await;
    let slots: Vec<u16> = store.slots();
    assert_eq!(slots.len(), 4);
    let moving = Arc::clone(&cluster);
    let moves = tokio::task::spawn_blocking(move || {
        let mut moves = 0;
        for round in 0..4 {
            for slot in &slots {
                let owner = moving.owner(*slot).unwrap().unwrap();
                moving.migrate(*slot, (owner + 1 + round % 2) % 3).unwrap();
                moves += 1;
            }
        }
        moves
    });
    let mut told = Told::default();
    let mut rounds = 0;
    while !moves.is_finished() {
        let more = work_from(&store, rounds).await;
        told.stored += more.stored;
        told.uncertain += more.uncertain;
        told.refused += more.refused;
        rounds += 1;
    }
    assert_eq!(moves.await.unwrap(), 16);
    assert_eq!((told.uncertain, told.refused), (0, 0), "{told:?}");
    assert!(
        told.stored > 100 && store.counts().retries > 0,
        "{told:?} {:?}",
        store.counts()
    );
    check(&store, &told).await;
}

/// Like [`work`], with names that no other round has.
async fn work_from(store: &RedisStore, round: u64) -> Told {
    let mut running = Vec::new();
    for task in 0..16 {
        let store = store.clone();
        running.push(tokio::spawn(async move {
            let writes = [add_one("n"), set(&format!("{round}:{task}"), b"1")];
            store.commit(keep(session(task)).with_writes(&writes)).await
        }));
    }
    let mut told = Told::default();
    for task in running {
        match task.await.unwrap() {
            Ok(Outcome::Done(_)) => told.stored += 1,
            Err(error) if error.may_be_stored() => told.uncertain += 1,
            Err(error) => {
                eprintln!("{error:?}");
                told.refused += 1;
            }
            Ok(other) => panic!("the commit is {other:?}"),
        }
    }
    told
}

/// While a slot migrates, its node redirects each command to the other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_follows_its_session_while_the_slot_is_on_its_way() {
    let Some(path) = redis() else { return };
    let cluster = Cluster::start(&path, &[]).unwrap();
    let settings = builder()
        .homes(2)
        .response_timeout(Duration::from_millis(500));
    let store = settings.connect(&cluster.url()).await.unwrap();
    begin(&store).await;
    let slots = store.slots();
    let to = |slot| (cluster.owner(slot).unwrap().unwrap() + 1) % 3;
    let targets = [to(slots[0]), to(slots[1])];
    for (slot, to) in slots.iter().zip(targets) {
        assert!(cluster.begin_to_migrate(*slot, to).unwrap());
    }
    let told = work(&store, 8, 5).await;
    assert_eq!(told.stored, 40, "{told:?}");
    check(&store, &told).await;
    for (slot, to) in slots.iter().zip(targets) {
        cluster.end_migration(*slot, to).unwrap();
    }
    check(&store, &told).await;
}

/// The future, polled once.
async fn begun<F: Future + Unpin>(future: &mut F) {
    std::future::poll_fn(|cx| {
        let polled = std::pin::Pin::new(&mut *future).poll(cx);
        assert!(polled.is_pending(), "there is nothing to hold");
        std::task::Poll::Ready(())
    })
    .await;
}

/// Prevents one request that is held up elsewhere, while it is the one that connects, from holding up all the others.
#[tokio::test]
async fn a_held_commit_that_connects_blocks_no_other() {
    let Some(path) = program("redis") else { return };
    let server = Server::start(&path, &[]).unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let store = builder().connect(&proxy.url()).await.unwrap();
    let (held, other) = (id("held"), id("other"));
    done(store.commit(create(held)).await.unwrap());
    done(store.commit(create(other)).await.unwrap());

    // The connection is lost: the next call connects.
    proxy.cut("HGETALL", 1);
    let _ = store.load(other, Select::All, now()).await;
    proxy.cut("", 0);
    let mut commit = store.commit(keep(held));
    begun(&mut commit).await;
    let all = async {
        done(store.commit(keep(other)).await.unwrap());
        done(store.commit(keep(held)).await.unwrap());
    };
    let all = tokio::time::timeout(Duration::from_secs(60), all).await;
    all.expect("a commit that is held while it connects blocks others");
    done(commit.await.unwrap());
}

/// Prevents a shutdown that never ends.
#[tokio::test]
async fn a_held_commit_does_not_block_close() {
    let Some(path) = program("redis") else { return };
    let server = Server::start(&path, &[]).unwrap();
    let settings = builder().response_timeout(Duration::from_millis(500));
    let store = settings.connect(&server.url()).await.unwrap();
    let held = id("held");
    done(store.commit(create(held)).await.unwrap());
    let mut commit = store.commit(keep(held));
    begun(&mut commit).await;
    let closed = tokio::time::timeout(Duration::from_secs(60), store.close()).await;
    closed.expect("a held commit blocks `close`").unwrap();
    store.commit(keep(held)).await.unwrap_err();
}
