//! The Redis store compared with plain commands, on the same client and the same server, in turns.
//!
//! `redis [rounds]`; 9 by default. It needs `redis-server`; other servers are used if they are in `target/tools`.

use level_session::{
    Clock, FieldName, RedisStore, Safety, Timestamp,
    store::{
        Add, Commit, Digest, Guard, Loaded, Op, Outcome, Select, Step, Store, Timeouts, Use, Write,
    },
    value::CounterRange,
};
use level_session_benches::{
    compare::{Race, Rounds},
    machine,
    redis::Redis,
    stored,
    table::{Table, micros},
};
use redis_client::{Value, aio::MultiplexedConnection, cmd};
use std::{cell::Cell, env, time::Duration};

const TASKS: usize = 64;
const ENTRY: &[u8] = b"user 7";

type Runtime = tokio::runtime::Runtime;

fn main() {
    let rounds = env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(9);
    println!("{}; best of {rounds} rounds.\n", machine::line());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match Redis::start() {
        Ok(server) => report(&runtime, rounds, server.port),
        Err(error) => println!("no redis-server ({error}): apt-get install redis-server"),
    }
}

struct Bench<'b> {
    runtime: &'b Runtime,
    store: RedisStore,
    plain: MultiplexedConnection,
    now: Timestamp,
    next: Cell<u64>,
}

impl Bench<'_> {
    fn fresh(&self) -> Digest {
        self.next.set(self.next.get() + 1);
        stored::digest(self.next.get())
    }

    fn plain(&self, command: &redis_client::Cmd) -> Value {
        let mut connection = self.plain.clone();
        self.runtime
            .block_on(connection.send_packed_command(command))
            .expect("an answer")
    }

    fn commit(&self, commit: Commit<'_>) {
        let outcome = self.runtime.block_on(self.store.commit(commit));
        assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    }

    fn load(&self, id: Digest, select: Select<'_>) {
        let loaded = self.runtime.block_on(self.store.load(id, select, self.now));
        assert!(matches!(loaded, Ok(Loaded::Live(_))), "{loaded:?}");
    }

    fn keep(&self, id: Digest) -> Commit<'static> {
        Commit::new(id, self.now, Step::keep(None))
    }

    fn create(&self, id: Digest, writes: &[Write]) {
        let step = Step::create(self.now, stored::lease(self.now, 3_600_000));
        self.commit(Commit::new(id, self.now, step).with_writes(writes));
    }
}

fn report(runtime: &Runtime, rounds: usize, port: u16) {
    let url = format!("redis://127.0.0.1:{port}");
    let bench = runtime.block_on(async {
        let settings = RedisStore::builder().safety(Safety::Ignore);
        Bench {
            runtime,
            store: settings
                .response_timeout(Duration::from_secs(5))
                .connect(&url)
                .await
                .expect("a store"),
            plain: plain(&url).await,
            now: Clock::system().now(),
            next: Cell::new(1_000),
        }
    });
    latency(&bench, rounds);
    throughput(&bench, rounds);
    cache(&bench, rounds, &url);
    cluster(runtime, rounds);
}

/// Reads of a store with a cache, compared with a store without one.
fn cache(bench: &Bench<'_>, rounds: usize, url: &str) {
    const HITS: usize = 20_000;
    const MISSES: usize = 400;
    let settings = RedisStore::builder().safety(Safety::Ignore);
    let cached = bench
        .runtime
        .block_on(settings.cache(100_000, Duration::from_secs(1)).connect(url))
        .expect("a store");
    let writes = stored::writes(8);
    let name = &*writes[0].field;
    let names = [name];
    let now = bench.now;
    let id = bench.fresh();
    bench.create(id, &writes);
    let unseen: Vec<_> = (0..MISSES * (rounds + 1)).map(|_| bench.fresh()).collect();
    for id in &unseen {
        bench.create(*id, &writes);
    }
    let seen = async |store: &RedisStore, id| {
        let loaded = store.load(id, Select::Names(&names), now).await;
        let Ok(Loaded::Live(snapshot)) = loaded else {
            panic!("{loaded:?}");
        };
        snapshot.fields.values(&names)
    };
    let mut race = Race::new();
    race.add("load one field, no cache", MISSES, |times| {
        bench.runtime.block_on(async {
            for _ in 0..times {
                seen(&bench.store, id).await;
            }
        });
    });
    race.add(".. hit", HITS, |times| {
        bench.runtime.block_on(async {
            for _ in 0..times {
                seen(&cached, id).await;
            }
        });
    });
    let mut next = unseen.iter();
    race.add(".. miss, which reads the whole session", MISSES, |times| {
        bench.runtime.block_on(async {
            for id in next.by_ref().take(times) {
                seen(&cached, *id).await;
            }
        });
    });
    race.add("commit one field", MISSES, |times| {
        for n in 0..times {
            bench.commit(bench.keep(id).with_writes(&[other(&writes[0], n)]));
        }
    });
    race.add(
        ".. until the cache of another store shows it",
        MISSES,
        |times| {
            bench.runtime.block_on(async {
                for n in 0..times {
                    let before = seen(&cached, id).await;
                    let write = [other(&writes[0], n)];
                    let commit = bench.keep(id).with_writes(&write);
                    let outcome = bench.store.commit(commit).await;
                    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
                    while seen(&cached, id).await == before {
                        tokio::task::yield_now().await;
                    }
                }
            });
        },
    );
    let before = cached.counts().cached;
    let results = race.run(rounds);
    let hits = cached.counts().cached - before;
    assert!(hits >= (HITS * rounds) as u64, "{hits} reads were hits");
    let mut table = Table::new(["a cache of another process", "µs", "noise"]);
    for (name, rounds) in &results {
        table.row([
            name.clone(),
            format!("{:.2}", rounds.best() / 1000.0),
            format!("{:.0} %", rounds.noise()),
        ]);
    }
    println!("{table}");
}

