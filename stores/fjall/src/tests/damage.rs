//! These tests prevent unreadable bytes from being taken for a missing session, so that a new one overwrites the
//! visitor's data (requirements F05, S11).

use super::*;
use level_session_store::{Error, ErrorKind, Swept};

const GARBAGE: &[u8] = b"\x01\x01garbage";

fn damaged(cache: usize) -> (TempDir, FjallStore) {
    let (dir, path) = place();
    let store = FjallStore::builder()
        .cache_sessions(cache)
        .sweep_every(None)
        .open(path)
        .unwrap();
    create(&store, id(2), &[set("a", "1")]);
    store.inside(|disk| disk.meta.insert(*id(1).as_bytes(), GARBAGE).unwrap());
    (dir, store)
}

fn assert_damaged(error: Option<Error>, what: &str) {
    let error = error.unwrap_or_else(|| panic!("{what}: no error"));
    assert_eq!(error.kind(), ErrorKind::Store, "{what}");
    let message = error.to_string();
    assert!(
        message.contains("damaged") && message.contains(&id(1).short()),
        "{what}: {message}"
    );
}

#[test]
fn a_damaged_record_is_an_error_and_is_never_overwritten() {
    for cache in [0, 100] {
        let (_dir, store) = damaged(cache);
        assert_damaged(load(&store, id(1)).err(), "load");
        for step in [CREATE, KEEP, Step::Destroy, renew(id(3), None)] {
            assert_damaged(now(store.commit(commit(id(1), step, &[]))).err(), "commit");
        }
        assert_damaged(
            now(store.commit(commit(id(2), renew(id(1), None), &[]))).err(),
            "renewing onto it",
        );
        let page = now(store.page(None, 9, at(1))).unwrap();
        assert_eq!(
            page.items,
            [id(1), id(2)],
            "it is listed, and hides no other"
        );
        let kept = store.inside(|disk| disk.meta.get(id(1).as_bytes()).unwrap().unwrap());
        assert_eq!(&*kept, GARBAGE);
        assert_eq!(
            fields(&store, id(2)),
            [pair("a", "1")],
            "other sessions are as they were"
        );
    }
}

#[test]
fn a_sweep_steps_over_a_damaged_record() {
    let (_dir, store) = damaged(100);
    store.inside(|disk| {
        disk.due
            .insert(super::super::keys::due(at(5), id(1)), [])
            .unwrap();
    });
    let swept = now(store.sweep(at(1_000), 100)).unwrap();
    assert_eq!(
        (swept.sessions, swept.more),
        (1, false),
        "the session that had expired is swept"
    );
    let kept = store.inside(|disk| disk.meta.get(id(1).as_bytes()).unwrap().unwrap());
    assert_eq!(&*kept, GARBAGE, "the damaged one is left");
    let due = store.inside(|disk| disk.due.len().unwrap());
    assert_eq!(due, 1, "and is examined later, not at every sweep");
    assert_eq!(now(store.sweep(at(1_000), 1)).unwrap(), Swept::default());
}

#[test]
fn a_value_that_has_vanished_is_an_error_of_its_field_and_can_be_written_again() {
    let (_dir, store) = damaged(0);
    create(&store, id(4), &[set("a", "1"), set("b", "2")]);
    store.inside(|disk| {
        let number = 1; // the second session that was created
        disk.data
            .remove(&*super::super::keys::data(number, "a"))
            .unwrap();
    });
    let error = load(&store, id(4)).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Store, Some("a")));
    let names = ["b"];
    let other = now(store.load(id(4), Select::Names(&names), at(1)));
    assert!(
        matches!(other, Ok(Loaded::Live(_))),
        "another field can be read: {other:?}"
    );
    now(store.commit(commit(id(4), KEEP, &[set("a", "new")]))).unwrap();
    assert_eq!(fields(&store, id(4)), [pair("a", "new"), pair("b", "2")]);
}

#[test]
fn without_the_mark_of_used_numbers_nothing_is_created() {
    let (_dir, path) = place();
    let store = FjallStore::open(&path).unwrap();
    create(&store, id(1), &[]);
    store.inside(|disk| disk.meta.remove("next").unwrap());
    drop(store);
    let message = FjallStore::open(&path).unwrap_err().to_string();
    assert!(message.contains("no mark"), "{message}");
}
