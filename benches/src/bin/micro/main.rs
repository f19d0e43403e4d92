//! The parts by themselves: signatures, values, store operations, beside what they are made of and what others use.
//!
//! `micro [rounds]`; 25 by default.

use axum::http::HeaderMap;
use level_session::{
    Clock, Keyring, Sessions, Value,
    store::{FjallStore, MemoryStore, Select, Store},
    value::Stored,
};
use level_session_benches::{
    compare::Race,
    machine, stored,
    table::{Table, micros, times},
    workload::value,
};
use serde::{Deserialize, Serialize};
use std::{env, hint::black_box};

const OPERATIONS: usize = 2_000;

/// What a shop keeps in one field.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    sku: String,
    count: u32,
    price: f64,
    gift: Option<String>,
}

fn main() {
    let rounds = env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(25);
    println!(
        "{}; best of {rounds} interleaved rounds of {OPERATIONS}.\n",
        machine::line()
    );
    cookies(rounds);
    values(rounds);
    stores(rounds);
}

/// Prints what was measured, the first for comparison.
fn report(title: &str, race: Race<'_>, rounds: usize) {
    let measured = race.run(rounds);
    let first = measured[0].1.best();
    let mut table = Table::new([title, "of the first", "us", "noise, %"]);
    for (name, rounds) in &measured {
        let best = rounds.best();
        table.row([
            name.clone(),
            times(best, first),
            micros(best),
            format!("{:.0}", rounds.noise()),
        ]);
    }
    println!("{table}");
}

fn cookies(rounds: usize) {
    let runtime = runtime();
    let keyring = Keyring::new([[7; 32]]).expect("32 bytes");
    let sessions = Sessions::new(MemoryStore::new(), keyring);
    // A request without a session makes one; the answer has its cookie.
    let mut response = HeaderMap::new();
    runtime.block_on(async {
        let session = sessions.begin(&HeaderMap::new());
        session.set("f3", value()).expect("open");
        sessions
            .finish(&session, &mut response)
            .await
            .expect("memory");
    });
    let cookie = response["set-cookie"].to_str().expect("ASCII");
    let cookie = cookie.split(';').next().unwrap_or_default();
    let request = |cookie: &str| {
        HeaderMap::from_iter([(
            "cookie".parse().expect("a name"),
            cookie.parse().expect("ASCII"),
        )])
    };
    let (good, forged) = (
        request(cookie),
        request(&format!("{}A", &cookie[..cookie.len() - 1])),
    );
    let clock = Clock::system();
    let mut race = Race::new();
    race.add("read the system's clock", OPERATIONS, |times| {
        for _ in 0..times {
            black_box(clock.now());
        }
    });
    race.add("begin and end, unused", OPERATIONS, |times| {
        for _ in 0..times {
            let session = sessions.begin(black_box(&good));
            sessions.abandon(&session, &mut HeaderMap::new());
        }
    });
    race.add(
        "the same, cookie read and verified, id digested",
        OPERATIONS,
        |times| {
            for _ in 0..times {
                let session = sessions.begin(black_box(&good));
                session.touch().expect("open");
                sessions.abandon(&session, &mut HeaderMap::new());
            }
        },
    );
    race.add("the same, forged", OPERATIONS, |times| {
        for _ in 0..times {
            let session = sessions.begin(black_box(&forged));
            session.touch().expect("open");
            sessions.abandon(&session, &mut HeaderMap::new());
        }
    });
    report("cookies", race, rounds);
}

fn values(rounds: usize) {
    let items: Vec<Item> = (0..4)
        .map(|n| Item {
            sku: format!("SKU-{n:06}"),
            count: n,
            price: 19.95,
            gift: (n == 2).then(|| value().to_owned()),
        })
        .collect();
    let stored = Value::of(&items)
        .and_then(|tree| tree.to_stored(None))
        .expect("it can be stored");
    let sessions = Sessions::new(
        MemoryStore::new(),
        Keyring::new([[7; 32]]).expect("32 bytes"),
    );
    let session = sessions.begin(&HeaderMap::new());
    let mut encode = Race::new();
    encode.add("level-session (into the session)", OPERATIONS, |times| {
        for _ in 0..times {
            session.set("cart", black_box(&items)).expect("open");
        }
    });
    let mut decode = Race::new();
    decode.add("level-session", OPERATIONS, |times| {
        for _ in 0..times {
            let stored = Stored::open(black_box(&stored)).expect("it was written");
            black_box(stored.body().decode::<Vec<Item>>().expect("it was written"));
        }
    });
    #[cfg(feature = "peers")]
    {
        peers::encode(&mut encode, items.clone());
        peers::decode(&mut decode, &items);
    }
    report("encode four items of a cart", encode, rounds);
    report("decode them", decode, rounds);
    println!("Bytes of level-session: {}.", stored.len());
    #[cfg(feature = "peers")]
    println!("{}\n", peers::sizes(&items));
}

