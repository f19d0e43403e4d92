//! The operations of the stores, compared with the same keys in the databases.

use crate::{
    OPERATIONS,
    raw::{Base, Fjall},
    report, runtime,
};
use level_session::{
    Clock, FjallStore, MemoryStore,
    store::{Select, Store},
};
use level_session_benches::{compare::Race, stored};
use std::{hint::black_box, path::Path};

const SESSIONS: u64 = 1_000;

pub(super) fn measure(rounds: usize) {
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
    let bases = bases(dir.path());
    for base in &bases {
        for n in 0..SESSIONS {
            base.create(n);
        }
    }

    let (mut read, mut write, mut create) = (Race::new(), Race::new(), Race::new());
    let (fjall, others) = bases.split_first().expect("fjall is there");
    add_base(&**fjall, &mut read, &mut write, &mut create);
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
    for base in others {
        add_base(&**base, &mut read, &mut write, &mut create);
    }
    report("read one field", read, rounds);
    report("write one field", write, rounds);
    report("create a session of eight fields", create, rounds);
}

/// The databases themselves; fjall first.
fn bases(path: &Path) -> Vec<Box<dyn Base>> {
    Vec::from([
        Box::new(Fjall::new(path)) as Box<dyn Base>,
        #[cfg(feature = "sqlite")]
        Box::new(crate::raw::Sqlite::new(path)),
        #[cfg(feature = "peers")]
        Box::new(crate::raw::Redb::new(path, false)),
        #[cfg(feature = "peers")]
        Box::new(crate::raw::Redb::new(path, true)),
    ])
}

fn add_base<'a>(
    base: &'a dyn Base,
    read: &mut Race<'a>,
    write: &mut Race<'a>,
    create: &mut Race<'a>,
) {
    let name = base.name();
    // Operations that wait for the disk take a thousand times as long.
    let writes = if base.waits() {
        OPERATIONS / 100
    } else {
        OPERATIONS
    };
    read.add(
        format!("{name}: get meta and field"),
        OPERATIONS,
        move |times| {
            for n in 0..times as u64 {
                base.read(n % SESSIONS);
            }
        },
    );
    write.add(format!("{name}: put one field"), writes, move |times| {
        for n in 0..times as u64 {
            base.write(n % SESSIONS);
        }
    });
    let mut next = SESSIONS;
    create.add(
        format!("{name}: put the same ten keys"),
        writes,
        move |times| {
            for _ in 0..times {
                base.create(next);
                next += 1;
            }
        },
    );
}
