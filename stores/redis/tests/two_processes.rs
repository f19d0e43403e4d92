//! Two processes, 64 tasks each, on one store: acknowledged changes are stored, while responses are lost, the server is
//! killed, or slots migrate.
//!
//! This prevents an addition or an update from being lost or applied twice, a code from being returned to two requests,
//! an id from surviving two renewals, and a session from being live after its end.
//!
//! The processes run this program with only the test [`worker`].
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod common;

use common::{builder, work::*};
use level_session_redis::{RedisStore, Safety};
use level_session_servers::redis::{Cluster, Proxy, Server, program};
use level_session_store::{Digest, Error, Loaded, Outcome, Result, Select, Store};
use std::{
    collections::BTreeMap,
    env,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

const TASKS: usize = 64;
/// Rounds of each task.
const ROUNDS: usize = 24;
/// Sessions that all tasks change.
const SHARED: usize = 8;
/// One-time codes, in separate sessions.
const CODES: usize = 64;
/// Sessions that are renewed repeatedly.
const CHAINS: usize = 4;
/// Sessions that end.
const ENDING: usize = 64;

/// A process's results: for each change, how often it was stored, and how often the outcome is unknown.
#[derive(Default)]
struct Told(Mutex<BTreeMap<String, (u64, u64)>>);

impl Told {
    /// Whether it was stored, if that is known.
    fn note(&self, what: &str, answer: Result<bool>) -> Option<bool> {
        let mut all = self.0.lock().unwrap();
        let (stored, uncertain) = all.entry(what.to_owned()).or_default();
        match answer {
            Ok(true) => *stored += 1,
            Ok(false) => return Some(false),
            Err(error) if error.may_be_stored() => {
                *uncertain += 1;
                return None;
            }
            Err(_) => return Some(false),
        }
        Some(true)
    }
}

/// Digests of a chain of renewals, all with one home, the same in each process.
fn link(store: &dyn Store, chain: usize, generation: usize) -> Digest {
    let home = store.home(id(&format!("chain {chain}")));
    let draws = (0..).map(|n| id(&format!("chain {chain} {generation} {n}")));
    let mut fitting = draws.filter(|id| store.home(*id) == home);
    fitting.next().unwrap()
}

fn shared(n: usize) -> Digest {
    id(&format!("shared {}", n % SHARED))
}

fn code(n: usize) -> Digest {
    id(&format!("code {n}"))
}

fn ending(n: usize) -> Digest {
    id(&format!("ending {n}"))
}

async fn begin(store: &RedisStore) {
    let ids = (0..SHARED).map(shared).chain((0..ENDING).map(ending));
    for id in ids.chain((0..CHAINS).map(|chain| link(store, chain, 0))) {
        done(store.commit(create(id)).await.unwrap());
    }
    for n in 0..CODES {
        done(
            store
                .commit(create(code(n)).with_writes(&[set("code", b"1")]))
                .await
                .unwrap(),
        );
    }
}

/// Adds one to a number in the same way as an `update`.
async fn update(store: &RedisStore, id: Digest) -> Result<bool> {
    for _ in 0..1_000 {
        let before = field(store, id, "updated").await?;
        let n = before
            .as_ref()
            .map_or(0, |bytes| u64::from_be_bytes((**bytes).try_into().unwrap()));
        let guards = [guard("updated", before.as_deref())];
        let writes = [set("updated", &(n + 1).to_be_bytes())];
        match store
            .commit(keep(id).with_guards(&guards).with_writes(&writes))
            .await?
        {
            Outcome::Done(_) => return Ok(true),
            Outcome::Conflict(_) => {}
            other => panic!("an update is {other:?}"),
        }
    }
    panic!("an update is refused for ever");
}

async fn task(store: RedisStore, told: Arc<Told>, process: usize, task: usize) {
    for round in 0..ROUNDS {
        let n = task * ROUNDS + round;
        let id = shared(n);
        let name = n % SHARED;

        let writes = [add_one("n"), set("last", &[0; 8])];
        let answer = store.commit(keep(id).with_writes(&writes)).await;
        told.note(
            &format!("n {name}"),
            answer.map(|outcome| outcome.is_done()),
        );

        if round % 4 == 0 {
            let answer = update(&store, id).await;
            told.note(&format!("updated {name}"), answer);
        }

        let at = (n * 7) % CODES;
        let guards = [guard("code", Some(b"1"))];
        let writes = [remove("code")];
        let take = keep(code(at)).with_guards(&guards).with_writes(&writes);
        let answer = store.commit(take).await;
        told.note(
            &format!("code {at}"),
            answer.map(|outcome| outcome.is_done()),
        );

        if task < CHAINS * 4 {
            let chain = task % CHAINS;
            let (old, new) = (link(&store, chain, round), link(&store, chain, round + 1));
            let answer = store.commit(renew(old, new)).await;
            told.note(
                &format!("chain {chain} {round}"),
                answer.map(|outcome| outcome.is_done()),
            );
        }

        let at = (n + process) % ENDING;
        let writes = [add_one("n")];
        let answer = store.commit(keep(ending(at)).with_writes(&writes)).await;
        drop(answer);
        if round == ROUNDS / 2 && task == at % TASKS || n.is_multiple_of(97) {
            let answer = store.commit(destroy(ending(at))).await;
            let ended = told.note(
                &format!("ending {at}"),
                answer.map(|outcome| outcome.is_done()),
            );
            if ended == Some(true) {
                dead(&store, ending(at)).await;
            }
        }
    }
}

/// An ended session accepts no commit and is never read.
async fn dead(store: &RedisStore, id: Digest) {
    let late = store.commit(keep(id).with_writes(&[add_one("n")])).await;
    assert!(
        !late.is_ok_and(|outcome| outcome.is_done()),
        "a commit on an ended session"
    );
    let loaded = store.load(id, Select::All, now()).await;
    assert!(
        !matches!(loaded, Ok(Loaded::Live(_))),
        "an ended session is live: {loaded:?}"
    );
}

/// The work of one process: not a test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker() {
    let Ok(url) = env::var("SESSION_WORKER_URL") else {
        return;
    };
    let process = env::var("SESSION_WORKER").unwrap().parse().unwrap();
    let store = open(&url).await.unwrap();
    let told = Arc::new(Told::default());
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| tokio::spawn(task(store.clone(), Arc::clone(&told), process, n)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for (what, (stored, uncertain)) in &*told.0.lock().unwrap() {
        println!("TOLD {stored} {uncertain} {what}");
    }
    println!("TOLD {} 0 retries", store.counts().retries);
}

async fn open(url: &str) -> Result<RedisStore, Error> {
    let settings = RedisStore::builder()
        .prefix("two")
        .safety(Safety::Ignore)
        .homes(HOMES);
    settings
        .response_timeout(Duration::from_secs(2))
        .connect(url)
        .await
}

/// Few, so that each slot is migrated often.
const HOMES: u16 = 8;

/// Starts both processes, and runs `meanwhile` until they are done: returns their combined results.
fn run(urls: [&str; 2], mut meanwhile: impl FnMut()) -> BTreeMap<String, (u64, u64)> {
    let children: Vec<_> = urls
        .iter()
        .enumerate()
        .map(|(n, url)| {
            let child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "worker", "--nocapture", "--test-threads", "1"])
                .env("SESSION_WORKER_URL", url)
                .env("SESSION_WORKER", n.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            // The output is read at the end: it must not fill the pipe before.
            std::thread::spawn(move || child.wait_with_output().unwrap())
        })
        .collect();
    while !children.iter().all(|child| child.is_finished()) {
        meanwhile();
    }
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for child in children {
        let output = child.join().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "a process failed: {text}");
        for line in text.lines().filter_map(|line| line.split("TOLD ").nth(1)) {
            let mut words = line.splitn(3, ' ');
            let mut number = || words.next().unwrap().parse::<u64>().unwrap();
            let (stored, uncertain) = (number(), number());
            let told = all.entry(words.next().unwrap().to_owned()).or_default();
            told.0 += stored;
            told.1 += uncertain;
        }
    }
    all
}

