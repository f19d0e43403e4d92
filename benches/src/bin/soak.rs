//! A soak: a store under a mixed load with churn, every answer compared with a model.
//!
//! `soak [minutes] [creates a second]`; an hour and 300 by default. Sessions of eight fields and a counter are created,
//! read, written, renewed and destroyed, and expire. The clock of the sessions runs 30 times as fast as the wall's, so
//! sessions that live an hour, and the marks of ended sessions, which are kept for an hour, are replaced every two to four
//! minutes: a store that grows after the first minutes leaks.
//!
//! The model knows of every acknowledged commit. Each session belongs to one worker, so the model needs no locks; all
//! workers add to the counters of a few shared sessions, whose sums are compared at the end. Then the store is closed,
//! opened and compared again. The exit code is 1 if any answer differed.

use level_session::{
    Clock, FieldName, FjallStore, FjallStoreBuilder, Timestamp, Value,
    store::{
        Add, Bytes, Commit, Digest, ENDED_IS_REMEMBERED, Fields, Lease, Loaded, Meta, Outcome,
        Select, Step, Store as _, Timeouts, Use, Write, value::CounterRange,
    },
};
use level_session_benches::{
    machine::{self, Disk},
    stored,
    table::{Table, micros, times},
    workload::FIELDS,
};
use std::{
    array,
    collections::VecDeque,
    env,
    path::Path,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

const WORKERS: u64 = 4;
/// How many times as fast as the wall's clock the clock of the sessions runs.
const SPEED: u32 = 30;
/// How long a session lives after a use, and at most.
const IDLE: Duration = Duration::from_secs(3_600);
const ABSOLUTE: Duration = Duration::from_secs(2 * 3_600);
/// How long a former id works after some of the renewals.
const GRACE: Duration = Duration::from_secs(300);
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Less than the live sessions, so that many reads are answered by the database.
const CACHED: usize = 5_000;
/// The sessions whose counters all workers add to.
const SHARED: usize = 8;
const COUNT: &str = "count";
/// How many ended ids a worker remembers, to ask for them again.
const REMEMBERED: usize = 10_000;
/// How many sessions a worker examines for each new one, to drop those that have expired from the model.
const EXAMINED: usize = 64;
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let minutes: u64 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(60);
    let rate: u64 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(300);
    println!(
        "{}; {minutes} minutes, {rate} new sessions a second.\n",
        machine::line()
    );
    let dir = tempfile::tempdir().expect("a temporary directory");
    let clock = Clock::manual(Clock::system().now());
    let seen = Seen::default();

    let store = settings(&clock).open(dir.path()).expect("a new directory");
    let checked = Checked {
        store: &store,
        clock: &clock,
        seen: &seen,
    };
    block_on(create_shared(&store, clock.now()));
    let models = run(checked, dir.path(), minutes, rate);
    block_on(checked.all(&models));
    if let Err(error) = block_on(store.close()) {
        seen.wrong(format!("the store did not close: {error}"));
    }

    let store = settings(&clock).open(dir.path()).expect("it was closed");
    let checked = Checked {
        store: &store,
        ..checked
    };
    block_on(async {
        checked.all(&models).await;
        checked.no_flaws().await;
    });
    match seen.wrong.load(Relaxed) {
        0 => {
            println!(
                "The store agreed with the model, also after it was opened again; it has no flaws."
            );
            ExitCode::SUCCESS
        }
        wrong => {
            println!("FAILED: the store differed from the model, or had a flaw, {wrong} times.");
            ExitCode::FAILURE
        }
    }
}

fn settings(clock: &Clock) -> FjallStoreBuilder {
    FjallStore::builder()
        .cache_sessions(CACHED)
        .sweep_every(Some(SWEEP_EVERY))
        .clock(clock.clone())
}

