//! The cost of a session among many: time, disk, memory.
//!
//! `scale [sessions]..`; 1000 and 100000 by default, a million takes some minutes. Sessions of eight fields of 40
//! bytes; the cache of recently used ones has its default size of 10,000.

use level_session::{
    Clock, FjallStore, Timestamp,
    store::{Loaded, Select, Store as _},
};
use level_session_benches::{
    compare::Race,
    machine::{self, Disk},
    stored,
    table::{Table, micros, times},
};
use std::{env, path::Path};

const ROUNDS: usize = 15;
const OPERATIONS: usize = 2_000;
/// The number of sessions that are "recently used".
const HOT: u64 = 1_000;

fn main() {
    let mut sizes: Vec<u64> = env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 100_000];
    }
    println!(
        "{}; best of {ROUNDS} rounds of {OPERATIONS}.\n",
        machine::line()
    );
    let mut table = Table::new([
        "sessions",
        "cold read / raw gets",
        "hot read, us",
        "cold read, us",
        "raw gets of meta and field, us",
        "hot write, us",
        "cold write, us",
        "disk / payload",
        "disk, bytes a session",
        "resident, MiB",
    ]);
    for size in sizes {
        let dir = tempfile::tempdir().expect("a temporary directory");
        table.row(measure(dir.path(), size));
    }
    println!("{table}");
    println!("Payload: {} bytes of names and values.", stored::PAYLOAD);
}

fn measure(path: &Path, size: u64) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O");
    let db = fjall::Database::builder(path)
        .open()
        .expect("a new directory");
    let store = FjallStore::new(db.clone()).expect("a new database");
    let now = Clock::system().now();
    runtime.block_on(async {
        for n in 0..size {
            let lease = stored::lease(now, 3_600_000);
            stored::put(
                &store,
                stored::digest(n),
                now,
                Some(lease),
                &stored::own_writes(n),
            )
            .await;
        }
    });
    for name in ["meta", "data", "due", "index"] {
        let keyspace = db
            .keyspace(
                &format!("session.{name}"),
                fjall::KeyspaceCreateOptions::default,
            )
            .expect("the store has made it");
        keyspace.rotate_memtable_and_wait().expect("the disk works");
        keyspace.major_compact().expect("the disk works");
    }
    // Compacted files are deleted once no reader can use them: at the latest now.
    drop((store, db));
    let db = fjall::Database::builder(path)
        .open()
        .expect("it was closed");
    let store = FjallStore::new(db.clone()).expect("it was closed");
    let disk = Disk::of(path).tables as f64 / size as f64;
    let keyspace = |name: &str| {
        db.keyspace(
            &format!("session.{name}"),
            fjall::KeyspaceCreateOptions::default,
        )
        .expect("the store has made it")
    };
    let (meta, data) = (keyspace("meta"), keyspace("data"));

    let read = |n: u64, now: Timestamp| {
        let loaded = runtime.block_on(store.load(stored::digest(n), Select::Names(&["f3"]), now));
        assert!(matches!(loaded, Ok(Loaded::Live(_))));
    };
    let write = |n: u64| {
        runtime.block_on(stored::put(
            &store,
            stored::digest(n),
            now,
            None,
            &stored::writes(1),
        ));
    };
    // Strides that are coprime to the sizes, so that every session is used once before any is used again.
    let (mut a, mut b, mut c) = (0, 0, 0);
    let mut race = Race::new();
    race.add("hot read", OPERATIONS, |times| {
        for n in 0..times as u64 {
            read(n % HOT.min(size), now);
        }
    });
    race.add("cold read", OPERATIONS, |times| {
        for _ in 0..times {
            a = (a + 7_919) % size;
            read(a, now);
        }
    });
    race.add("raw gets", OPERATIONS, |times| {
        for _ in 0..times {
            b = (b + 7_927) % size;
            let record = meta
                .get(stored::digest(b).as_bytes())
                .expect("the disk works");
            // The number of the session, and the field: the record begins with two bytes and the number.
            let mut key = [0; 10];
            key[..8].copy_from_slice(&record.expect("it was written")[2..10]);
            key[8..].copy_from_slice(b"f3");
            assert!(data.get(key).expect("the disk works").is_some());
        }
    });
    race.add("hot write", OPERATIONS, |times| {
        for n in 0..times as u64 {
            write(n % HOT.min(size));
        }
    });
    race.add("cold write", OPERATIONS, |times| {
        for _ in 0..times {
            c = (c + 7_933) % size;
            write(c);
        }
    });
    let measured: Vec<f64> = race
        .run(ROUNDS)
        .iter()
        .map(|(_, rounds)| rounds.best())
        .collect();
    let [hot, cold, raw, hot_write, cold_write] = measured[..] else {
        unreachable!("five were measured");
    };
    vec![
        size.to_string(),
        times(cold, raw),
        micros(hot),
        micros(cold),
        micros(raw),
        micros(hot_write),
        micros(cold_write),
        times(disk, stored::PAYLOAD as f64),
        format!("{disk:.0}"),
        (machine::resident() >> 20).to_string(),
    ]
}