#[cfg(feature = "peers")]
mod peers {
    use super::{Item, OPERATIONS, Race, black_box};

    pub(super) fn encode(race: &mut Race<'_>, items: Vec<Item>) {
        let (a, b, c) = (items.clone(), items.clone(), items);
        race.add("postcard (not self-describing)", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(postcard::to_allocvec(black_box(&a)).expect("serde"));
            }
        });
        race.add("rmp-serde, named", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(rmp_serde::to_vec_named(black_box(&b)).expect("serde"));
            }
        });
        race.add("serde_json", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(serde_json::to_vec(black_box(&c)).expect("serde"));
            }
        });
    }

    pub(super) fn decode(race: &mut Race<'_>, items: &[Item]) {
        let a = postcard::to_allocvec(items).expect("serde");
        let b = rmp_serde::to_vec_named(items).expect("serde");
        let c = serde_json::to_vec(items).expect("serde");
        race.add("postcard (not self-describing)", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(postcard::from_bytes::<Vec<Item>>(black_box(&a)).expect("serde"));
            }
        });
        race.add("rmp-serde, named", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(rmp_serde::from_slice::<Vec<Item>>(black_box(&b)).expect("serde"));
            }
        });
        race.add("serde_json", OPERATIONS, move |times| {
            for _ in 0..times {
                black_box(serde_json::from_slice::<Vec<Item>>(black_box(&c)).expect("serde"));
            }
        });
    }

    pub(super) fn sizes(items: &[Item]) -> String {
        format!(
            "postcard {}, rmp-serde {}, serde_json {}.",
            postcard::to_allocvec(items).expect("serde").len(),
            rmp_serde::to_vec_named(items).expect("serde").len(),
            serde_json::to_vec(items).expect("serde").len()
        )
    }
}

fn stores(rounds: usize) {
    const SESSIONS: u64 = 1_000;
    let runtime = runtime();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let cached = FjallStore::open(dir.path().join("cached")).expect("a new directory");
    let uncached = FjallStore::builder()
        .cache_sessions(0)
        .open(dir.path().join("uncached"))
        .expect("a new directory");
    let memory = MemoryStore::new();
    let stores: [(&str, &dyn Store); 3] = [
        ("fjall", &cached),
        ("fjall without cache", &uncached),
        ("memory", &memory),
    ];
    let now = Clock::system().now();
    let lease = stored::lease(now, 3_600_000);
    for (_, store) in stores {
        runtime.block_on(async {
            for n in 0..SESSIONS {
                let writes = stored::writes(8);
                stored::put(store, stored::digest(n), now, Some(lease), &writes).await;
            }
        });
    }
    let db = fjall::Database::builder(dir.path().join("raw"))
        .open()
        .expect("a new directory");
    let raw = Raw::new(&db, SESSIONS);

    #[cfg(feature = "peers")]
    let redb = redb_of(dir.path(), SESSIONS);
    let mut read = Race::new();
    read.add("raw fjall: get meta and field", OPERATIONS, |times| {
        for n in 0..times as u64 {
            black_box(raw.get(n % SESSIONS));
        }
    });
    let mut write = Race::new();
    write.add("raw fjall: a batch of one field", OPERATIONS, |times| {
        for n in 0..times as u64 {
            raw.put(n % SESSIONS, 1, false);
        }
    });
    let mut create = Race::new();
    let mut next = SESSIONS;
    create.add(
        "raw fjall: a batch of the same ten keys",
        OPERATIONS,
        |times| {
            for _ in 0..times {
                raw.put(next, 8, true);
                next += 1;
            }
        },
    );
    for (name, store) in stores {
        let runtime = &runtime;
        read.add(
            format!("{name}: load one field"),
            OPERATIONS,
            move |times| {
                for n in 0..times as u64 {
                    let id = stored::digest(n % SESSIONS);
                    let load = store.load(id, Select::Names(&["f3"]), now);
                    black_box(runtime.block_on(load).expect("the disk works"));
                }
            },
        );
        write.add(
            format!("{name}: commit one field"),
            OPERATIONS,
            move |times| {
                for n in 0..times as u64 {
                    let id = stored::digest(n % SESSIONS);
                    runtime.block_on(stored::put(store, id, now, None, &stored::writes(1)));
                }
            },
        );
        let mut next = SESSIONS;
        create.add(
            format!("{name}: create with eight fields"),
            OPERATIONS,
            move |times| {
                for _ in 0..times {
                    let id = stored::digest(next);
                    next += 1;
                    let writes = stored::writes(8);
                    runtime.block_on(stored::put(store, id, now, Some(lease), &writes));
                }
            },
        );
    }
    #[cfg(feature = "peers")]
    read.add("redb: get meta and field", OPERATIONS, |times| {
        use redb::ReadableDatabase as _;
        for n in 0..times as u64 {
            let transaction = redb.begin_read().expect("the disk works");
            let table = transaction.open_table(TABLE).expect("it is there");
            for key in [
                meta_key(n % SESSIONS).to_vec(),
                data_key(n % SESSIONS, 3).to_vec(),
            ] {
                black_box(table.get(&*key).expect("the disk works").is_some());
            }
        }
    });
    report("read", read, rounds);
    report("write", write, rounds);
    report("create", create, rounds);
}