/// Runs the workers, moves the clock, and prints a row each minute and whether disk and memory are flat.
fn run(checked: Checked<'_>, path: &Path, minutes: u64, rate: u64) -> Vec<Model> {
    let Checked { clock, seen, .. } = checked;
    let head = [
        "minute",
        "sessions",
        "operations",
        "resident, MiB",
        "tables, MiB",
        "journals, MiB",
        "files",
        "read p99, us",
        "write p99, us",
        "differed",
    ];
    println!("{}", Table::new(head).to_string().trim_end());
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let mut samples: Vec<[f64; 3]> = Vec::new();
    let models = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| {
                let worker = Worker::new(number, checked);
                let stop = &stop;
                scope.spawn(move || block_on(worker.run(rate as f64 / WORKERS as f64, stop)))
            })
            .collect();
        let mut passed = Duration::ZERO;
        let mut sampled = Duration::ZERO;
        for minute in 1..=minutes {
            while start.elapsed() < Duration::from_secs(60 * minute) {
                thread::sleep(TICK);
                let elapsed = start.elapsed();
                clock.advance((elapsed - passed) * SPEED);
                passed = elapsed;
                if passed - sampled >= SAMPLE_EVERY {
                    sampled = passed;
                    samples.push([
                        Disk::of(path).bytes() as f64,
                        machine::resident() as f64,
                        seen.live() as f64,
                    ]);
                }
            }
            let disk = Disk::of(path);
            let mib = |bytes: u64| format!("{:.0}", bytes as f64 / 1_048_576.0);
            let row = [
                minute.to_string(),
                seen.live().to_string(),
                seen.operations.load(Relaxed).to_string(),
                mib(machine::resident()),
                mib(disk.tables),
                mib(disk.journals),
                disk.files.to_string(),
                seen.reads.p99(),
                seen.writes.p99(),
                seen.wrong.load(Relaxed).to_string(),
            ];
            println!("| {} |", row.join(" | "));
        }
        stop.store(true, Relaxed);
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"));
        joined.collect::<Vec<_>>()
    });
    let quarter = samples.len() / 4;
    let growth = |of: usize| {
        let mean = |from: usize| {
            let part = samples[from..from + quarter]
                .iter()
                .map(|sample| sample[of]);
            part.sum::<f64>() / quarter as f64
        };
        times(mean(3 * quarter), mean(quarter))
    };
    println!(
        "\nMean of the last quarter to that of the second: disk {}, memory {}, live sessions {}.\n",
        growth(0),
        growth(1),
        growth(2)
    );
    models
}

/// Everything that the workers tell.
#[derive(Default)]
struct Seen {
    operations: AtomicU64,
    live: [AtomicU64; WORKERS as usize],
    reads: Latencies,
    writes: Latencies,
    wrong: AtomicU64,
}

impl Seen {
    fn live(&self) -> u64 {
        self.live.iter().map(|live| live.load(Relaxed)).sum()
    }

    /// Counts an answer that differs from the model, and prints the first ones.
    fn wrong(&self, what: String) {
        if self.wrong.fetch_add(1, Relaxed) < 20 {
            eprintln!("WRONG: {what}");
        }
    }
}

/// Latencies of this minute in nanoseconds.
#[derive(Default)]
struct Latencies(Mutex<Vec<u64>>);

impl Latencies {
    fn add(&self, since: Instant) {
        let nanos = since.elapsed().as_nanos() as u64;
        self.0.lock().expect("nobody panics").push(nanos);
    }

    /// Begins the next minute.
    fn p99(&self) -> String {
        let mut nanos = self.0.lock().expect("nobody panics");
        nanos.sort_unstable();
        let at = nanos.len().saturating_sub(1) * 99 / 100;
        let p99 = nanos.get(at).copied().unwrap_or_default();
        nanos.clear();
        micros(p99 as f64)
    }
}

/// The acknowledged state of a session.
#[derive(Clone, Debug)]
struct Session {
    /// Its number when it was created: its fields are made of it.
    origin: u64,
    /// Its number now: its id is made of it.
    number: u64,
    /// How often each field was written.
    versions: [u32; FIELDS.len()],
    count: u64,
    lease: Lease,
}

impl Session {
    fn id(&self) -> Digest {
        stored::digest(self.number)
    }

    fn value(&self, field: usize) -> Bytes {
        let version = u64::from(self.versions[field]);
        stored::noise(self.origin ^ version << 36 ^ (field as u64) << 60)
    }

