//! The gain of a second core: requests through a ready service from one thread and from two.
//!
//! `cores [rounds]`; 15 by default. Each thread has its own runtime and sessions; the store, and the rest of the
//! layer's state, is shared. On a busy machine two threads do not get two cores, and their throughput is not
//! meaningful: so the table also shows the cores that they had, and the CPU time per request. The CPU time grows if
//! concurrent threads contend for cache lines or spin for a lock; if they sleep for a lock, the sleeps are counted.

use level_session_benches::{
    apps::App,
    machine,
    table::{Table, micros},
    workload::Workload,
};
use std::{
    env,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

const APPS: &[&str] = &[
    "bare",
    "fjall",
    "memory",
    #[cfg(feature = "peers")]
    "tower-sessions",
];
const WORKLOADS: [Workload; 2] = [Workload::ReadOne, Workload::WriteOne];
const THREADS: usize = 2;
/// Each thread's.
const SESSIONS: usize = 64;
/// Between two looks at the clock.
const REQUESTS: usize = 20;
const ROUND: Duration = Duration::from_millis(150);

/// The work of one thread in a round.
#[derive(Clone, Copy, Default)]
struct Done {
    requests: u64,
    wall: f64,
    cpu: f64,
    sleeps: u64,
}

/// The round of one application and workload that had the highest throughput.
#[derive(Clone, Copy, Default)]
struct Best {
    per_second: f64,
    cores: f64,
    cpu_of_a_request: f64,
    sleeps_per_million: f64,
}

impl Best {
    fn note(&mut self, threads: &[Done]) {
        let of = |what: fn(&Done) -> f64| threads.iter().map(what).sum::<f64>();
        let requests = of(|done| done.requests as f64);
        let (wall, cpu) = (
            of(|done| done.wall) / threads.len() as f64,
            of(|done| done.cpu),
        );
        if requests / wall > self.per_second {
            *self = Self {
                per_second: requests / wall,
                cores: cpu / 1e9 / wall,
                cpu_of_a_request: cpu / requests,
                sleeps_per_million: of(|done| done.sleeps as f64) / requests * 1e6,
            };
        }
    }
}

/// One thread's runtime and sessions.
struct Place {
    runtime: Runtime,
    users: Vec<App>,
}

fn main() {
    let rounds = env::args().nth(1).and_then(|n| n.parse().ok());
    let rounds: usize = rounds.unwrap_or(15);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores < THREADS {
        println!("skipped: this machine has one core");
        return;
    }
    let before = machine::load();
    let runtime = || Builder::new_current_thread().enable_all().build();
    let first = runtime().expect("a runtime");
    let mut places: Vec<(&str, Vec<Place>)> = Vec::new();
    for name in APPS {
        let app = first
            .block_on(App::named(name))
            .expect("it needs no server");
        let threads = (0..THREADS).map(|_| {
            let runtime = runtime().expect("a runtime");
            let users = (0..SESSIONS).map(|_| runtime.block_on(app.another()));
            let users = users.collect();
            Place { runtime, users }
        });
        let mut threads: Vec<_> = threads.collect();
        // It holds the directory.
        threads[0].users.push(app);
        places.push((name, threads));
    }
    let mut measured = vec![[[Best::default(); THREADS]; WORKLOADS.len()]; APPS.len()];
    for round in 0..=rounds {
        for (at, workload) in WORKLOADS.into_iter().enumerate() {
            for ((_, places), measured) in places.iter_mut().zip(&mut measured) {
                for threads in 1..=THREADS {
                    let done = run(&mut places[..threads], workload);
                    if round > 0 {
                        measured[at][threads - 1].note(&done);
                    }
                }
            }
        }
    }
    report(&measured, rounds, [before, machine::load()], cores);
}

/// All of them at once, for the time of a round.
fn run(places: &mut [Place], workload: Workload) -> Vec<Done> {
    let barrier = Barrier::new(places.len());
    thread::scope(|scope| {
        let running: Vec<_> = places
            .iter_mut()
            .map(|place| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    place.run(workload)
                })
            })
            .collect();
        let done = running.into_iter().map(|thread| thread.join());
        done.map(|done| done.expect("no request fails")).collect()
    })
}

impl Place {
    fn run(&mut self, workload: Workload) -> Done {
        let (cpu, sleeps) = (machine::thread_nanos(), machine::thread_sleeps());
        let start = Instant::now();
        let mut requests = 0;
        self.runtime.block_on(async {
            for at in 0.. {
                let user = at % SESSIONS;
                self.users[user].ask_often(workload, REQUESTS).await;
                requests += REQUESTS as u64;
                if start.elapsed() >= ROUND {
                    break;
                }
            }
        });
        Done {
            requests,
            wall: start.elapsed().as_secs_f64(),
            cpu: (machine::thread_nanos() - cpu) as f64,
            sleeps: machine::thread_sleeps() - sleeps,
        }
    }
}

fn report(
    measured: &[[[Best; THREADS]; WORKLOADS.len()]],
    rounds: usize,
    load: [f64; 2],
    cores: usize,
) {
    println!(
        "{}; best of {rounds} interleaved rounds of {ROUND:?}, {SESSIONS} sessions a thread.\n",
        machine::line()
    );
    // Bare axum never waits, so its threads lost CPU time only to other processes. Threads that sleep use less by
    // themselves.
    let two = measured.iter().take(1).flatten().map(|[_, two]| two.cores);
    if let Some(least) = two.min_by(f64::total_cmp)
        && least < 0.95 * THREADS as f64
    {
        println!(
            "**Others used the {cores} cores, too (load {:.1} before, {:.1} after): in its best round two threads had as \
             little as {least:.2} cores, where the throughput of two beside one says nothing, and contention shows only \
             while both run.**\n",
            load[0], load[1]
        );
    }
    let mut table = Table::new([
        "",
        "throughput of two threads / one",
        "cores that two had / one had",
        "processor time of a request, two / one",
        "sleeps in a million requests, one / two",
        "requests a second, one",
        "requests a second, two",
        "us of processor time, one",
    ]);
    for (name, measured) in APPS.iter().zip(measured) {
        for (workload, [one, two]) in WORKLOADS.iter().zip(measured) {
            table.row([
                format!("{name}, {}", workload.name()),
                format!("{:.2}x", two.per_second / one.per_second),
                format!("{:.2} / {:.2}", two.cores, one.cores),
                format!("{:.2}x", two.cpu_of_a_request / one.cpu_of_a_request),
                format!(
                    "{:.0} / {:.0}",
                    one.sleeps_per_million, two.sleeps_per_million
                ),
                format!("{:.0}", one.per_second),
                format!("{:.0}", two.per_second),
                micros(one.cpu_of_a_request),
            ]);
        }
    }
    println!("{table}");
}