/// Compares the stored values with the results.
async fn check(store: &RedisStore, told: &BTreeMap<String, (u64, u64)>) {
    let of = |what: &str| told.get(what).copied().unwrap_or_default();
    let (mut lost, mut doubled) = (0, 0);
    let mut compare = |what: &str, stored: u64| {
        let (known, uncertain) = of(what);
        lost += known.saturating_sub(stored);
        doubled += stored.saturating_sub(known + uncertain);
    };
    for n in 0..SHARED {
        compare(&format!("n {n}"), count(store, shared(n), "n").await);
        let updated = field(store, shared(n), "updated").await.unwrap();
        let updated = updated.map_or(0, |bytes| u64::from_be_bytes((*bytes).try_into().unwrap()));
        compare(&format!("updated {n}"), updated);
    }
    assert_eq!(
        (lost, doubled),
        (0, 0),
        "additions and updates that were lost, and doubled"
    );
    for n in 0..CODES {
        let (taken, uncertain) = of(&format!("code {n}"));
        let there = field(store, code(n), "code").await.unwrap().is_some();
        assert!(taken <= 1, "a code was taken {taken} times");
        assert!(!(there && taken == 1), "a code is there after it was taken");
        assert!(
            taken == 1 || uncertain > 0 || there,
            "a code was removed and no request got it"
        );
    }
    for chain in 0..CHAINS {
        let mut alive = 0;
        for round in 0..=ROUNDS {
            let (renewed, _) = of(&format!("chain {chain} {round}"));
            assert!(renewed <= 1, "an id was renewed {renewed} times");
            let loaded = store
                .load(link(store, chain, round), Select::All, now())
                .await
                .unwrap();
            alive += usize::from(matches!(loaded, Loaded::Live(_)));
        }
        assert_eq!(alive, 1, "a chain of renewals has one living id");
    }
    for n in 0..ENDING {
        if of(&format!("ending {n}")).0 > 0 {
            dead(store, ending(n)).await;
        }
    }
    let stored: u64 = told
        .iter()
        .filter(|(what, _)| what.starts_with("n "))
        .map(|(_, it)| it.0)
        .sum();
    let ended = told
        .iter()
        .filter(|(what, it)| what.starts_with("ending") && it.0 > 0)
        .count();
    let renewed: u64 = told
        .iter()
        .filter(|(what, _)| what.starts_with("chain"))
        .map(|(_, it)| it.0)
        .sum();
    let uncertain: u64 = told.values().map(|it| it.1).sum();
    println!(
        "{stored} additions, {renewed} renewals, {ended} ends, {uncertain} uncertain, 0 lost, 0 doubled, 0 revived; retries {}",
        of("retries").0
    );
    assert!(
        stored > 500 && ended > 10 && renewed > 4,
        "too little was done"
    );
}