/// The same write with other bytes.
fn other(write: &Write, n: usize) -> Write {
    let Op::Set(bytes) = &write.op else {
        unreachable!("every field is set");
    };
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = b'a' + (n % 2) as u8;
    }
    Write::set(write.field.clone(), bytes.into())
}

/// A look-up on a Cluster of three masters on this machine, compared with a `GET` at one of them.
fn cluster(runtime: &Runtime, rounds: usize) {
    const TIMES: usize = 100;
    let started = level_session_servers::redis::program("redis")
        .map(|path| level_session_servers::redis::Cluster::start(&path, &[]));
    let cluster = match started {
        Some(Ok(cluster)) => cluster,
        Some(Err(error)) => return println!("no Cluster ({error})"),
        None => return println!("no Cluster: there is no redis-server"),
    };
    let bench = runtime.block_on(async {
        let settings = RedisStore::builder().safety(Safety::Ignore);
        let settings = settings.response_timeout(Duration::from_secs(5));
        Bench {
            runtime,
            store: settings.connect(&cluster.url()).await.expect("a store"),
            plain: plain(&cluster.url()).await,
            now: Clock::system().now(),
            next: Cell::new(1_000),
        }
    });
    // A key that this node has.
    let key = (0..).map(|n| format!("plain {n}")).find(|key| {
        let mut set = cmd("SET");
        set.arg(key).arg(&stored::bytes()[..]);
        !matches!(bench.plain(&set), Value::ServerError(_))
    });
    let writes = stored::writes(8);
    let name = &*writes[0].field;
    for _ in 0..3 {
        let indexed = [writes[0].clone().with_index(Some(ENTRY.into()))];
        bench.create(bench.fresh(), &indexed);
    }
    let id = bench.fresh();
    bench.create(id, &writes);
    let mut get = cmd("GET");
    get.arg(key);
    let mut race = Race::new();
    race.add("`GET` at a node", TIMES, |times| {
        for _ in 0..times {
            bench.plain(&get);
        }
    });
    race.add("load one field", TIMES, |times| {
        for _ in 0..times {
            bench.load(id, Select::Names(&[name]));
        }
    });
    race.add("commit one field", TIMES, |times| {
        for _ in 0..times {
            bench.commit(bench.keep(id).with_writes(&writes[..1]));
        }
    });
    race.add("find, 3 sessions", TIMES, |times| {
        for _ in 0..times {
            let found = bench.store.find(name, ENTRY, None, 100, bench.now);
            let found = runtime.block_on(found).expect("a page");
            assert_eq!(found.items.len(), 3);
        }
    });
    let results = race.run(rounds);
    let get = results[0].1.best();
    let mut table = Table::new(["a Cluster of three, 64 homes", "µs", "noise", "of `GET`"]);
    for (name, rounds) in &results {
        table.row([
            name.clone(),
            micros(rounds.best()),
            format!("{:.0} %", rounds.noise()),
            format!("{:.2}", rounds.best() / get),
        ]);
    }
    println!("{table}");
}

/// A connection of the same client.
async fn plain(url: &str) -> MultiplexedConnection {
    let client = redis_client::Client::open(format!("{url}/?protocol=resp3"));
    let info = client.expect("an address").get_connection_info().clone();
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let client = redis_client::Client::open(info.set_tcp_settings(tcp)).expect("an address");
    let connection = client.get_multiplexed_async_connection().await;
    connection.expect("a connection")
}

