//! A real election: the master is killed, three sentinels notice, and promote its replica.
//!
//! This prevents a store from having to be reopened after a failover, a change from being stored twice because it was
//! sent to both servers, and an acknowledged sign-out from being undone (F11, F15).
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, work::*};
use level_session_redis::RedisStore;
use level_session_servers::redis::{Server, program};
use level_session_store::{Digest, Loaded, Select, Store};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

const TASKS: usize = 8;
/// How many changes each task must have acknowledged, in each part of the test.
const TIMES: u64 = 10;
/// How long an election, which takes some seconds, may take on a busy machine.
const GUARD: Duration = Duration::from_secs(300);

/// The acknowledgements of a task's additions.
#[derive(Default)]
struct Told {
    stored: AtomicU64,
    uncertain: AtomicU64,
}

fn counter(task: usize) -> Digest {
    id(&format!("counter {task}"))
}

fn ending(task: usize, n: u64) -> Digest {
    id(&format!("ending {task} {n}"))
}

/// Adds, and creates and ends sessions, until it is stopped. Returns the acknowledged ends.
async fn work(
    store: RedisStore,
    task: usize,
    told: Arc<Vec<Told>>,
    stop: Arc<AtomicBool>,
) -> Vec<Digest> {
    let mut ended = Vec::new();
    let mut n = 0;
    while !stop.load(Ordering::Acquire) {
        n += 1;
        let add = [add_one("n")];
        match store.commit(keep(counter(task)).with_writes(&add)).await {
            Ok(outcome) => {
                done(outcome);
                told[task].stored.fetch_add(1, Ordering::AcqRel);
            }
            Err(error) if error.may_be_stored() => {
                told[task].uncertain.fetch_add(1, Ordering::AcqRel);
            }
            Err(_) => {}
        }
        let it = ending(task, n);
        if store.commit(create(it)).await.is_ok()
            && store.commit(destroy(it)).await.is_ok_and(|it| it.is_done())
        {
            ended.push(it);
        }
        // Let other tasks run.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ended
}

/// Waits until each task has `TIMES` more acknowledgements.
async fn goes_on(told: &[Told]) {
    let now = |told: &Told| told.stored.load(Ordering::Acquire);
    let before: Vec<_> = told.iter().map(now).collect();
    while told
        .iter()
        .zip(&before)
        .any(|(told, before)| now(told) < before + TIMES)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let looks = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(GUARD, looks).await.expect(what);
}

fn has_replica(server: &Server) -> bool {
    let info = server.say(&["INFO", "replication"]);
    info.is_ok_and(|info| info.contains("state=online"))
}

fn sentinels(program: &Path, folder: &Path, master: &Server) -> Vec<Server> {
    (0..3)
        .map(|n| {
            let config = folder.join(format!("sentinel-{n}.conf"));
            let port = master.port();
            let text = format!(
                "sentinel monitor main 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds main 1000\n\
                 sentinel failover-timeout main 10000\n"
            );
            std::fs::write(&config, text).unwrap();
            Server::sentinel(program, &config).unwrap()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_election_commits_go_on_at_the_new_master() {
    let Some(path) = program("redis") else {
        eprintln!("skipped: there is no redis-server (apt-get install redis-server)");
        return;
    };
    let one = Server::start(&path, &[]).unwrap();
    let port = one.port().to_string();
    let at_once = ["--repl-diskless-sync-delay", "0"];
    let mut arguments = vec!["--replicaof", "127.0.0.1", &port];
    arguments.extend(at_once);
    let two = Server::start(&path, &arguments).unwrap();
    until("the replica has all data", || has_replica(&one)).await;
    let folder = tempfile::tempdir().unwrap();
    let sentinels = sentinels(&path, folder.path(), &one);
    until("the sentinels know each other and the replica", || {
        sentinels.iter().all(|sentinel| {
            let info = sentinel.say(&["INFO", "sentinel"]);
            info.is_ok_and(|info| info.contains("slaves=1,sentinels=3"))
        })
    })
    .await;

    let urls: Vec<_> = sentinels.iter().map(Server::url).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let store = builder()
        .response_timeout(Duration::from_millis(500))
        .replicated_always(1, Duration::from_secs(1))
        .sentinel(&urls, "main")
        .await
        .unwrap();
    for task in 0..TASKS {
        done(store.commit(create(counter(task))).await.unwrap());
    }
    let told: Arc<Vec<Told>> = Arc::new((0..TASKS).map(|_| Told::default()).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, told, stop) = (store.clone(), Arc::clone(&told), Arc::clone(&stop));
            tokio::spawn(work(store, task, told, stop))
        })
        .collect();
    let story = async {
        goes_on(&told).await;
        one.kill();
        let elected = two.port().to_string();
        until("the sentinels have elected the replica", || {
            sentinels.iter().all(|sentinel| {
                let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"];
                sentinel.say(&ask).is_ok_and(|it| it.contains(&elected))
            })
        })
        .await;
        // The old master is back, as the replica of the new one.
        one.start_again().unwrap();
        one.say(&["REPLICAOF", "127.0.0.1", &elected]).unwrap();
        until("the old master has all data", || has_replica(&two)).await;
        goes_on(&told).await;
    };
    tokio::time::timeout(GUARD, story)
        .await
        .expect("commits work after the election");
    stop.store(true, Ordering::Release);

    let mut ends = 0;
    for task in tasks {
        for id in task.await.unwrap() {
            let loaded = store.load(id, Select::Nothing, now()).await.unwrap();
            assert_eq!(loaded, Loaded::Ended(now()), "an end was undone");
            ends += 1;
        }
    }
    assert!(ends > 0, "no session ended");
    for (task, told) in told.iter().enumerate() {
        let stored = told.stored.load(Ordering::Acquire);
        let uncertain = told.uncertain.load(Ordering::Acquire);
        let found = count(&store, counter(task), "n").await;
        assert!(
            (stored..=stored + uncertain).contains(&found),
            "{stored} were stored, {uncertain} more may be: {found} are"
        );
    }
    let info = two.say(&["INFO", "replication"]).unwrap();
    assert!(info.contains("role:master"), "{info}");
}
