//! The cost of a field in a session with many fields: in memory, and in fjall with the cache, at the first access, and
//! without the cache.
//!
//! `fields [rounds]`; 15 by default. Each column is for sessions with this many fields of 40 bytes; figures are in
//! microseconds.

use level_session::{
    Clock, FjallStore, MemoryStore, Timestamp,
    store::{Digest, FieldName, Loaded, Select, Store, Write},
};
use level_session_benches::{
    compare::Race,
    machine, stored,
    table::{Table, micros, times},
};
use std::env;

const SIZES: [usize; 4] = [8, 100, 1_000, 5_000];
/// Reads of one request.
const READS: usize = 500;
/// The number of sessions of each size: each has one first access.
const SESSIONS: u64 = 40;

type Runtime = tokio::runtime::Runtime;

fn main() {
    let rounds = env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(15);
    println!("{}; best of {rounds} rounds.\n", machine::line());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O");
    let memory = MemoryStore::new();
    report("memory", &runtime, rounds, &|_| &memory);
    for (title, sessions) in [("fjall", 10_000), ("fjall, no cache", 0)] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = FjallStore::builder().cache_sessions(sessions);
        let store = store.open(dir.path()).expect("a new directory");
        report(title, &runtime, rounds, &|_| &store);
    }
    first_touch(&runtime, rounds);
}

/// Each line of a table is a kind of operation.
fn report<'s>(
    title: &str,
    runtime: &Runtime,
    rounds: usize,
    store: &dyn Fn(usize) -> &'s dyn Store,
) {
    let now = Clock::system().now();
    let mut columns = Vec::new();
    for size in SIZES {
        let (store, names) = (store(size), names(size));
        let id = stored::digest(size as u64);
        let lease = Some(stored::lease(now, 3_600_000));
        runtime.block_on(stored::put(store, id, now, lease, &writes(&names)));
        let picked: Vec<&str> = picked(&names);
        let mut at = 0;
        let mut next = move || {
            at = (at + 7_919) % READS;
            at
        };
        let mut race = Race::new();
        race.add("read a field", 200, |times| {
            for _ in 0..times {
                read(runtime, store, id, now, picked[next()]);
            }
        });
        race.add("read an absent field", 200, |times| {
            for _ in 0..times {
                read(runtime, store, id, now, "absent");
            }
        });
        race.add("write a field", 200, |times| {
            for n in 0..times {
                let field = FieldName::from(picked[n * 7 % READS].to_owned());
                let writes = [Write::set(field, stored::bytes())];
                runtime.block_on(stored::put(store, id, now, None, &writes));
            }
        });
        race.add("write while a view is out", 200, |times| {
            for n in 0..times {
                let held = read(runtime, store, id, now, picked[n]);
                let field = FieldName::from(picked[n * 7 % READS].to_owned());
                let writes = [Write::set(field, stored::bytes())];
                runtime.block_on(stored::put(store, id, now, None, &writes));
                drop(held);
            }
        });
        race.add("add a field, remove it", 50, |times| {
            for _ in 0..times {
                let field = FieldName::from_static("f00250x");
                let add = [Write::set(field.clone(), stored::bytes())];
                runtime.block_on(stored::put(store, id, now, None, &add));
                let remove = [Write::remove(field)];
                runtime.block_on(stored::put(store, id, now, None, &remove));
            }
        });
        race.add("500 reads", 1, |times| {
            for _ in 0..times {
                for name in &picked {
                    read(runtime, store, id, now, name);
                }
            }
        });
        columns.push(race.run(rounds));
    }
    print(
        title,
        &columns
            .iter()
            .map(|rows| {
                rows.iter()
                    .map(|(name, rounds)| (name.clone(), rounds.best()))
                    .collect()
            })
            .collect::<Vec<_>>(),
    );
}

/// The cost of the first access to a session that is not in the cache: the store is reopened for each round.
fn first_touch(runtime: &Runtime, rounds: usize) {
    let now = Clock::system().now();
    let mut columns = Vec::new();
    for size in SIZES {
        let names = names(size);
        let picked = picked(&names);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = FjallStore::open(dir.path()).expect("a new directory");
        for n in 0..SESSIONS {
            let lease = Some(stored::lease(now, 3_600_000));
            runtime.block_on(stored::put(
                &store,
                stored::digest(n),
                now,
                lease,
                &writes(&names),
            ));
        }
        drop(store);
        let mut best = [f64::MAX; 3];
        for _ in 0..rounds {
            let store = FjallStore::open(dir.path()).expect("it was closed");
            // The first access to the tables loads data that belongs to no session.
            read(runtime, &store, stored::digest(0), now, picked[0]);
            let half = SESSIONS / 2;
            let each = |from: u64, work: &mut dyn FnMut(Digest)| {
                let start = std::time::Instant::now();
                (from..from + half - 1).for_each(|n| work(stored::digest(n)));
                start.elapsed().as_nanos() as f64 / (half - 1) as f64
            };
            let measured = [
                each(1, &mut |id| {
                    read(runtime, &store, id, now, picked[3]);
                }),
                each(1, &mut |id| {
                    for name in &picked {
                        read(runtime, &store, id, now, name);
                    }
                }),
                each(half + 1, &mut |id| {
                    let writes = [Write::set(
                        FieldName::from(picked[4].to_owned()),
                        stored::bytes(),
                    )];
                    runtime.block_on(stored::put(&store, id, now, None, &writes));
                }),
            ];
            for (best, now) in best.iter_mut().zip(measured) {
                *best = best.min(now);
            }
        }
        let rows = ["read a field", "then 500 reads", "write a field"].map(str::to_owned);
        columns.push(rows.into_iter().zip(best).collect());
    }
    print("fjall, first touch", &columns);
}

/// Prints rows whose last column is the ratio of the largest session to the smallest.
fn print(title: &str, columns: &[Vec<(String, f64)>]) {
    let sizes = SIZES.map(|size| format!("{size} fields"));
    let head = [title.to_owned()].into_iter().chain(sizes);
    let mut table = Table::new(head.chain(["last / first".to_owned()]));
    for (row, (name, first)) in columns[0].iter().enumerate() {
        let figures = columns.iter().map(|column| micros(column[row].1));
        let last = columns[columns.len() - 1][row].1;
        let line = [name.clone()].into_iter().chain(figures);
        table.row(line.chain([times(last, *first)]));
    }
    println!("{table}");
}

fn names(size: usize) -> Vec<String> {
    (0..size).map(|n| format!("f{n:05}")).collect()
}

/// As many fields as a request reads, distributed over all.
fn picked(names: &[String]) -> Vec<&str> {
    (0..READS)
        .map(|n| names[n * 7_919 % names.len()].as_str())
        .collect()
}

fn writes(names: &[String]) -> Vec<Write> {
    let write = |name: &String| Write::set(FieldName::from(name.clone()), stored::bytes());
    names.iter().map(write).collect()
}

fn read(runtime: &Runtime, store: &dyn Store, id: Digest, now: Timestamp, name: &str) -> Loaded {
    let loaded = runtime.block_on(store.load(id, Select::Names(&[name]), now));
    let loaded = loaded.expect("the disk works");
    assert!(matches!(loaded, Loaded::Live(_)));
    loaded
}
