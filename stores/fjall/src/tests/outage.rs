//! These tests prevent reads from failing because the disk is full; a store from reopening its database with every
//! call, or because of an unreadable block; and a store from releasing a database that it cannot reopen (F09).

use super::{
    super::{
        builder,
        engine::Engine,
        recovery::{Recovery, TRIAL_NAME},
        shared::Shared,
    },
    *,
};
use level_session_store::{Error, ErrorKind};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

fn open(path: &Path, cache: usize) -> FjallStore {
    let builder = FjallStore::builder().cache_sessions(cache);
    builder.sweep_every(None).open(path).unwrap()
}

fn write(store: &FjallStore, n: u8, value: &str) -> Result<()> {
    let outcome = now(store.commit(commit(id(n), KEEP, &[set("a", value)])))?;
    assert!(outcome.is_done(), "{outcome:?}");
    Ok(())
}

/// With this in its way, a test write to the disk fails.
fn nothing_can_be_written(path: &Path) -> PathBuf {
    let trap = path.join(TRIAL_NAME);
    fs::create_dir(&trap).unwrap();
    trap
}

fn attempts(store: &FjallStore) -> u64 {
    let recovery = store.0.shared.recovery();
    recovery.attempts.load(Ordering::SeqCst)
}

/// A counter that keeps its value until the database is reopened.
const MARK: u64 = 1_000_000;

fn mark(store: &FjallStore) {
    store.inside(|disk| disk.syncs.store(MARK, Ordering::SeqCst));
}

fn assert_refused(error: &Error, path: &Path) {
    let message = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(message.contains("refuses writes"), "{message}");
    assert!(message.contains(path.to_str().unwrap()), "{message}");
}

#[test]
fn reads_go_on_while_nothing_can_be_written_and_writes_when_it_can() {
    for cache in [0, 100] {
        let (_dir, path) = place();
        let store = open(&path, cache);
        create(&store, id(1), &[set("a", "1")]);
        create(&store, id(2), &[indexed("user", "7", "seven")]);
        mark(&store);
        let trap = nothing_can_be_written(&path);
        store.fail_writes(Some(full_disk));
        write(&store, 1, "lost").unwrap_err();
        let read_all = || {
            assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
            assert_eq!(
                now(store.page(None, 9, at(1))).unwrap().items,
                [id(1), id(2)]
            );
            let found = now(store.find("user", b"seven", None, 9, at(1))).unwrap();
            assert_eq!(found.items.len(), 1);
        };
        let before = attempts(&store);
        eventually("it is tried again", || {
            read_all();
            assert_refused(&write(&store, 1, "lost").unwrap_err(), &path);
            attempts(&store) > before + 3
        });
        assert!(store.syncs() >= MARK, "the database was not released");
        fs::remove_dir(trap).unwrap();
        eventually("it takes writes again", || write(&store, 1, "2").is_ok());
        assert_eq!(fields(&store, id(1)), [pair("a", "2")]);
        assert!(store.syncs() < MARK, "the database was reopened");
        now(store.close()).unwrap();
    }
}

/// An index entry without a session is removed when it is found: if that fails, the look-up does not.
#[test]
fn a_look_up_needs_no_write() {
    let (_dir, path) = place();
    let store = open(&path, 100);
    create(&store, id(1), &[indexed("user", "7", "seven")]);
    store.inside(|disk| {
        let orphan = super::super::keys::index("user", b"seven", id(9));
        disk.index.insert(orphan, []).unwrap();
    });
    store.fail_writes(Some(full_disk));
    let found = now(store.find("user", b"seven", None, 9, at(1))).unwrap();
    assert_eq!(found.items.len(), 1);
}

