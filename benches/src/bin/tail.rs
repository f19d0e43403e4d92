//! Tail latencies: how long the slowest of ten thousand requests waits while sessions are created.
//!
//! `tail [seconds] [rates] [subjects]`; 20 seconds, `3000,10000` new sessions per second, all subjects by default. An
//! open loop: each operation starts at its scheduled time, even if earlier ones are not done, so waiting counts. Two
//! threads of a runtime create sessions of eight fields; every 200 us they also read and write one hot session, and run
//! a task that does not use any store (`plain`).
//!
//! The subject `sweeping` is level-session whose sessions expire after a second, with a sweep every 100 ms; `synced` has
//! `Durability::Sync`; `moka+sqlite` is the store of tower-sessions, which reads and writes records.

use level_session::{
    Clock, Durability, FjallStore, FjallStoreBuilder, Timestamp,
    store::{Loaded, Select, Store as _},
};
use level_session_benches::{
    machine, stored,
    table::{Table, micros},
};
use std::{
    env,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

const TICK: Duration = Duration::from_micros(200);
/// The session that is read and written.
const HOT: u64 = u64::MAX;

/// The subject: the store of the sessions.
trait Subject: Clone + Send + Sync + 'static {
    fn create(&self, n: u64) -> impl Future<Output = ()> + Send;
    fn read(&self) -> impl Future<Output = ()> + Send;
    fn write(&self) -> impl Future<Output = ()> + Send;
}

fn main() {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(20);
    let rates = arguments.next().unwrap_or_else(|| "3000,10000".to_owned());
    let subjects = arguments.next().unwrap_or_default();
    let wanted =
        |name: &str| subjects.is_empty() || subjects.split(',').any(|s| name.starts_with(s));
    println!("{}; {seconds} s each.\n", machine::line());
    let mut table = Table::new([
        "new a second",
        "keeps them",
        "ms of",
        "p50",
        "p99",
        "p99.9",
        "p99.99",
        "worst",
    ]);
    for rate in rates.split(',').filter_map(|rate| rate.parse().ok()) {
        let time = Duration::from_secs(seconds);
        let mut measure = |name: &str, run: &dyn Fn(&Path) -> Latencies| {
            if wanted(name) {
                let dir = tempfile::tempdir().expect("a temporary directory");
                run(dir.path()).rows(&mut table, rate, name);
            }
        };
        measure("nothing", &|_| run(Nothing, 0, time));
        let ours = |path: &Path, settings: FjallStoreBuilder, lives: u64| {
            run(Ours::new(path, settings, lives), rate, time)
        };
        let settings = FjallStore::builder;
        measure("level-session", &|path| ours(path, settings(), HOUR));
        measure("sweeping", &|path| {
            let often = Some(Duration::from_millis(100));
            ours(path, settings().sweep_every(often), 1_000)
        });
        measure("synced", &|path| {
            ours(path, settings().durability(Durability::Sync), HOUR)
        });
        measure("fjall", &|path| run(Raw::new(path), rate, time));
        #[cfg(feature = "sqlite")]
        {
            measure("sqlite", &|path| run(sqlite::Sqlite::new(path), rate, time));
            measure("moka+sqlite", &|path| {
                run(sqlite::Moka::new(path), rate, time)
            });
        }
    }
    println!("{table}");
}