/// What our store does in fjall, without the store.
struct Raw<'a> {
    db: &'a fjall::Database,
    meta: fjall::Keyspace,
    data: fjall::Keyspace,
    due: fjall::Keyspace,
}

impl<'a> Raw<'a> {
    fn new(db: &'a fjall::Database, sessions: u64) -> Self {
        let keyspace = |name| db.keyspace(name, Default::default).expect("the disk works");
        let this = Self {
            db,
            meta: keyspace("meta"),
            data: keyspace("data"),
            due: keyspace("due"),
        };
        for n in 0..sessions {
            this.put(n, 8, true);
        }
        this
    }

    fn get(&self, n: u64) -> (Option<fjall::Slice>, Option<fjall::Slice>) {
        (
            self.meta.get(meta_key(n)).expect("the disk works"),
            self.data.get(data_key(n, 3)).expect("the disk works"),
        )
    }

    fn put(&self, n: u64, fields: u8, with_meta: bool) {
        let mut batch = self.db.batch().durability(Some(fjall::PersistMode::Buffer));
        for field in 0..fields {
            batch.insert(&self.data, data_key(n, field), &*stored::bytes());
        }
        if with_meta {
            // As long as the record of a session with eight fields, and the key by which it is swept.
            batch.insert(&self.meta, meta_key(n), [7; 75]);
            batch.insert(&self.due, [&n.to_be_bytes()[..], &meta_key(n)].concat(), []);
        }
        batch.commit().expect("the disk works");
    }
}

fn meta_key(n: u64) -> [u8; 32] {
    *stored::digest(n).as_bytes()
}

fn data_key(n: u64, field: u8) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key[8..].copy_from_slice(&[b'f', b'0' + field]);
    key
}

#[cfg(feature = "peers")]
const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("sessions");

#[cfg(feature = "peers")]
fn redb_of(path: &std::path::Path, sessions: u64) -> redb::Database {
    let db = redb::Database::create(path.join("redb")).expect("a new file");
    let transaction = db.begin_write().expect("nobody else writes");
    {
        let mut table = transaction.open_table(TABLE).expect("a new table");
        for n in 0..sessions {
            table
                .insert(&meta_key(n)[..], &[7; 75][..])
                .expect("the disk works");
            for field in 0..8 {
                let bytes = stored::bytes();
                table
                    .insert(&data_key(n, field)[..], &*bytes)
                    .expect("the disk works");
            }
        }
    }
    transaction.commit().expect("the disk works");
    db
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O")
}