/// Flushes memory to tables. Returns the table of the records, if there is one.
fn into_tables(store: &FjallStore) -> PathBuf {
    let tables = store.inside(|disk| {
        for keyspace in [&disk.meta, &disk.data] {
            keyspace.rotate_memtable_and_wait().unwrap();
        }
        disk.meta.path().join("tables")
    });
    let mut tables: Vec<_> = fs::read_dir(tables)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    tables.sort();
    tables.pop().expect("a table")
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_the_error_of_that_read_alone() {
    let (_dir, path) = place();
    let store = open(&path, 0);
    create(&store, id(1), &[set("a", "1")]);
    let table = into_tables(&store);
    create(&store, id(2), &[set("a", "2")]);
    mark(&store);
    let (whole, aside) = (fs::read(&table).unwrap(), path.join("aside"));
    let file = fs::OpenOptions::new().write(true).open(&table).unwrap();
    file.set_len(0).unwrap();

    for _ in 0..100 {
        let error = load(&store, id(1)).unwrap_err();
        assert!(
            error.to_string().contains("cannot read a session"),
            "{error}"
        );
        write(&store, 1, "never").unwrap_err();
        assert_eq!(fields(&store, id(2)), [pair("a", "2")]);
        write(&store, 2, "2").unwrap();
    }
    assert_eq!(
        attempts(&store),
        0,
        "a failed read is no reason to reopen the database"
    );

    // A failed write is one. But a database that cannot be opened is not released: no byte of this table can be read,
    // since it is a link to itself.
    fs::rename(&table, &aside).unwrap();
    std::os::unix::fs::symlink(&table, &table).unwrap();
    store.fail_writes(Some(full_disk));
    write(&store, 2, "lost").unwrap_err();
    eventually("it is tried again", || {
        assert_eq!(fields(&store, id(2)), [pair("a", "2")]);
        attempts(&store) > 3
    });
    assert!(store.syncs() >= MARK, "readable data was given up");
    fs::remove_file(&table).unwrap();
    fs::write(&table, whole).unwrap();
    eventually("it takes writes again", || write(&store, 2, "3").is_ok());
    assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
    assert_eq!(fields(&store, id(2)), [pair("a", "3")]);
}

/// After each reopening it fails at once, as if a compaction met a bad block each time.
#[test]
fn what_does_not_hold_is_tried_less_and_less_often() {
    let (_dir, path) = place();
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let open = move |path: &Path| {
        let database = builder::open_database(path, 1 << 20)?;
        let engine = Engine::open(database, "session", 100, 1 << 20, Arc::default())?;
        *engine.disk().faults.writes.lock().unwrap() = Some(full_disk);
        count.fetch_add(1, Ordering::SeqCst);
        Ok(engine)
    };
    let first = open(&path).unwrap();
    let shared = Shared::new(first, Recovery::by_path(&path, open));
    let store = FjallStore::builder()
        .sweep_every(None)
        .start(shared)
        .unwrap();
    let began = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let mut writes = 0_u32;
    eventually("it was reopened three times", || {
        for _ in 0..100 {
            now(store.commit(commit(id(1), CREATE, &[]))).unwrap_err();
            writes += 1;
        }
        opened.load(Ordering::SeqCst) > 3
    });
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap() - began;
    // At once, after 250 ms, after 500 ms.
    assert!(
        elapsed >= Duration::from_millis(750),
        "it took only {elapsed:?}"
    );
    assert!(writes > 500, "{writes}");
    now(store.close()).unwrap();
}

/// Prevents a close from waiting for an outage to end.
#[test]
fn a_store_is_closed_in_an_outage() {
    let (_dir, path) = place();
    let store = open(&path, 100);
    create(&store, id(1), &[set("a", "1")]);
    let trap = nothing_can_be_written(&path);
    store.fail_writes(Some(full_disk));
    write(&store, 1, "lost").unwrap_err();
    eventually("it is tried again", || attempts(&store) > 2);
    let _ = now(store.close());
    assert!(
        load(&store, id(1))
            .unwrap_err()
            .to_string()
            .contains("closed")
    );
    assert!(
        write(&store, 1, "2")
            .unwrap_err()
            .to_string()
            .contains("closed")
    );
    fs::remove_dir(trap).unwrap();
    assert_eq!(fields(&open(&path, 0), id(1)), [pair("a", "1")]);
}

/// A database of the application cannot be reopened: reads continue, and every write returns the reason.
#[test]
fn a_database_of_the_application_s_is_not_let_go_of() {
    let (_dir, path) = place();
    let database = ::fjall::Database::builder(&path).open().unwrap();
    let store = FjallStore::builder()
        .sweep_every(None)
        .build(database)
        .unwrap();
    create(&store, id(1), &[set("a", "1")]);
    store.fail_writes(Some(full_disk));
    for _ in 0..3 {
        let message = write(&store, 1, "2").unwrap_err().to_string();
        assert!(message.contains("the disk is full"), "{message}");
        assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
    }
    store.fail_writes(None);
    write(&store, 1, "2").unwrap();
}
