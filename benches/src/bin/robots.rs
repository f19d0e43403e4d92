//! The cost of visitors that never come back.
//!
//! `robots [seconds] [robots a second]`; 60 and 1000 by default. Each robot is a new session, which expires after 20
//! seconds; a sweep runs every five. The CPU time includes the removal of all sessions. In the rows `fjall` the
//! same keys are inserted and removed without level-session. In the rows of requests the robots ask an axum
//! application without a cookie. Each row is a process of its own.

use axum::{Router, body::Body, routing::RouterIntoService, routing::get};
use http::Request;
use level_session::{
    Clock, Expiry, FjallStore, Keyring, Result, Session, SessionLayer, Sessions, Timestamp,
    store::{Store as _, Write},
};
use level_session_benches::{
    apps::Eight,
    machine::{self, Disk},
    stored,
    table::{Table, micros, times},
    workload::value,
};
use std::{
    collections::VecDeque,
    env, iter,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};
use tower_service::Service as _;

const LIFETIME: Duration = Duration::from_secs(20);
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(20);
/// The first argument of a child process.
const RUN: &str = "run";
const SUBJECTS: [&str; 6] = [
    "a session of one field",
    "fjall, one field",
    "a session of eight fields",
    "fjall, eight fields",
    "a request that reads a field",
    "a request that writes a field",
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |at: usize, default: u64| {
        let argument: Option<&String> = arguments.get(at);
        argument.and_then(|n| n.parse().ok()).unwrap_or(default)
    };
    if arguments.first().is_some_and(|first| first == RUN) {
        return run(&arguments[1], number(2, 0), number(3, 0));
    }
    let (seconds, rate) = (number(0, 60), number(1, 1_000));
    println!(
        "{}; {seconds} s each, {rate} robots a second.\n",
        machine::line()
    );
    let mut table = Table::new([
        "of a robot",
        "CPU / fjall alone",
        "CPU, us",
        "caller, us",
        "sweeper, us",
        "upkeep and commits, us",
        "fjall's threads, us",
        "sessions stored",
        "tables, bytes a session",
        "disk, MiB",
        "swept: tables, MiB",
        "swept: disk, MiB",
        "resident, MiB",
    ]);
    let rows: Vec<Vec<String>> = SUBJECTS
        .iter()
        .map(|subject| {
            let child = Command::new(env::current_exe().expect("this program"))
                .args([RUN, subject, &seconds.to_string(), &rate.to_string()])
                .output()
                .expect("this program runs");
            assert!(child.status.success(), "{child:?}");
            let line = String::from_utf8_lossy(&child.stdout).into_owned();
            line.trim().split('|').map(str::to_owned).collect()
        })
        .collect();
    let nanos = |at: usize| rows[at][0].parse::<f64>().expect("a number");
    for (at, subject) in SUBJECTS.iter().enumerate() {
        let ratio = match at {
            0 | 2 => times(nanos(at), nanos(at + 1)),
            _ => "-".to_owned(),
        };
        let cells = [(*subject).to_owned(), ratio, micros(nanos(at))];
        table.row(cells.into_iter().chain(rows[at][1..].iter().cloned()));
    }
    println!("{table}");
}

/// Where the robots go.
trait Site {
    fn visit(&mut self, n: u64);
    /// Called often.
    fn tend(&mut self) {}
    /// How many sessions are stored, expired ones included.
    fn stored(&self) -> u64;
}