fn redis() -> Option<std::path::PathBuf> {
    let path = program("redis");
    if path.is_none() {
        eprintln!("skipped: there is no redis-server (apt-get install redis-server)");
    }
    path
}

fn rest() {
    std::thread::sleep(Duration::from_millis(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_single_server() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let store = open(&server.url()).await.unwrap();
    begin(&store).await;
    let told = run([&server.url(), &server.url()], rest);
    assert_eq!(
        told.values().map(|it| it.1).sum::<u64>(),
        0,
        "nothing is uncertain"
    );
    check(&store, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_answers_are_lost() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, &[]).unwrap();
    let store = open(&server.url()).await.unwrap();
    begin(&store).await;
    let proxies = [
        Proxy::start(server.port()).unwrap(),
        Proxy::start(server.port()).unwrap(),
    ];
    proxies.iter().for_each(|proxy| proxy.cut("EVALSHA", 211));
    let told = run([&proxies[0].url(), &proxies[1].url()], rest);
    assert!(proxies.iter().map(Proxy::lost).sum::<u64>() > 4);
    check(&store, &told).await;
}

/// `kill -9` of a server with its append-only file enabled: acknowledged changes are stored, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_killed_and_starts_again() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, LOGGED).unwrap();
    let store = open(&server.url()).await.unwrap();
    begin(&store).await;
    let mut kills = 0;
    let told = run([&server.url(), &server.url()], || {
        std::thread::sleep(Duration::from_millis(300));
        if kills < 4 {
            server.kill();
            server.start_again().unwrap();
            kills += 1;
        }
    });
    assert!(kills >= 2, "it was killed while they worked");
    check(&store, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_while_slots_migrate() {
    let Some(path) = redis() else { return };
    let cluster = Cluster::start(&path, &[]).unwrap();
    let store = open(&cluster.url()).await.unwrap();
    begin(&store).await;
    let slots = store.slots();
    let mut moves = 0;
    let told = run(
        [&cluster.nodes()[0].url(), &cluster.nodes()[1].url()],
        || {
            let slot = slots[moves % slots.len()];
            let owner = cluster.owner(slot).unwrap().unwrap();
            cluster.migrate(slot, (owner + 1) % 3).unwrap();
            moves += 1;
        },
    );
    println!("{moves} slots were moved");
    assert!(moves >= 8, "{moves} moves");
    assert_eq!(
        told.values().map(|it| it.1).sum::<u64>(),
        0,
        "nothing is uncertain"
    );
    check(&store, &told).await;
}

/// The server's log is synced before each response: with `everysec`, the server writes the log up to two seconds late while
/// the disk is busy, and a kill loses acknowledged commits.
const LOGGED: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// Each commit writes two fields and the lease; a kill leaves all of a commit or nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_commit_is_half_there_after_a_kill() {
    let Some(path) = redis() else { return };
    let server = Server::start(&path, LOGGED).unwrap();
    let settings = builder().response_timeout(Duration::from_millis(500));
    let store = settings.connect(&server.url()).await.unwrap();
    for n in 0..SHARED {
        done(store.commit(create(shared(n))).await.unwrap());
    }
    let mut last = [0u64; SHARED];
    for _ in 0..4 {
        let from = last.iter().max().unwrap() + 1;
        let tasks: Vec<_> = (0..SHARED)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut acknowledged = 0;
                    for value in from.. {
                        let text = vec![u8::try_from(value % 251).unwrap(); 2_000];
                        let number = value.to_be_bytes();
                        let writes = [
                            set("a", &number),
                            set("text", &text),
                            set("b", &number),
                            add_one("n"),
                        ];
                        match store.commit(keep(shared(n)).with_writes(&writes)).await {
                            Ok(_) => acknowledged = value,
                            Err(_) => break,
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.kill();
        for (task, last) in tasks.into_iter().zip(&mut last) {
            *last = task.await.unwrap().max(*last);
        }
        server.start_again().unwrap();
        for (n, last) in last.iter().enumerate() {
            let a = field(&store, shared(n), "a").await.unwrap();
            let b = field(&store, shared(n), "b").await.unwrap();
            assert_eq!(a, b, "half a commit");
            let stored = a.map_or(0, |bytes| u64::from_be_bytes((*bytes).try_into().unwrap()));
            assert!(stored >= *last, "an acknowledged commit is lost");
        }
    }
    assert!(last.iter().all(|last| *last > 0));
}