    /// The entry of the first field in the index.
    fn entry(&self) -> Bytes {
        Bytes::from(&self.origin.to_be_bytes()[..])
    }

    fn write(&self, field: usize) -> Write {
        let entry = (field == 0).then(|| self.entry());
        Write::set(FieldName::from_static(FIELDS[field]), self.value(field)).with_index(entry)
    }

    fn is_live(&self, now: Timestamp) -> bool {
        self.lease.is_live(now)
    }
}

/// An id that must not be live again.
struct Ended {
    id: Digest,
    /// The time that the store remembers for an hour; `None` if it may have forgotten it.
    at: Option<Timestamp>,
}

/// What the commits of a worker have made.
struct Model {
    live: Vec<Session>,
    ended: VecDeque<Ended>,
    /// The sums of the additions to the shared counters.
    added: [u64; SHARED],
}

/// The store, and what compares its answers with a model.
#[derive(Clone, Copy)]
struct Checked<'a> {
    store: &'a FjallStore,
    clock: &'a Clock,
    seen: &'a Seen,
}

struct Worker<'a> {
    number: u64,
    checked: Checked<'a>,
    model: Model,
    /// How many ids it has drawn.
    drawn: u64,
    random: Random,
    /// Up to where the model's live sessions were examined.
    examined: usize,
}

impl<'a> Worker<'a> {
    fn new(number: u64, checked: Checked<'a>) -> Self {
        Self {
            number,
            checked,
            model: Model {
                live: Vec::new(),
                ended: VecDeque::with_capacity(REMEMBERED),
                added: [0; SHARED],
            },
            drawn: 0,
            random: Random(number),
            examined: 0,
        }
    }

    async fn run(mut self, rate: f64, stop: &AtomicBool) -> Model {
        let start = Instant::now();
        let mut visits = 0;
        while !stop.load(Relaxed) {
            let due = (start.elapsed().as_secs_f64() * rate) as u64;
            if visits >= due {
                thread::sleep(TICK);
                continue;
            }
            visits += 1;
            self.visit().await;
            self.checked.seen.live[self.number as usize]
                .store(self.model.live.len() as u64, Relaxed);
        }
        self.model
    }

    /// A new session, and as many requests of other sessions as there are for each new one.
    async fn visit(&mut self) {
        self.create().await;
        for _ in 0..8 {
            self.read().await;
        }
        self.read_all().await;
        for _ in 0..3 {
            self.write().await;
        }
        for _ in 0..2 {
            self.count().await;
        }
        self.ask_for_ended().await;
        self.count_shared().await;
        match self.random.below(8) {
            0 => self.renew(None).await,
            1 => self.renew(Some(GRACE)).await,
            2 => self.destroy().await,
            3 => self.find().await,
            _ => {}
        }
        self.examine().await;
    }

    async fn create(&mut self) {
        let now = self.checked.clock.now();
        let number = self.draw();
        let lease = timeouts().lease(now, now);
        let session = Session {
            origin: number,
            number,
            versions: [0; FIELDS.len()],
            count: 0,
            lease,
        };
        let writes: [Write; FIELDS.len()] = array::from_fn(|field| session.write(field));
        let step = Step::create(now, lease);
        if self
            .checked
            .commit(&session, now, step, &writes)
            .await
            .is_some()
        {
            self.model.live.push(session);
        }
    }

    /// Reads one field.
    async fn read(&mut self) {
        let Some((at, now)) = self.pick() else { return };
        let session = &self.model.live[at];
        let field = self.random.below(FIELDS.len());
        let names = [FIELDS[field]];
        let Some(fields) = self.checked.load(session, Select::Names(&names), now).await else {
            return;
        };
        let found = fields.values(&names).and_then(|mut values| values.pop());
        if found != Some(Some(session.value(field))) {
            let what = format!("field {field} of {session:?}: {found:?}");
            self.checked.seen.wrong(what);
        }
    }

    async fn read_all(&mut self) {
        let Some((at, now)) = self.pick() else { return };
        self.checked.compare(&self.model.live[at], now).await;
    }

