//! Commits that are on disk when they are answered, per second, by the number of tasks that wait for them.
//!
//! `durability [seconds]`; 2 by default for each line. Ten keys a commit would hide what is measured: each changes four
//! fields of a session of its own.

use level_session::{
    Clock,
    store::{Durability, FjallStore},
};
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

#[tokio::main(worker_threads = 2)]
async fn main() {
    let seconds = env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(2);
    let time = Duration::from_secs(seconds);
    println!("{}; {seconds} s each.\n", machine::line());
    let mut table = Table::new(["", "of one task", "commits per second"]);
    let mut one = 0.0;
    for tasks in TASKS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rate = ours(dir.path(), tasks, time).await;
        if tasks == 1 {
            one = rate;
        }
        table.row([
            format!("level-session, {tasks} tasks"),
            format!("{:.1}x", rate / one),
            format!("{rate:.0}"),
        ]);
    }
    #[cfg(feature = "sqlite")]
    {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rate = sqlite(dir.path(), time);
        table.row([
            "sqlite, WAL, synchronous=FULL, one connection".to_owned(),
            format!("{:.1}x", rate / one),
            format!("{rate:.0}"),
        ]);
    }
    println!("{table}");
}

async fn ours(path: &Path, tasks: usize, time: Duration) -> f64 {
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
    done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// SQLite lets one connection write at a time, so that more of them are no faster: each commit is a transaction of as
/// many rows, keyed as ours are.
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