#[derive(Default)]
struct Latencies {
    of: [(&'static str, Vec<Duration>); 4],
}

impl Latencies {
    fn rows(mut self, table: &mut Table, rate: u64, name: &str) {
        for (what, latencies) in &mut self.of {
            if latencies.is_empty() {
                continue;
            }
            latencies.sort_unstable();
            let last = latencies.len() - 1;
            let at = |share: f64| {
                let nanos = latencies[(last as f64 * share) as usize].as_nanos() as f64;
                micros(nanos / 1000.0)
            };
            table.row([
                rate.to_string(),
                name.to_owned(),
                (*what).to_owned(),
                at(0.5),
                at(0.99),
                at(0.999),
                at(0.9999),
                at(1.0),
            ]);
        }
    }
}

fn run(subject: impl Subject, rate: u64, time: Duration) -> Latencies {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (done, all) = mpsc::channel::<(usize, Duration)>();
    let of = ["create", "hot read", "hot write", "plain"];
    let begin =
        |what: usize, due: Instant, work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let done = done.clone();
            runtime.spawn(async move {
                work.await;
                let _ = done.send((what, due.elapsed()));
            });
        };
    let start = Instant::now();
    let mut created = 0;
    let mut tick = start;
    while start.elapsed() < time {
        tick += TICK;
        thread::sleep(tick.saturating_duration_since(Instant::now()));
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        while created < due {
            let (subject, n) = (subject.clone(), created);
            let at = start + Duration::from_secs_f64((created + 1) as f64 / rate as f64);
            begin(
                0,
                at.max(tick),
                Box::pin(async move { subject.create(n).await }),
            );
            created += 1;
        }
        let (reads, writes) = (subject.clone(), subject.clone());
        begin(
            1,
            Instant::now(),
            Box::pin(async move { reads.read().await }),
        );
        begin(
            2,
            Instant::now(),
            Box::pin(async move { writes.write().await }),
        );
        begin(3, Instant::now(), Box::pin(async {}));
    }

    drop(done);
    let mut latencies = Latencies::default();
    for (place, what) in latencies.of.iter_mut().zip(of) {
        place.0 = what;
    }
    for (what, latency) in all {
        latencies.of[what].1.push(latency);
    }
    latencies
}

/// Stores nothing: shows the latency of the machine itself.
#[derive(Clone)]
struct Nothing;

impl Subject for Nothing {
    async fn create(&self, _: u64) {}
    async fn read(&self) {}
    async fn write(&self) {}
}

const HOUR: u64 = 3_600_000;

#[derive(Clone)]
struct Ours {
    store: FjallStore,
    now: Timestamp,
    /// How long a session lives, except the hot one, in milliseconds.
    lives: u64,
}

impl Ours {
    fn new(path: &Path, settings: FjallStoreBuilder, lives: u64) -> Self {
        let store = settings.open(path).expect("a new directory");
        let now = Clock::system().now();
        let this = Self { store, now, lives };
        block_on(this.create(HOT));
        this
    }
}

impl Subject for Ours {
    async fn create(&self, n: u64) {
        let (now, lives) = match n {
            HOT => (self.now, HOUR),
            _ if self.lives == HOUR => (self.now, HOUR),
            _ => (Clock::system().now(), self.lives),
        };
        stored::put(
            &self.store,
            stored::digest(n),
            now,
            Some(stored::lease(now, lives)),
            &stored::own_writes(n),
        )
        .await;
    }

    async fn read(&self) {
        let loaded = self
            .store
            .load(stored::digest(HOT), Select::Names(&["f3"]), self.now)
            .await;
        assert!(matches!(loaded, Ok(Loaded::Live(_))));
    }

    async fn write(&self) {
        stored::put(
            &self.store,
            stored::digest(HOT),
            self.now,
            None,
            &stored::writes(1),
        )
        .await;
    }
}

/// The same keys in a database with the same settings, without level-session.
#[derive(Clone)]
struct Raw {
    db: fjall::Database,
    keyspace: fjall::Keyspace,
}

impl Raw {
    fn new(path: &Path) -> Self {
        let db = fjall::Database::builder(path)
            .open()
            .expect("a new directory");
        let options =
            || fjall::KeyspaceCreateOptions::default().max_memtable_size(16 * 1024 * 1024);
        let keyspace = db.keyspace("data", options).expect("a new keyspace");
        let this = Self { db, keyspace };
        block_on(this.create(HOT));
        this
    }

    fn key(n: u64, field: &str) -> Vec<u8> {
        [stored::digest(n).as_bytes(), field.as_bytes()].concat()
    }
}

impl Subject for Raw {
    async fn create(&self, n: u64) {
        let mut batch = self.db.batch().durability(Some(fjall::PersistMode::Buffer));
        for write in stored::own_writes(n) {
            batch.insert(&self.keyspace, Self::key(n, &write.field), vec![7; 45]);
        }
        batch.insert(&self.keyspace, Self::key(n, ""), vec![7; 120]);
        batch.commit().expect("the disk works");
    }

    async fn read(&self) {
        assert!(
            self.keyspace
                .get(Self::key(HOT, "f3"))
                .expect("the disk works")
                .is_some()
        );
    }