/// Prints the cells of a row; the first one is the CPU time in nanoseconds.
fn run(subject: &str, seconds: u64, rate: u64) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path();
    let mut site: Box<dyn Site> = match SUBJECTS.iter().position(|name| *name == subject) {
        Some(0) => Box::new(Ours::new(path, 1)),
        Some(1) => Box::new(Raw::new(path, 1)),
        Some(2) => Box::new(Ours::new(path, 8)),
        Some(3) => Box::new(Raw::new(path, 8)),
        Some(4) => Box::new(App::new(path, false)),
        Some(5) => Box::new(App::new(path, true)),
        _ => panic!("there is no {subject}"),
    };
    let before = Cpu::now();
    let (start, mut visits) = (Instant::now(), 0);
    while visits < seconds * rate {
        thread::sleep(TICK);
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        while visits < due.min(seconds * rate) {
            site.visit(visits);
            visits += 1;
        }
        site.tend();
    }
    let mut spans = vec![(before, Cpu::now())];
    let (stored, disk, resident) = (site.stored(), Disk::of(path), machine::resident());
    // Without the time that counting them takes.
    let mut before = Cpu::now();
    for pause in iter::once(LIFETIME + 2 * SWEEP_EVERY).chain(iter::repeat(SWEEP_EVERY)) {
        for _ in 0..pause.as_millis() / TICK.as_millis() {
            thread::sleep(TICK);
            site.tend();
        }
        spans.push((before, Cpu::now()));
        if site.stored() == 0 {
            break;
        }
        before = Cpu::now();
    }
    let after = Disk::of(path);

    let of = |part: fn(&Cpu) -> u64| {
        // A thread that has ended is missing afterwards.
        let nanos = spans
            .iter()
            .map(|(from, to)| part(to) as f64 - part(from) as f64);
        nanos.sum::<f64>() / visits as f64
    };
    let mib = |bytes: u64| (bytes >> 20).to_string();
    let tables = match stored {
        0 => "-".to_owned(),
        stored => (disk.tables / stored).to_string(),
    };
    let cells = [
        of(Cpu::all).to_string(),
        micros(of(|cpu| cpu.caller)),
        micros(of(|cpu| cpu.sweeper)),
        micros(of(|cpu| cpu.store)),
        micros(of(|cpu| cpu.fjall)),
        stored.to_string(),
        tables,
        mib(disk.bytes()),
        mib(after.tables),
        mib(after.bytes()),
        mib(resident),
    ];
    println!("{}", cells.join("|"));
}

/// The CPU time of the threads in nanoseconds.
#[derive(Default)]
struct Cpu {
    caller: u64,
    sweeper: u64,
    /// The other threads of the store.
    store: u64,
    fjall: u64,
}

impl Cpu {
    fn now() -> Self {
        let mut cpu = Self::default();
        for (name, nanos) in machine::threads_nanos() {
            *match name.as_str() {
                "session-sweep" => &mut cpu.sweeper,
                name if name.starts_with("session-") => &mut cpu.store,
                name if name.starts_with("fjall") => &mut cpu.fjall,
                _ => &mut cpu.caller,
            } += nanos;
        }
        cpu
    }

    fn all(&self) -> u64 {
        self.caller + self.sweeper + self.store + self.fjall
    }
}

fn open(path: &Path) -> FjallStore {
    let settings = FjallStore::builder().sweep_every(Some(SWEEP_EVERY));
    settings.open(path).expect("a new directory")
}

fn stored_in(store: &FjallStore) -> u64 {
    // Every session is live at this time.
    let beginning = Timestamp::from_millis(0);
    let (mut stored, mut after) = (0, None);
    loop {
        let page = store.page(after.as_ref(), 1_000, beginning);
        let page = block_on(page).expect("the disk works");
        stored += page.items.len() as u64;
        after = page.next;
        if after.is_none() {
            return stored;
        }
    }
}

/// The writes of some sessions, made before the measurement.
fn prepared(fields: usize) -> Vec<Vec<Write>> {
    let of = |n| stored::own_writes(n).into_iter().take(fields).collect();
    (0..97).map(of).collect()
}

struct Ours {
    store: FjallStore,
    runtime: tokio::runtime::Runtime,
    writes: Vec<Vec<Write>>,
}

impl Ours {
    fn new(path: &Path, fields: usize) -> Self {
        Self {
            store: open(path),
            runtime: runtime(),
            writes: prepared(fields),
        }
    }
}

impl Site for Ours {
    fn visit(&mut self, n: u64) {
        let now = Clock::system().now();
        let lease = stored::lease(now, LIFETIME.as_millis() as u64);
        let writes = &self.writes[n as usize % self.writes.len()];
        let put = stored::put(&self.store, stored::digest(n), now, Some(lease), writes);
        self.runtime.block_on(put);
    }