fn latency(bench: &Bench<'_>, rounds: usize) {
    const TIMES: usize = 400;
    let value = stored::bytes();
    let writes = stored::writes(8);
    let one = &writes[..1];
    let id = bench.fresh();
    bench.create(id, &writes);
    let payload = vec![b'x'; stored::PAYLOAD];
    let mut plain_set = cmd("SET");
    plain_set.arg("plain").arg(&value[..]);
    bench.plain(&plain_set);
    let mut fill = cmd("HSET");
    fill.arg("hash");
    for write in &writes {
        fill.arg(&*write.field).arg(&value[..]);
    }
    bench.plain(&fill);
    let script =
        "redis.call('HMGET', KEYS[1], 'h', 'x'); redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])";
    let mut load_script = cmd("SCRIPT");
    load_script.arg("LOAD").arg(script);
    let Value::BulkString(hash) = bench.plain(&load_script) else {
        panic!("a script is loaded");
    };
    for _ in 0..3 {
        let entry = Some(ENTRY.into());
        let indexed = [writes[0].clone().with_index(entry)];
        bench.create(bench.fresh(), &indexed);
    }

    let mut race = Race::new();
    let mut command = |name: &str, command: redis_client::Cmd| {
        race.add(name, TIMES, move |times| {
            for _ in 0..times {
                bench.plain(&command);
            }
        });
    };
    let mut get = cmd("GET");
    get.arg("plain");
    command("`GET`", get);
    let mut all = cmd("HGETALL");
    all.arg("hash");
    command("`HGETALL` of 8", all);
    let mut set = cmd("HSET");
    set.arg("hash").arg("a").arg(&value[..]);
    command("`HSET` of 1", set);
    let mut evalsha = cmd("EVALSHA");
    evalsha
        .arg(&hash)
        .arg(1)
        .arg("hash")
        .arg("a")
        .arg(&value[..]);
    command("a script of `HMGET` and `HSET`", evalsha);
    let mut set_ex = cmd("SET");
    set_ex.arg("whole").arg(&payload).arg("PX").arg(3_600_000);
    command("`SET` of as many bytes, with expiry", set_ex);

    let name = &*writes[0].field;
    let names = [name];
    race.add("load one field", TIMES, move |times| {
        for _ in 0..times {
            bench.load(id, Select::Names(&names));
        }
    });
    race.add("load all of 8", TIMES, |times| {
        for _ in 0..times {
            bench.load(id, Select::All);
        }
    });
    race.add("commit one field", TIMES, |times| {
        for _ in 0..times {
            bench.commit(bench.keep(id).with_writes(one));
        }
    });
    let timeouts = Timeouts::new(Duration::from_secs(3_600));
    let mut tick = 0;
    race.add(".. with new deadlines", TIMES, |times| {
        for _ in 0..times {
            tick += 1;
            let now = Timestamp::from_millis(bench.now.as_millis() + tick);
            let step = Step::keep(Some(Use::new(timeouts, Duration::ZERO)));
            bench.commit(Commit::new(id, now, step).with_writes(one));
        }
    });
    let Op::Set(stored) = writes[1].op.clone() else {
        unreachable!("every field is set");
    };
    let guards = [Guard::new(writes[1].field.clone(), Some(stored))];
    race.add(".. guarded", TIMES, move |times| {
        for _ in 0..times {
            bench.commit(bench.keep(id).with_guards(&guards).with_writes(one));
        }
    });
    let add = Add {
        delta: 1,
        range: CounterRange {
            min: 0,
            max: i64::MAX.into(),
        },
        base: 0,
        expires: None,
    };
    let adding = [Write::add(FieldName::from_static("n"), add)];
    race.add("commit one addition", TIMES, move |times| {
        for _ in 0..times {
            bench.commit(bench.keep(id).with_writes(&adding));
        }
    });
    race.add("create with 8", TIMES, |times| {
        for _ in 0..times {
            bench.create(bench.fresh(), &writes);
        }
    });
    let mut renewed = bench.fresh();
    bench.create(renewed, &writes);
    race.add("renew", TIMES, |times| {
        for _ in 0..times {
            let to = bench.fresh();
            let step = Step::renew(to, stored::lease(bench.now, 3_600_000), None);
            bench.commit(Commit::new(renewed, bench.now, step));
            renewed = to;
        }
    });
    race.add("create and destroy", TIMES, |times| {
        for _ in 0..times {
            let id = bench.fresh();
            bench.create(id, &writes);
            bench.commit(Commit::new(id, bench.now, Step::Destroy));
        }
    });
    race.add("find, 3 sessions", TIMES, |times| {
        for _ in 0..times {
            let found = bench.store.find(name, ENTRY, None, 100, bench.now);
            let found = bench.runtime.block_on(found).expect("a page");
            assert_eq!(found.items.len(), 3);
        }
    });

    let results = race.run(rounds);
    let of = |name: &str| {
        let found = results.iter().find(|(other, _)| other == name);
        found.expect("it was measured").1.best()
    };
    let beside = [
        ("load one field", "`GET`"),
        ("load all of 8", "`HGETALL` of 8"),
        ("commit one field", "`HSET` of 1"),
        (".. with new deadlines", "`HSET` of 1"),
        (".. guarded", "`HSET` of 1"),
        ("commit one addition", "`HSET` of 1"),
        ("create with 8", "`SET` of as many bytes, with expiry"),
        ("renew", "`GET`"),
        ("create and destroy", "`GET`"),
        ("find, 3 sessions", "`GET`"),
    ];
    let mut table = Table::new(["one task", "µs", "noise", "beside", "ratio"]);
    for (name, rounds) in &results {
        let pair = beside.iter().find(|(ours, _)| ours == name);
        let (other, ratio) = match pair {
            Some((_, other)) => (
                (*other).to_owned(),
                format!("{:.2}", rounds.best() / of(other)),
            ),
            None => (
                String::new(),
                format!("{:.2} of `GET`", rounds.best() / of("`GET`")),
            ),
        };
        table.row([
            name.clone(),
            micros(rounds.best()),
            format!("{:.0} %", rounds.noise()),
            other,
            ratio,
        ]);
    }
    println!("{table}");
}

