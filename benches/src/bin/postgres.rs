//! Sessions in PostgreSQL, compared with the floor: a prepared SELECT, UPDATE and INSERT of one row by its primary key,
//! on a pool of the same client and size.
//!
//! `postgres [rounds]`; 5 by default. It starts its own server with default settings: a commit is on disk before it
//! returns. The candidates take turns, and the best round of each counts.

use deadpool_postgres::{Manager, Pool};
use level_session::{
    Clock, FieldName, PostgresStore,
    store::{Add, Bytes, Commit, Loaded, Op, Select, Step, Store, Timeouts, Use, Write},
    value::CounterRange,
};
use level_session_benches::{machine, stored, table::Table, workload};
use level_session_servers::postgres::Postgres;
use std::{
    env,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tower_sessions_14::{
    SessionStore as _,
    session::{Id, Record},
};
use tower_sessions_sqlx_store::{PostgresStore as Sqlx, sqlx::postgres::PgPoolOptions};

const POOL: usize = 16;
const TASKS: [usize; 2] = [1, 64];
const SESSIONS: u64 = 10_000;
const TIME: Duration = Duration::from_millis(800);

type Operation = Arc<dyn Fn(u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A candidate, and the operation of the floor to compare it with.
struct Row {
    name: &'static str,
    floor: usize,
    run: Operation,
}

fn row<F: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    floor: usize,
    run: impl Fn(u64) -> F + Send + Sync + 'static,
) -> Row {
    let run: Operation = Arc::new(move |n| Box::pin(run(n)));
    Row { name, floor, run }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let rounds = env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    let server = Postgres::start(&[]).unwrap_or_else(|error| panic!("{error}"));
    println!(
        "{}; best of {rounds} interleaved rounds of {TIME:?}; {SESSIONS} sessions, pools of {POOL}.\n",
        machine::line()
    );
    let mut rows = floor(&server.url()).await;
    rows.extend(ours(&server.url()).await);
    rows.extend(theirs(&server.url()).await);
    let mut best = vec![[0.0_f64; 2]; rows.len()];
    for _ in 0..rounds {
        for (at, tasks) in TASKS.into_iter().enumerate() {
            for (row, best) in rows.iter().zip(&mut best) {
                best[at] = best[at].max(rate(&row.run, tasks).await);
            }
        }
    }
    let mut table = Table::new([
        "",
        "latency of the floor",
        "throughput of the floor, 64 tasks",
        "ms",
        "per second, 64 tasks",
    ]);
    for (row, rates) in rows.iter().zip(&best) {
        let floor = best[row.floor];
        table.row([
            row.name.to_owned(),
            format!("{:.2}x", floor[0] / rates[0]),
            format!("{:.2}x", rates[1] / floor[1]),
            format!("{:.3}", 1_000.0 / rates[0]),
            format!("{:.0}", rates[1]),
        ]);
    }
    println!("{table}");
    let updates = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables \
                   where schemaname = 'level_session' and relname = 'session'";
    drop(rows);
    // The server counts when connections end.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let counted = server.psql(updates).unwrap_or_default();
    let counted: Vec<f64> = counted.split('|').filter_map(|n| n.parse().ok()).collect();
    if let [all, hot] = counted[..] {
        println!("Of {all:.0} updates {:.1} % were HOT.", 100.0 * hot / all);
    }
}

/// A session, in an order unrelated to the table's pages: sessions of one page are not used at the same time.
fn pick(n: u64) -> u64 {
    n * 7_919 % SESSIONS
}

/// Operations per second with this many tasks.
async fn rate(run: &Operation, tasks: usize) -> f64 {
    static NEXT: AtomicU64 = AtomicU64::new(SESSIONS);
    let start = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let run = Arc::clone(run);
            tokio::spawn(async move {
                let mut done = 0_u64;
                while start.elapsed() < TIME {
                    run(NEXT.fetch_add(1, Ordering::Relaxed)).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in running {
        done += task.await.expect("the server works");
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// The minimum for a store: one statement with one row of the same size.
async fn floor(url: &str) -> Vec<Row> {
    let manager = Manager::new(url.parse().expect("an address"), tokio_postgres::NoTls);
    let pool = Pool::builder(manager)
        .max_size(POOL)
        .build()
        .expect("a pool");
    let client = pool.get().await.expect("the server is there");
    client
        .batch_execute(
            "create table floor (id bytea primary key, used bigint not null, data bytea not null) \
             with (fillfactor = 80)",
        )
        .await
        .expect("a new table");
    let data = vec![7_u8; stored::PAYLOAD];
    for n in 0..SESSIONS {
        let id = stored::digest(n);
        let insert = client
            .prepare_cached("insert into floor values ($1, 0, $2)")
            .await
            .expect("a statement");
        client
            .execute(&insert, &[&&id.as_bytes()[..], &data])
            .await
            .expect("a new row");
    }
    drop(client);
    let statement = move |sql: &'static str, new: bool| {
        let (pool, data) = (pool.clone(), data.clone());
        move |n: u64| {
            let (pool, data) = (pool.clone(), data.clone());
            async move {
                let client = pool.get().await.expect("a connection");
                let prepared = client.prepare_cached(sql).await.expect("a statement");
                let id = stored::digest(if new { n } else { pick(n) });
                let id = &id.as_bytes()[..];
                let rows = match prepared.params().len() {
                    1 => client.query(&prepared, &[&id]).await,
                    _ => client.query(&prepared, &[&id, &data]).await,
                };
                assert_eq!(rows.expect("the server works").len(), 1);
            }
        }
    };
    vec![
        row(
            "floor: select",
            0,
            statement("select used, data from floor where id = $1", false),
        ),
        row(
            "floor: update",
            1,
            statement(
                "update floor set data = $2, used = used + 1 where id = $1 returning used",
                false,
            ),
        ),
        row(
            "floor: insert",
            2,
            statement("insert into floor values ($1, 0, $2) returning used", true),
        ),
    ]
}

async fn ours(url: &str) -> Vec<Row> {
    let settings = PostgresStore::builder(url).pool_size(POOL);
    settings.migrate().await.expect("new tables");
    let store = settings.open().await.expect("the server is there");
    let now = Clock::system().now();
    let lease = stored::lease(now, 86_400_000);
    let range = CounterRange {
        min: 0,
        max: i128::from(u64::MAX),
    };
    let add = Add {
        delta: 1,
        range,
        base: 0,
        expires: None,
    };
    // With the counter, so that no row grows later.
    let counter = move || {
        Write::new(
            FieldName::from_static("n"),
            Op::add(add, None::<Option<Bytes>>),
        )
    };
    let mut writes = stored::writes(8);
    writes.push(counter());
    for n in 0..SESSIONS {
        stored::put(&store, stored::digest(n), now, Some(lease), &writes).await;
    }
    let shared = Arc::new(store);
    let (one, all) = (Arc::clone(&shared), Arc::clone(&shared));
    let (write, used) = (Arc::clone(&shared), Arc::clone(&shared));
    let (new, adds) = (Arc::clone(&shared), shared);
    vec![
        row("level-session: load one of eight fields", 0, move |n| {
            let store = Arc::clone(&one);
            async move {
                let names = [workload::FIELDS[3]];
                let loaded = store.load(stored::digest(pick(n)), Select::Names(&names), now);
                assert!(matches!(loaded.await, Ok(Loaded::Live(_))));
            }
        }),
        row("level-session: load all", 0, move |n| {
            let store = Arc::clone(&all);
            async move {
                let loaded = store.load(stored::digest(pick(n)), Select::All, now);
                assert!(matches!(loaded.await, Ok(Loaded::Live(_))));
            }
        }),
        row("level-session: commit one field", 1, move |n| {
            let store = Arc::clone(&write);
            async move {
                let id = stored::digest(pick(n));
                stored::put(&*store, id, now, None, &stored::writes(1)).await;
            }
        }),
        row("level-session: commit one field and a use", 1, move |n| {
            let store = Arc::clone(&used);
            async move {
                let usage = Use::new(Timeouts::new(Duration::from_secs(86_400)), Duration::ZERO);
                let id = stored::digest(pick(n));
                let now = now.after(Duration::from_millis(n));
                let writes = stored::writes(1);
                let commit = Commit::new(id, now, Step::keep(Some(usage))).with_writes(&writes);
                assert!(
                    store
                        .commit(commit)
                        .await
                        .expect("the server works")
                        .is_done()
                );
            }
        }),
        row("level-session: create with eight fields", 2, move |n| {
            let store = Arc::clone(&new);
            async move {
                stored::put(
                    &*store,
                    stored::digest(n),
                    now,
                    Some(lease),
                    &stored::writes(8),
                )
                .await;
            }
        }),
        row("level-session: add to a counter, not seen", 1, move |n| {
            let store = Arc::clone(&adds);
            async move {
                let writes = [counter()];
                stored::put(&*store, stored::digest(pick(n)), now, None, &writes).await;
            }
        }),
    ]
}

/// tower-sessions-sqlx-store: the whole session as one value.
async fn theirs(url: &str) -> Vec<Row> {
    let pool = PgPoolOptions::new()
        .max_connections(POOL as u32)
        .connect(url)
        .await
        .expect("the server is there");
    let store = Sqlx::new(pool);
    store.migrate().await.expect("new tables");
    let record = |n: u64| Record {
        id: Id(i128::from(n) + (1 << 100)),
        data: workload::FIELDS
            .iter()
            .map(|name| ((*name).to_owned(), workload::value().into()))
            .collect(),
        // Its own type of time.
        expiry_date: tower_sessions_14::session::Record::clone(&template()).expiry_date,
    };
    for n in 0..SESSIONS {
        store.save(&record(n)).await.expect("a new row");
    }
    let (loads, saves, creates) = (store.clone(), store.clone(), store);
    vec![
        row("tower-sessions-sqlx-store: load", 0, move |n| {
            let (store, id) = (loads.clone(), record(pick(n)).id);
            async move {
                assert!(store.load(&id).await.expect("the server works").is_some());
            }
        }),
        row("tower-sessions-sqlx-store: save", 1, move |n| {
            let (store, record) = (saves.clone(), record(pick(n)));
            async move { store.save(&record).await.expect("the server works") }
        }),
        row("tower-sessions-sqlx-store: create", 2, move |n| {
            let (store, mut record) = (creates.clone(), record(n));
            async move { store.create(&mut record).await.expect("the server works") }
        }),
    ]
}

/// A record that ends in two weeks.
fn template() -> Record {
    let store = Arc::new(tower_sessions_14::MemoryStore::default());
    let session = tower_sessions_14::Session::new(None, store, None);
    Record {
        id: Id::default(),
        data: Default::default(),
        expiry_date: session.expiry_date(),
    }
}
