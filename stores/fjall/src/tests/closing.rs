//! These tests prevent a commit that runs on a database which another process has opened meanwhile, and a commit that
//! was queued and then forgotten (F10).

use super::*;
use crate::Durability;
use std::{
    pin::Pin,
    sync::mpsc,
    task::{Context, Waker},
    thread,
};

/// Closing the store waits for all calls that use the database.
#[test]
fn closing_waits_for_what_is_at_work() {
    let (_dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    let (begun, begins) = mpsc::channel();
    let (go_on, waits) = mpsc::channel();
    let at_work = thread::spawn({
        let store = store.clone();
        move || {
            store.0.shared.with(|_| {
                begun.send(()).unwrap();
                waits.recv().unwrap();
                Ok(())
            })
        }
    });
    begins.recv().unwrap();
    let (closed, closes) = mpsc::channel();
    let closing = thread::spawn(move || closed.send(now(store.close()).is_ok()));
    let early = closes.recv_timeout(Duration::from_millis(50));
    assert!(early.is_err(), "closing did not wait for the call");
    go_on.send(()).unwrap();
    assert!(closes.recv().unwrap(), "then it closes");
    at_work.join().unwrap().unwrap();
    closing.join().unwrap().unwrap();
    FjallStore::open(&path).expect("the database is released");
}

/// Queued commits are stored.
#[test]
fn closing_answers_what_waits_for_an_fsync() {
    const WAITING: u8 = 50;
    let (_dir, path) = place();
    let store = FjallStore::builder()
        .durability(Durability::Sync)
        .sweep_every(None)
        .open(&path)
        .unwrap();
    let writes = [set("a", "1")];
    let mut waiting: Vec<_> = (0..WAITING)
        .map(|n| store.commit(commit(id(n), CREATE, &writes)))
        .collect();
    let mut cx = Context::from_waker(Waker::noop());
    for answer in &mut waiting {
        let _ = Pin::new(answer).poll(&mut cx); // queued
    }
    now(store.close()).unwrap();
    for answer in waiting {
        let outcome = now(answer).unwrap();
        assert!(outcome.is_done(), "{outcome:?}");
    }
    let again = FjallStore::open(&path).unwrap();
    for n in 0..WAITING {
        assert_eq!(fields(&again, id(n)), [pair("a", "1")]);
    }
}

/// Text that does not compress well, as fjall compresses large values.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let letters = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'0' + (state >> 58) as u8)
    });
    letters.take(length).collect()
}

/// The sizes of the journals of a database.
fn journals(path: &std::path::Path) -> Vec<u64> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let journals = entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "jnl"));
    journals
        .map(|entry| entry.metadata().unwrap().len())
        .collect()
}

/// Prevents a start from taking seconds because it replays data that a clean close could have flushed.
#[test]
fn a_clean_close_leaves_an_empty_journal_and_everything_in_tables() {
    let (_dir, path) = place();
    let open = || {
        FjallStore::builder()
            .cache_sessions(0)
            .sweep_every(None)
            .open(&path)
            .unwrap()
    };
    let value = noise(64 * 1024);
    for round in 0..3 {
        let store = open();
        for n in 0..40 {
            create(
                &store,
                id(round * 40 + n),
                &[set("a", &value), indexed("user", "7", "seven")],
            );
        }
        now(store.close()).unwrap();
        assert_eq!(journals(&path), [0], "in round {round}");
    }
    let store = open();
    assert_eq!(
        now(store.find("user", b"seven", None, 1_000, at(1)))
            .unwrap()
            .items
            .len(),
        120
    );
    for n in 0..120 {
        assert_eq!(
            fields(&store, id(n)),
            [pair("a", &value), pair("user", "7")]
        );
    }
    // Data written afterwards is newer than the tables.
    now(store.commit(commit(id(1), KEEP, &[set("a", "2")]))).unwrap();
    drop(store);
    assert_eq!(fields(&open(), id(1))[0], pair("a", "2"));
}

/// Prevents a close from leaving the journal if the store was opened with a relative path, as in every first program.
#[test]
fn a_clean_close_empties_the_journal_of_a_relative_path() {
    let here = std::env::current_dir().unwrap();
    let dir = tempfile::tempdir_in(&here).unwrap();
    let path = dir.path().strip_prefix(&here).unwrap().join("sessions.db");
    assert!(path.is_relative());
    let store = FjallStore::builder().sweep_every(None).open(&path).unwrap();
    let value = noise(64 * 1024);
    for n in 0..40 {
        create(&store, id(n), &[set("a", &value)]);
    }
    now(store.close()).unwrap();
    assert_eq!(journals(&path), [0]);
}

/// Prevents data of the application, or of another store, from being lost with the journal.
#[test]
fn a_clean_close_puts_every_keyspace_of_the_database_into_tables() {
    let (_dir, path) = place();
    let database = ::fjall::Database::builder(&path).open().unwrap();
    let theirs = database.keyspace("theirs", ::fjall::KeyspaceCreateOptions::default);
    theirs.unwrap().insert("key", noise(2 << 20)).unwrap();
    drop(database);
    let store = FjallStore::builder().sweep_every(None).open(&path).unwrap();
    create(&store, id(1), &[set("a", "1")]);
    now(store.close()).unwrap();
    assert_eq!(journals(&path), [0]);
    let database = ::fjall::Database::builder(&path).open().unwrap();
    let theirs = database.keyspace("theirs", ::fjall::KeyspaceCreateOptions::default);
    assert_eq!(theirs.unwrap().get("key").unwrap().unwrap().len(), 2 << 20);
}

/// A fork of the process could wait for ever for a thread that it does not have, or write to the parent's files.
#[test]
fn a_fork_of_the_process_is_refused_and_may_still_read() {
    for durability in [Durability::Buffer, Durability::Sync] {
        let (_dir, path) = place();
        let builder = FjallStore::builder().durability(durability);
        let store = builder.sweep_every(None).open(path).unwrap();
        create(&store, id(1), &[set("a", "1")]);
        store.0.shared.fork();
        let refused = now(store.commit(commit(id(1), KEEP, &[set("a", "2")])));
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("is a fork"), "{message}");
        now(store.sweep(at(5_000), 10)).unwrap_err();
        assert_eq!(fields(&store, id(1)), [pair("a", "1")]);
    }
}

/// In a rolling update the new process must not give up at once while the old one is still working, nor wait if the
/// error is not a lock.
#[test]
fn opening_waits_for_a_lock_and_for_nothing_else() {
    let (dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    let error = FjallStore::open_within(&path, Duration::from_millis(60)).unwrap_err();
    assert!(error.to_string().contains("has it open"), "{error}");

    let (opened, opens) = mpsc::channel();
    let opening =
        thread::spawn(move || opened.send(FjallStore::open_within(path, Duration::from_secs(60))));
    let early = opens.recv_timeout(Duration::from_millis(200));
    assert!(early.is_err(), "it waits: {early:?}");
    now(store.close()).unwrap();
    let opened = opens.recv_timeout(Duration::from_secs(30));
    opened
        .expect("the database is free")
        .expect("it can be opened");
    opening.join().unwrap().unwrap();

    let file = dir.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let (opened, opens) = mpsc::channel();
    thread::spawn(move || opened.send(FjallStore::open_within(file, Duration::from_secs(600))));
    let refused = opens.recv_timeout(Duration::from_secs(30));
    refused.expect("it does not wait").unwrap_err();
}
