//! The effect of the sweeper on readers: latencies of reads with and without a running sweeper.
//!
//! `sweep [sessions]`; 100000 expired sessions by default, in addition to 1000 that are read.

use level_session::{
    Clock, FjallStore, Timestamp,
    store::{Loaded, Select, Store as _},
};
use level_session_benches::{
    machine, stored,
    table::{Table, micros},
};
use std::{
    env,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const READ: u64 = 1_000;
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let dead = env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    println!("{}; {TIME:?} of reads.\n", machine::line());
    let mut table = Table::new([
        "reads of one field, us",
        "p50",
        "p99",
        "p99.9",
        "worst",
        "swept",
    ]);
    for sweeping in [false, true] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = FjallStore::builder()
            .sweep_every(None)
            .open(dir.path())
            .expect("a new directory");
        let now = Clock::system().now();
        fill(&store, now, dead);
        let (latencies, swept) = run(&store, now, sweeping);
        let at = |share: f64| micros(latencies[((latencies.len() - 1) as f64 * share) as usize]);
        table.row([
            if sweeping {
                "while it sweeps"
            } else {
                "without a sweeper"
            }
            .to_owned(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            swept.to_string(),
        ]);
    }
    println!("{table}");
}

fn fill(store: &FjallStore, now: Timestamp, dead: u64) {
    let runtime = runtime();
    runtime.block_on(async {
        for n in 0..READ + dead {
            let lives = if n < READ { 3_600_000 } else { 1 };
            let lease = stored::lease(now, lives);
            stored::put(
                store,
                stored::digest(n),
                now,
                Some(lease),
                &stored::writes(8),
            )
            .await;
        }
    });
}

/// The latencies in nanoseconds, sorted, and how many sessions were swept meanwhile.
fn run(store: &FjallStore, now: Timestamp, sweeping: bool) -> (Vec<f64>, u64) {
    let (stop, swept) = (AtomicBool::new(false), AtomicU64::new(0));
    let later = Timestamp::from_millis(now.as_millis() + 1_000);
    let mut latencies = Vec::new();
    thread::scope(|scope| {
        if sweeping {
            scope.spawn(|| {
                let runtime = runtime();
                while !stop.load(Ordering::Relaxed) {
                    let batch = runtime
                        .block_on(store.sweep(later, 256))
                        .expect("the disk works");
                    swept.fetch_add(batch.sessions as u64, Ordering::Relaxed);
                    if !batch.more {
                        break;
                    }
                }
            });
        }
        let runtime = runtime();
        let start = Instant::now();
        for n in 0.. {
            let before = Instant::now();
            let id = stored::digest(n % READ);
            let loaded = runtime.block_on(store.load(id, Select::Names(&["f3"]), later));
            latencies.push(before.elapsed().as_nanos() as f64);
            assert!(matches!(loaded, Ok(Loaded::Live(_))));
            if start.elapsed() > TIME {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    latencies.sort_unstable_by(f64::total_cmp);
    (latencies, swept.into_inner())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O")
}