/// Operations per second of many tasks on one thread.
fn throughput(bench: &Bench<'_>, rounds: usize) {
    const EACH: usize = 60;
    let writes = stored::writes(8);
    let ids: Vec<_> = (0..TASKS).map(|_| bench.fresh()).collect();
    for id in &ids {
        bench.create(*id, &writes);
    }
    let mut race = Race::new();
    race.add("`GET`", TASKS * EACH, |_| {
        bench.runtime.block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let mut plain = bench.plain.clone();
                    tokio::spawn(async move {
                        let mut get = cmd("GET");
                        get.arg("plain");
                        for _ in 0..EACH {
                            plain.send_packed_command(&get).await.expect("an answer");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("a task");
            }
        });
    });
    let now = bench.now;
    let name = writes[0].field.clone();
    let mut ours = |title: &str, what: What| {
        let (writes, ids, name) = (writes.clone(), ids.clone(), name.clone());
        race.add(title, TASKS * EACH, move |_| {
            bench.runtime.block_on(async {
                let tasks: Vec<_> = ids
                    .iter()
                    .map(|id| {
                        let (store, writes, id) = (bench.store.clone(), writes.clone(), *id);
                        let fresh: Vec<_> = (0..EACH).map(|_| bench.fresh()).collect();
                        let name = name.clone();
                        tokio::spawn(async move {
                            for fresh in fresh {
                                one(&store, what, id, fresh, &name, &writes, now).await;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("a task");
                }
            });
        });
    };
    ours("load one field", What::One);
    ours("load all of 8", What::All);
    ours("commit one field", What::Commit);
    ours("create with 8", What::Create);
    let results: Vec<(String, Rounds)> = race.run(rounds);
    let get = results[0].1.best();
    let title = format!("{TASKS} tasks");
    let mut table = Table::new([title.as_str(), "operations/s", "noise", "of `GET`"]);
    for (name, rounds) in &results {
        table.row([
            name.clone(),
            format!("{:.0}", 1e9 / rounds.best()),
            format!("{:.0} %", rounds.noise()),
            format!("{:.2}", get / rounds.best()),
        ]);
    }
    println!("{table}");
}

#[derive(Clone, Copy)]
enum What {
    One,
    All,
    Commit,
    Create,
}

async fn one(
    store: &RedisStore,
    what: What,
    id: Digest,
    fresh: Digest,
    name: &FieldName,
    writes: &[Write],
    now: Timestamp,
) {
    let commit = match what {
        What::One => {
            let names = [&**name];
            let loaded = store.load(id, Select::Names(&names), now).await;
            assert!(matches!(loaded, Ok(Loaded::Live(_))));
            return;
        }
        What::All => {
            let loaded = store.load(id, Select::All, now).await;
            assert!(matches!(loaded, Ok(Loaded::Live(_))));
            return;
        }
        What::Commit => Commit::new(id, now, Step::keep(None)).with_writes(&writes[..1]),
        What::Create => {
            let step = Step::create(now, stored::lease(now, 3_600_000));
            Commit::new(fresh, now, step).with_writes(writes)
        }
    };
    assert!(matches!(store.commit(commit).await, Ok(Outcome::Done(_))));
}