    async fn write(&self) {
        self.keyspace
            .insert(Self::key(HOT, "f0"), vec![7; 45])
            .expect("the disk works");
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::{HOT, Path, Subject, stored};
    use level_session_benches::apps::tower_sessions::{MokaSqlite, moka_sqlite};
    use rusqlite::{Connection, params};
    use std::{
        collections::HashMap,
        sync::{Arc, Mutex},
    };
    use tower_sessions_14::{
        SessionStore as _,
        cookie::time::{Duration, OffsetDateTime},
        session::{Id, Record},
    };

    /// A row per field in SQLite, its journal a write-ahead log, on tokio's blocking threads.
    #[derive(Clone)]
    pub(super) struct Sqlite(Arc<Mutex<Connection>>);

    impl Sqlite {
        pub(super) fn new(path: &Path) -> Self {
            let connection = Connection::open(path.join("sessions.sqlite")).expect("a new file");
            connection
                .execute_batch(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
                     CREATE TABLE data (id BLOB, field TEXT, value BLOB, PRIMARY KEY (id, field)) WITHOUT ROWID;",
                )
                .expect("a new database");
            let this = Self(Arc::new(Mutex::new(connection)));
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(this.create(HOT));
            this
        }

        async fn run(
            &self,
            work: impl FnOnce(&mut Connection) -> rusqlite::Result<()> + Send + 'static,
        ) {
            let connection = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || {
                let mut connection = connection.lock().expect("nobody panics");
                work(&mut connection).expect("the disk works");
            })
            .await
            .expect("nobody panics");
        }
    }

    /// A record is saved as a whole.
    #[derive(Clone)]
    pub(super) struct Moka(Arc<MokaSqlite>);

    impl Moka {
        pub(super) fn new(path: &Path) -> Self {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let this = Self(Arc::new(runtime.block_on(moka_sqlite(path))));
            runtime.block_on(this.create(HOT));
            // The pool of SQLite's connections may use it until the program ends.
            std::mem::forget(runtime);
            this
        }

        async fn save(&self, n: u64) {
            let writes = stored::own_writes(n);
            let text = |write: &level_session::store::Write| {
                (write.field.to_string(), "7".repeat(40).into())
            };
            let record = Record {
                id: Id(i128::from(n)),
                data: writes.iter().map(text).collect::<HashMap<_, _>>(),
                expiry_date: OffsetDateTime::now_utc() + Duration::HOUR,
            };
            self.0.save(&record).await.expect("the disk works");
        }
    }

    impl Subject for Moka {
        async fn create(&self, n: u64) {
            self.save(n).await;
        }

        async fn read(&self) {
            let loaded = self.0.load(&Id(i128::from(HOT))).await;
            assert!(loaded.expect("the disk works").is_some());
        }

        async fn write(&self) {
            self.save(HOT).await;
        }
    }

    const INSERT: &str = "INSERT OR REPLACE INTO data VALUES (?, ?, ?)";

    impl Subject for Sqlite {
        async fn create(&self, n: u64) {
            self.run(move |connection| {
                let transaction = connection.transaction()?;
                {
                    let mut statement = transaction.prepare_cached(INSERT)?;
                    for write in stored::own_writes(n) {
                        statement.execute(params![
                            stored::digest(n).as_bytes(),
                            &*write.field,
                            vec![7_u8; 45]
                        ])?;
                    }
                    statement.execute(params![
                        stored::digest(n).as_bytes(),
                        "",
                        vec![7_u8; 120]
                    ])?;
                }
                transaction.commit()
            })
            .await;
        }

        async fn read(&self) {
            self.run(|connection| {
                connection
                    .prepare_cached("SELECT value FROM data WHERE id = ? AND field = ?")?
                    .query_row(params![stored::digest(HOT).as_bytes(), "f3"], |_| Ok(()))
            })
            .await;
        }

        async fn write(&self) {
            self.run(|connection| {
                let mut statement = connection.prepare_cached(INSERT)?;
                statement.execute(params![
                    stored::digest(HOT).as_bytes(),
                    "f0",
                    vec![7_u8; 45]
                ])?;
                Ok(())
            })
            .await;
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O")
        .block_on(future)
}
