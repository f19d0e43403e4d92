//! The failures these prevent: a commit that is at work on a database which somebody else has opened meanwhile, and one
//! that was handed in and then forgotten (F10).

use super::*;
use crate::Durability;
use std::{
    pin::Pin,
    sync::mpsc,
    task::{Context, Waker},
    thread,
};

/// Whatever is at work in the database when the store is closed is waited for.
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
    assert!(early.is_err(), "it has waited for nobody");
    go_on.send(()).unwrap();
    assert!(closes.recv().unwrap(), "then it closes");
    at_work.join().unwrap().unwrap();
    closing.join().unwrap().unwrap();
    FjallStore::open(&path).expect("it has let go of the database");
}

/// What was handed in before is stored.
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
        let _ = Pin::new(answer).poll(&mut cx); // handed in
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
