//! The cost of finding a user's sessions among many, compared with reading a field of the same number of sessions.
//!
//! `find [sessions] [rounds]`; 1,000,000 and 15 by default. Figures are microseconds per found session.

use level_session::{
    FjallStore, Keyring, SessionData, Sessions, Value,
    store::{Clock, Digest, FieldName, Loaded, Select, Store, Timestamp, Write},
    value::index_entry,
};
use level_session_benches::{
    compare::Race,
    machine, stored,
    table::{Table, micros, times},
};
use std::env;

/// The number of sessions of each user.
const SIZES: [u64; 3] = [1, 10, 100];

#[derive(SessionData)]
#[allow(dead_code, reason = "its keys are used")]
struct Shop {
    #[session(index)]
    user_id: Option<u64>,
    device: Option<String>,
}

type Runtime = tokio::runtime::Runtime;

fn main() {
    let mut given = env::args().skip(1).map(|n| n.parse().expect("a number"));
    let sessions: u64 = given.next().unwrap_or(1_000_000);
    let rounds = given.next().unwrap_or(15) as usize;
    println!(
        "{}; {sessions} sessions, best of {rounds} rounds.\n",
        machine::line()
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O");
    let mut table = Table::new([
        "fjall",
        "sessions of a user",
        "read one field of each",
        "find",
        "find, with a field",
        "ratio",
    ]);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let groups = SIZES.map(|size| Group::new(size, sessions / SIZES.len() as u64));
    let store = FjallStore::open(dir.path()).expect("a new directory");
    groups.iter().for_each(|group| group.fill(&runtime, &store));
    runtime.block_on(store.close()).expect("the disk works");
    drop(store);
    for (title, cached) in [("default cache", None), ("no cache", Some(0))] {
        let store = FjallStore::builder();
        let store = match cached {
            None => store,
            Some(sessions) => store.cache_sessions(sessions),
        };
        let store = store.open(dir.path()).expect("it was closed");
        for group in &groups {
            let figures = measure(&runtime, &store, group, rounds);
            let [read, find, find_with] = figures.map(|nanos| nanos / group.size as f64);
            table.row([
                title.to_owned(),
                group.size.to_string(),
                micros(read),
                micros(find),
                micros(find_with),
                times(find_with, read),
            ]);
        }
        runtime.block_on(store.close()).expect("the disk works");
    }
    println!("{table}");
}

/// Users with this many sessions each.
struct Group {
    size: u64,
    users: u64,
}

impl Group {
    fn new(size: u64, sessions: u64) -> Self {
        let users = sessions / size;
        Self { size, users }
    }

    fn user_id(&self, user: u64) -> u64 {
        self.size * 1_000_000_000 + user
    }

    /// The digest of the `n`th session of a user: the sessions of a user are far apart in order of creation.
    fn session(&self, user: u64, n: u64) -> Digest {
        stored::digest(self.user_id(n * self.users + user))
    }

    fn fill(&self, runtime: &Runtime, store: &FjallStore) {
        let now = Clock::system().now();
        for n in 0..self.size {
            for user in 0..self.users {
                let value = Value::from(self.user_id(user)).to_stored(None);
                let value = value.expect("a number");
                let entry = index_entry(&value).expect("it was made here");
                let device = Value::from("a browser on a telephone").to_stored(None);
                let device = device.expect("a text");
                let writes = [
                    Write::set(FieldName::from_static("user_id"), value).with_index(Some(entry)),
                    Write::set(FieldName::from_static("device"), device),
                ];
                let lease = Some(stored::lease(now, 3_600_000));
                runtime.block_on(stored::put(
                    store,
                    self.session(user, n),
                    now,
                    lease,
                    &writes,
                ));
            }
        }
    }
}

/// Nanoseconds for all sessions of a user: a read of each, a listing, and a listing with a field.
fn measure(runtime: &Runtime, store: &FjallStore, group: &Group, rounds: usize) -> [f64; 3] {
    let Group { size, users } = *group;
    let keyring = Keyring::generate().expect("a generator");
    let all = Sessions::new(store.clone(), keyring);
    let now = Clock::system().now();
    let step = |user: &mut u64| {
        *user = (*user + 7_919) % users;
        *user
    };
    // Each measurement has its own users, so that none profits from another's cached sessions.
    let (mut a, mut b, mut c) = (0, users / 3, 2 * users / 3);
    let per_round = (300 / size).max(5) as usize;
    let mut race = Race::new();
    race.add("read", per_round, |times| {
        for _ in 0..times {
            let user = step(&mut a);
            for n in 0..size {
                read(runtime, store, group.session(user, n), now);
            }
        }
    });
    race.add("find", per_round, |times| {
        for _ in 0..times {
            let user = step(&mut b);
            assert_eq!(found(runtime, &all, group.user_id(user), false), size);
        }
    });
    race.add("find with", per_round, |times| {
        for _ in 0..times {
            let user = step(&mut c);
            assert_eq!(found(runtime, &all, group.user_id(user), true), size);
        }
    });
    let rows = race.run(rounds);
    let best: Vec<f64> = rows.iter().map(|(_, rounds)| rounds.best()).collect();
    best.try_into().expect("three of them")
}

fn found(runtime: &Runtime, sessions: &Sessions, user: u64, with: bool) -> u64 {
    runtime.block_on(async {
        let mut listing = sessions.find(Shop::USER_ID, &user);
        if with {
            listing = listing.with(Shop::DEVICE);
        }
        let mut found = 0;
        while let Some(page) = listing.next_page().await.expect("the disk works") {
            found += page.len() as u64;
        }
        found
    })
}

fn read(runtime: &Runtime, store: &dyn Store, id: Digest, now: Timestamp) {
    let loaded = runtime.block_on(store.load(id, Select::Names(&["device"]), now));
    let loaded = loaded.expect("the disk works");
    assert!(matches!(loaded, Loaded::Live(_)));
}
