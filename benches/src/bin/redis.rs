//! The Redis store beside the plain commands, on the same client and the same server, in turns.
//!
//! `redis [rounds]`; 9 by default. It needs `redis-server`, and `target/tools` for further servers.

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
    let rounds = env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(9);
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
        let client = redis_client::Client::open(format!("{url}/?protocol=resp3"));
        let client = client.expect("an address");
        let info = client.get_connection_info().clone();
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let client = redis_client::Client::open(info.set_tcp_settings(tcp)).expect("an address");
        Bench {
            runtime,
            store: settings
                .response_timeout(Duration::from_secs(5))
                .connect(&url)
                .await
                .expect("a store"),
            plain: client
                .get_multiplexed_async_connection()
                .await
                .expect("a connection"),
            now: Clock::system().now(),
            next: Cell::new(1_000),
        }
    });
    latency(&bench, rounds);
    throughput(&bench, rounds);
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
    let script = "redis.call('HMGET', KEYS[1], 'h', 'x'); redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])";
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
    evalsha.arg(&hash).arg(1).arg("hash").arg("a").arg(&value[..]);
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
            Some((_, other)) => ((*other).to_owned(), format!("{:.2}", rounds.best() / of(other))),
            None => (String::new(), format!("{:.2} of `GET`", rounds.best() / of("`GET`"))),
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

/// Operations a second of many tasks on one thread.
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