    /// Writes one field, and is a use of the session.
    async fn write(&mut self) {
        let Some((at, now)) = self.pick() else { return };
        let field = self.random.below(FIELDS.len());
        let mut session = self.model.live[at].clone();
        session.versions[field] += 1;
        // Every fourth write counts as a use, so that some sessions expire although they are written.
        let usage = Use::new(timeouts(), IDLE / 100);
        let step = Step::keep((self.random.below(4) == 0).then_some(usage));
        let write = session.write(field);
        if let Some(Some(meta)) = self.checked.commit(&session, now, step, &[write]).await {
            session.lease = meta.lease;
            self.model.live[at] = session;
        }
    }

    async fn count(&mut self) {
        let Some((at, now)) = self.pick() else { return };
        let step = Step::keep(None);
        let done = self
            .checked
            .commit(&self.model.live[at], now, step, &[one_more()])
            .await;
        if done.is_some() {
            self.model.live[at].count += 1;
        }
    }

    async fn renew(&mut self, grace: Option<Duration>) {
        let Some((at, now)) = self.pick() else { return };
        let mut session = self.model.live[at].clone();
        let (former, lease) = (session.id(), timeouts().lease(now, now));
        let number = self.draw();
        let until = grace.map(|grace| now.after(grace));
        let step = Step::renew(stored::digest(number), lease, until);
        if self
            .checked
            .commit(&session, now, step, &[])
            .await
            .is_none()
        {
            return;
        }
        (session.number, session.lease) = (number, lease);
        self.model.live[at] = session;
        let Some(until) = until else {
            return self.end(Ended {
                id: former,
                at: Some(now),
            });
        };
        let loaded = self.checked.store.load(former, Select::Nothing, now).await;
        let is_former = matches!(&loaded, Ok(Loaded::Live(snapshot)) if snapshot.by_former_id);
        if !is_former && self.checked.clock.now() < until {
            self.checked
                .seen
                .wrong(format!("a former id within its grace period: {loaded:?}"));
        }
        // A use by the new id ends the former one.
        let now = self.checked.clock.now();
        let usage = Use::new(timeouts(), IDLE / 100);
        let step = Step::keep(Some(usage));
        if let Some(Some(meta)) = self
            .checked
            .commit(&self.model.live[at], now, step, &[])
            .await
        {
            self.model.live[at].lease = meta.lease;
            self.end(Ended {
                id: former,
                at: None,
            });
        }
    }

    async fn destroy(&mut self) {
        let Some((at, now)) = self.pick() else { return };
        if self
            .checked
            .commit(&self.model.live[at], now, Step::Destroy, &[])
            .await
            .is_some()
        {
            let session = self.model.live.swap_remove(at);
            self.end(Ended {
                id: session.id(),
                at: Some(now),
            });
        }
    }

    /// Looks a session up by its index entry, which no other session has.
    async fn find(&mut self) {
        let Some((at, now)) = self.pick() else { return };
        let session = &self.model.live[at];
        let found = self
            .checked
            .store
            .find(FIELDS[0], &session.entry(), None, 10, now)
            .await;
        let ids = found
            .as_ref()
            .map(|page| page.items.iter().map(|found| found.id));
        let is_found = ids.is_ok_and(|ids| ids.eq([session.id()]));
        if !is_found && session.is_live(self.checked.clock.now()) {
            self.checked
                .seen
                .wrong(format!("a look-up of {session:?}: {found:?}"));
        }
        self.checked.seen.operations.fetch_add(1, Relaxed);
    }

    async fn count_shared(&mut self) {
        let at = self.random.below(SHARED);
        let commit = Commit::new(shared(at), self.checked.clock.now(), Step::keep(None));
        let writes = [one_more()];
        let before = Instant::now();
        match self.checked.store.commit(commit.with_writes(&writes)).await {
            Ok(Outcome::Done(_)) => self.model.added[at] += 1,
            other => self
                .checked
                .seen
                .wrong(format!("an addition to a shared counter: {other:?}")),
        }
        self.checked.seen.writes.add(before);
        self.checked.seen.operations.fetch_add(1, Relaxed);
        let sum = self
            .checked
            .shared_count(at, self.checked.clock.now())
            .await;
        if sum.is_none_or(|sum| sum < self.model.added[at]) {
            self.checked
                .seen
                .wrong(format!("shared counter {at} is {sum:?}"));
        }
    }

