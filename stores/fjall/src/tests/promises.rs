//! These tests prevent durability that holds only if nothing goes wrong (F07, F10), and work that is done in part or
//! twice.

use super::{
    super::{record::Record, shared},
    *,
};
use crate::Durability;
use level_session_store::{Clock, ErrorKind};
use std::{
    collections::HashSet,
    pin::Pin,
    sync::{Arc, mpsc},
    task::{Context, Waker},
    thread,
};

fn open(durability: Durability) -> (TempDir, PathBuf, FjallStore) {
    let (dir, path) = place();
    let builder = FjallStore::builder().durability(durability);
    let store = builder.sweep_every(None).open(&path).unwrap();
    (dir, path, store)
}

/// A commit must not be acknowledged although it may not be on the disk, be it the first one of a round or another.
#[test]
fn where_the_fsync_fails_no_commit_of_the_round_is_acknowledged() {
    const ROUND: u8 = 20;
    let (_dir, _path, store) = open(Durability::Sync);
    store.fail_syncs(Some(passing));
    // Other work uses the database, so that all of them are in the queue when the round begins.
    let (begun, begins) = mpsc::channel();
    let (go_on, waits) = mpsc::channel::<()>();
    let first = id(0);
    let held = thread::spawn({
        let store = store.clone();
        move || {
            store.0.shared.with(|engine| {
                engine.hold(first, || {
                    begun.send(()).unwrap();
                    waits.recv().unwrap();
                });
                Ok(())
            })
        }
    });
    begins.recv().unwrap();
    let writes = [set("a", "1")];
    let mut waiting: Vec<_> = (0..ROUND)
        .map(|n| store.commit(commit(id(n), CREATE, &writes)))
        .collect();
    let mut cx = Context::from_waker(Waker::noop());
    for answer in &mut waiting {
        assert!(Pin::new(answer).poll(&mut cx).is_pending()); // queued
    }
    go_on.send(()).unwrap();
    held.join().unwrap().unwrap();
    for answer in waiting {
        let error = now(answer).expect_err("it is not known to be on the disk");
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(error.to_string().contains("may not be on disk"), "{error}");
    }
    assert_eq!(store.syncs(), 0);
    store.fail_syncs(None);
    let outcome = now(store.commit(commit(id(1), KEEP, &writes))).unwrap();
    assert!(outcome.is_done(), "{outcome:?}");
    assert_eq!(store.syncs(), 1);
}

#[test]
fn under_an_interval_the_database_is_synced_again_and_again_and_after_an_error_too() {
    let (_dir, _path, store) = open(Durability::Interval(Duration::from_millis(1)));
    create(&store, id(1), &[set("a", "1")]);
    eventually("it is synced", || store.syncs() >= 3);
    store.fail_syncs(Some(passing));
    let before = store.syncs();
    eventually("a sync has failed", || {
        store.syncs() == before || store.syncs() == before + 1
    });
    store.fail_syncs(None);
    let before = store.syncs();
    eventually("it is synced again", || store.syncs() >= before + 3);
}

/// Prevents a power cut from undoing the last writes although the store was closed cleanly.
#[test]
fn closing_syncs_and_says_if_it_cannot() {
    for durability in [
        Durability::Buffer,
        Durability::Interval(Duration::from_secs(3_600)),
        Durability::Sync,
    ] {
        let (_dir, path, store) = open(durability);
        create(&store, id(1), &[set("a", "1")]);
        let syncs = store.inside(|disk| Arc::clone(&disk.syncs));
        let before = syncs.load(Ordering::SeqCst);
        now(store.close()).unwrap();
        assert_eq!(syncs.load(Ordering::SeqCst), before + 1, "{durability:?}");

        let store = FjallStore::builder()
            .durability(durability)
            .open(&path)
            .unwrap();
        store.fail_syncs(Some(full_disk));
        let error = now(store.close()).expect_err("the last writes may be lost");
        assert!(
            error.to_string().contains("make the last writes durable"),
            "{error}"
        );
    }
    // No other code syncs a database of the application.
    let (_dir, path) = place();
    let database = ::fjall::Database::builder(path).open().unwrap();
    let store = FjallStore::new(database.clone()).unwrap();
    create(&store, id(1), &[set("a", "1")]);
    let syncs = store.inside(|disk| Arc::clone(&disk.syncs));
    drop(store);
    assert_eq!(syncs.load(Ordering::SeqCst), 1, "dropping closes");
    drop(database);
}

/// Prevents two sessions from sharing a number, and so their fields.
#[test]
fn a_block_of_numbers_whose_batch_failed_is_not_reserved() {
    let (_dir, path, store) = open(Durability::Buffer);
    store.fail_writes(Some(passing));
    for n in 1..=3 {
        now(store.commit(commit(id(n), CREATE, &[]))).unwrap_err();
    }
    store.fail_writes(None);
    let number = |store: &FjallStore, n| {
        let record = store.inside(|disk| disk.meta.get(id(n).as_bytes()).unwrap().unwrap());
        let Ok(Record::Live(session)) = Record::decode(&record) else {
            panic!("a session")
        };
        session.number
    };
    create(&store, id(4), &[]);
    let mut numbers = HashSet::from([number(&store, 4)]);
    drop(store);
    // As long as the mark is stored, numbering continues after it.
    let store = FjallStore::open(&path).unwrap();
    for n in 5..=8 {
        create(&store, id(n), &[]);
        assert!(numbers.insert(number(&store, n)), "a number is used twice");
    }
    let mark = store.inside(|disk| disk.meta.get("next").unwrap().unwrap());
    let mark = u64::from_be_bytes((*mark).try_into().unwrap());
    assert!(
        numbers.iter().all(|number| *number < mark),
        "{numbers:?} and {mark}"
    );
}

/// Prevents dead sessions from accumulating if more of them die in an interval than are swept at once.
#[test]
fn a_round_of_the_sweeper_goes_on_as_long_as_there_is_more() {
    const SESSIONS: u16 = 700;
    let (_dir, _path, store) = open(Durability::Buffer);
    let numbered = |n: u16| {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_le_bytes());
        Digest::from_bytes(bytes)
    };
    for n in 0..SESSIONS {
        create(&store, numbered(n), &[]);
    }
    let left = || now(store.page(None, 10_000, at(0))).unwrap().items.len();
    let clock = Clock::manual(at(1_000));
    shared::sweep_round(&store.0.shared, &clock, || true);
    assert!(left() > 0, "the round stops on request");
    shared::sweep_round(&store.0.shared, &clock, || false);
    assert_eq!(left(), 0);
}
