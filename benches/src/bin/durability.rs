//! Commits per second that are on disk before they return, by the number of waiting tasks.
//!
//! `durability [rounds]`; 5 by default. Each commit changes four fields, and each task has its own session. The last
//! column is the number of commits per fsync, in the best round.

use level_session::{Clock, Durability, FjallStore};
use level_session_benches::{machine, stored, table::Table};
use std::{
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const TASKS: [usize; 4] = [1, 8, 64, 512];
const FIELDS: usize = 4;
const TIME: Duration = Duration::from_millis(700);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let rounds = env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    println!(
        "{}; best of {rounds} interleaved rounds of {TIME:?}.\n",
        machine::line()
    );
    let mut names: Vec<_> = TASKS
        .map(|tasks| format!("level-session, tasks: {tasks}"))
        .into();
    if cfg!(feature = "sqlite") {
        names.push("sqlite, WAL, synchronous=FULL, one connection".to_owned());
    }
    let mut best = vec![(0.0_f64, None); names.len()];
    for _ in 0..rounds {
        for (at, best) in best.iter_mut().enumerate() {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let measured = match TASKS.get(at) {
                Some(tasks) => ours(dir.path(), *tasks, TIME).await,
                None => (sqlite(dir.path(), TIME), None),
            };
            if measured.0 > best.0 {
                *best = measured;
            }
        }
    }
    let mut table = Table::new(["", "of one task", "commits per second", "commits per fsync"]);
    for (name, (rate, shared)) in names.into_iter().zip(&best) {
        table.row([
            name,
            format!("{:.1}x", rate / best[0].0),
            format!("{rate:.0}"),
            shared.map_or("-".to_owned(), |shared| format!("{shared:.1}")),
        ]);
    }
    println!("{table}");
}

/// Commits per second, and per fsync.
async fn ours(path: &Path, tasks: usize, time: Duration) -> (f64, Option<f64>) {
    let store = FjallStore::builder()
        .durability(Durability::Sync)
        .open(path)
        .expect("a new directory");
    let now = Clock::system().now();
    for n in 0..tasks as u64 {
        let lease = stored::lease(now, 3_600_000);
        stored::put(
            &store,
            stored::digest(n),
            now,
            Some(lease),
            &stored::writes(8),
        )
        .await;
    }
    let done = Arc::new(AtomicU64::new(0));
    let before = store.syncs();
    let start = Instant::now();
    let running: Vec<_> = (0..tasks as u64)
        .map(|n| {
            let (store, done) = (store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let id = stored::digest(n);
                while start.elapsed() < time {
                    stored::put(&store, id, now, None, &stored::writes(FIELDS)).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in running {
        task.await.expect("no commit fails");
    }
    let time = start.elapsed().as_secs_f64();
    let done = done.load(Ordering::Relaxed) as f64;
    (done / time, Some(done / (store.syncs() - before) as f64))
}

/// SQLite allows one connection to write at a time, so more connections are not faster. Each commit is a transaction
/// with the same number of rows, and with the same keys.
#[cfg(feature = "sqlite")]
fn sqlite(path: &Path, time: Duration) -> f64 {
    use level_session_benches::workload;
    use rusqlite::{Connection, params};

    let mut connection = Connection::open(path.join("sessions.sqlite")).expect("a new file");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE data (id BLOB, field TEXT, value BLOB, PRIMARY KEY (id, field)) WITHOUT ROWID;",
        )
        .expect("a new database");
    let (start, mut done) = (Instant::now(), 0_u64);
    while start.elapsed() < time {
        let transaction = connection.transaction().expect("nobody else writes");
        {
            let mut statement = transaction
                .prepare_cached("INSERT OR REPLACE INTO data VALUES (?, ?, ?)")
                .expect("the table is there");
            for field in &workload::FIELDS[..FIELDS] {
                let id = stored::digest(done % 64);
                statement
                    .execute(params![id.as_bytes(), field, &*stored::bytes()])
                    .expect("the disk works");
            }
        }
        transaction.commit().expect("the disk works");
        done += 1;
    }
    done as f64 / start.elapsed().as_secs_f64()
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &Path, _: Duration) -> f64 {
    0.0
}