    async fn ask_for_ended(&mut self) {
        if !self.model.ended.is_empty() {
            let at = self.random.below(self.model.ended.len());
            self.checked.stays_ended(&self.model.ended[at]).await;
        }
    }

    /// Drops some expired sessions from the model. They must be dead.
    async fn examine(&mut self) {
        for _ in 0..EXAMINED {
            let now = self.checked.clock.now();
            match self.model.live.get(self.examined) {
                None => self.examined = 0,
                Some(session) if session.is_live(now) => self.examined += 1,
                Some(_) => {
                    let id = self.model.live.swap_remove(self.examined).id();
                    let ended = Ended { id, at: None };
                    self.checked.stays_ended(&ended).await;
                    self.end(ended);
                }
            }
        }
    }

    /// A random session that is live now.
    fn pick(&mut self) -> Option<(usize, Timestamp)> {
        let now = self.checked.clock.now();
        let at = self.random.below(self.model.live.len());
        self.model.live.get(at)?.is_live(now).then_some((at, now))
    }

    fn end(&mut self, ended: Ended) {
        if self.model.ended.len() == REMEMBERED {
            self.model.ended.pop_front();
        }
        self.model.ended.push_back(ended);
    }

    /// The number of an id that no session has had. No worker draws that of another.
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        SHARED as u64 + self.drawn * WORKERS + self.number
    }
}