    fn stored(&self) -> u64 {
        stored_in(&self.store)
    }
}

/// The same keys: a record, the fields by number, and when it expires.
struct Raw {
    db: fjall::Database,
    meta: fjall::Keyspace,
    data: fjall::Keyspace,
    due: fjall::Keyspace,
    fields: usize,
    live: VecDeque<(Instant, u64)>,
}

impl Raw {
    fn new(path: &Path, fields: usize) -> Self {
        let db = fjall::Database::builder(path)
            .open()
            .expect("a new directory");
        // The write buffers of level-session.
        let keyspace = |name, mib: u64| {
            let options =
                || fjall::KeyspaceCreateOptions::default().max_memtable_size(mib * 1024 * 1024);
            db.keyspace(name, options).expect("a new keyspace")
        };
        let (meta, data, due) = (
            keyspace("meta", 16),
            keyspace("data", 16),
            keyspace("due", 4),
        );
        Self {
            db,
            meta,
            data,
            due,
            fields,
            live: VecDeque::new(),
        }
    }

    fn due(n: u64) -> Vec<u8> {
        [&n.to_be_bytes(), &stored::digest(n).as_bytes()[..]].concat()
    }

    fn data(n: u64, field: usize) -> Vec<u8> {
        [&n.to_be_bytes()[..], format!("f{field}").as_bytes()].concat()
    }
}

impl Site for Raw {
    fn visit(&mut self, n: u64) {
        let mut batch = self.db.batch();
        for field in 0..self.fields {
            batch.insert(&self.data, Self::data(n, field), vec![n as u8; 45]);
        }
        let record = vec![n as u8; 50 + 8 * self.fields];
        batch.insert(&self.meta, stored::digest(n).as_bytes(), record);
        batch.insert(&self.due, Self::due(n), []);
        batch.commit().expect("the disk works");
        self.live.push_back((Instant::now() + LIFETIME, n));
    }

    fn tend(&mut self) {
        while let Some((until, n)) = self.live.front().copied()
            && until < Instant::now()
        {
            self.live.pop_front();
            let mut batch = self.db.batch();
            for field in 0..self.fields {
                batch.remove(&self.data, Self::data(n, field));
            }
            batch.remove(&self.meta, stored::digest(n).as_bytes());
            batch.remove(&self.due, Self::due(n));
            batch.commit().expect("the disk works");
        }
    }

    fn stored(&self) -> u64 {
        self.live.len() as u64
    }
}

/// An axum application.
struct App {
    store: FjallStore,
    service: RouterIntoService<Body>,
    path: &'static str,
    runtime: tokio::runtime::Runtime,
}

impl App {
    fn new(path: &Path, writes: bool) -> Self {
        let store = open(path);
        let keyring = Keyring::new([[7; 32]]).expect("32 bytes");
        let sessions = Sessions::builder(store.clone(), keyring)
            .expiry(Expiry::idle(LIFETIME))
            .build()
            .expect("valid settings");
        let router = Router::new()
            .route("/read", get(read))
            .route("/write", get(write))
            .layer(SessionLayer::from(sessions));
        Self {
            store,
            service: router.into_service(),
            path: if writes { "/write" } else { "/read" },
            runtime: runtime(),
        }
    }
}

async fn read(session: Session<Eight>) -> Result<String> {
    Ok(session.f0().await?.unwrap_or_default())
}

async fn write(session: Session<Eight>) -> Result<&'static str> {
    session.f0().set(value().to_owned())?;
    Ok("ok")
}

impl Site for App {
    fn visit(&mut self, _: u64) {
        let request = Request::get(self.path).body(Body::empty());
        let answer = self.service.call(request.expect("a valid request"));
        let answer = self.runtime.block_on(answer).expect("it never fails");
        assert!(answer.status().is_success());
    }

    fn stored(&self) -> u64 {
        stored_in(&self.store)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}