impl Checked<'_> {
    /// Compares everything that the models know with the store, and the number of the sessions. The clock stands still.
    async fn all(self, models: &[Model]) {
        let now = self.clock.now();
        let mut live = SHARED;
        for session in models.iter().flat_map(|model| &model.live) {
            if session.is_live(now) {
                live += 1;
                self.compare(session, now).await;
            } else {
                let ended = Ended {
                    id: session.id(),
                    at: None,
                };
                self.stays_ended(&ended).await;
            }
        }
        for ended in models.iter().flat_map(|model| &model.ended) {
            self.stays_ended(ended).await;
        }
        for at in 0..SHARED {
            let sum: u64 = models.iter().map(|model| model.added[at]).sum();
            let found = self.shared_count(at, now).await;
            if found != Some(sum) {
                self.seen
                    .wrong(format!("shared counter {at} is {found:?}, of {sum}"));
            }
        }
        let (mut listed, mut after) = (0, None);
        loop {
            let page = self.store.page(after.as_ref(), 1_000, now).await;
            let page = page.expect("the disk works");
            listed += page.items.len();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if listed != live {
            self.seen
                .wrong(format!("{listed} sessions are listed, {live} are live"));
        }
        println!(
            "{live} live sessions, {listed} listed; {} answers differed so far.",
            self.seen.wrong.load(Relaxed)
        );
    }

    async fn no_flaws(self) {
        let mut after = None;
        loop {
            let page = self.store.flaws(after.as_ref(), 1_000).await;
            let page = page.expect("the disk works");
            for flaw in page.items {
                self.seen
                    .wrong(format!("{}: {}", flaw.id.short(), flaw.what));
            }
            after = page.next;
            if after.is_none() {
                return;
            }
        }
    }

    /// Compares all fields of a live session.
    async fn compare(&self, session: &Session, now: Timestamp) {
        let Some(fields) = self.load(session, Select::All, now).await else {
            return;
        };
        let mut expected: Vec<_> = (0..FIELDS.len())
            .map(|field| (FieldName::from_static(FIELDS[field]), session.value(field)))
            .collect();
        let mut found = fields.into_all().unwrap_or_default();
        let count = found.iter().position(|(name, _)| **name == *COUNT);
        let count = count.map(|at| found.swap_remove(at).1);
        expected.sort_unstable();
        found.sort_unstable();
        if found != expected || counted(count.as_ref()) != Some(session.count) {
            let what = format!("the fields of {session:?}: count {count:?}, {found:?}");
            self.seen.wrong(what);
        }
    }

    async fn stays_ended(&self, ended: &Ended) {
        let now = self.clock.now();
        let loaded = self.store.load(ended.id, Select::All, now).await;
        let is_right = match (&loaded, ended.at) {
            (Ok(Loaded::Ended(found)), Some(at)) => *found == at,
            (Ok(Loaded::Missing), Some(at)) => self.clock.now() >= at.after(ENDED_IS_REMEMBERED),
            (Ok(Loaded::Ended(_) | Loaded::Missing), None) => true,
            _ => false,
        };
        if !is_right {
            let what = format!("an id that ended at {:?}, at {now:?}: {loaded:?}", ended.at);
            self.seen.wrong(what);
        }
        self.seen.operations.fetch_add(1, Relaxed);
    }

    /// Reads a session that is live at `now`; `None` if it has expired meanwhile.
    async fn load(&self, session: &Session, select: Select<'_>, now: Timestamp) -> Option<Fields> {
        let before = Instant::now();
        let loaded = self.store.load(session.id(), select, now).await;
        self.seen.reads.add(before);
        self.seen.operations.fetch_add(1, Relaxed);
        match loaded {
            Ok(Loaded::Live(found)) if found.meta.lease == session.lease && !found.by_former_id => {
                return Some(found.fields);
            }
            Ok(Loaded::Missing) if !session.is_live(self.clock.now()) => {}
            other => self
                .seen
                .wrong(format!("{session:?} at {now:?}: {other:?}")),
        }
        None
    }

    /// Commits to a session that is live at `now`; `None` if it has expired meanwhile.
    async fn commit(
        &self,
        session: &Session,
        now: Timestamp,
        step: Step,
        writes: &[Write],
    ) -> Option<Option<Meta>> {
        let commit = Commit::new(session.id(), now, step).with_writes(writes);
        let before = Instant::now();
        let outcome = self.store.commit(commit).await;
        self.seen.writes.add(before);
        self.seen.operations.fetch_add(1, Relaxed);
        match outcome {
            Ok(Outcome::Done(done)) => return Some(done.meta),
            Ok(Outcome::Gone) if !session.is_live(self.clock.now()) => {}
            other => {
                let what = format!("{step:?} of {session:?} at {now:?}: {other:?}");
                self.seen.wrong(what);
            }
        }
        None
    }

    async fn shared_count(&self, at: usize, now: Timestamp) -> Option<u64> {
        let loaded = self
            .store
            .load(shared(at), Select::Names(&[COUNT]), now)
            .await;
        match loaded {
            Ok(Loaded::Live(found)) => counted(found.fields.values(&[COUNT])?[0].as_ref()),
            _ => None,
        }
    }
}

fn timeouts() -> Timeouts {
    Timeouts::new(IDLE).with_absolute(Some(ABSOLUTE))
}

fn one_more() -> Write {
    let add = Add {
        delta: 1,
        range: CounterRange {
            min: 0,
            max: u64::MAX.into(),
        },
        base: 0,
        expires: None,
    };
    Write::add(FieldName::from_static(COUNT), add)
}

/// The number in a stored counter; an absent one is zero.
fn counted(stored: Option<&Bytes>) -> Option<u64> {
    let Some(stored) = stored else { return Some(0) };
    match Value::from_stored(stored) {
        Ok((None, value)) => value.as_u64(),
        _ => None,
    }
}

fn shared(at: usize) -> Digest {
    stored::digest(at as u64)
}

async fn create_shared(store: &FjallStore, now: Timestamp) {
    for at in 0..SHARED {
        let lease = Timeouts::new(Duration::from_secs(10 * 365 * 24 * 3_600)).lease(now, now);
        stored::put(store, shared(at), now, Some(lease), &[]).await;
    }
}

/// Random numbers that need not be good.
struct Random(u64);

impl Random {
    /// A number below `most`; zero if that is zero.
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most.max(1)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O")
        .block_on(future)
}
