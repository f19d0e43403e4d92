//! No call waits on the calling thread: a call that would have to is completed elsewhere.

use super::{
    CREATE, KEEP, commit, create, eventually, id, lease, load, now, pair, passing, place, set,
};
use crate::{FjallStore, tests::fields};
use level_session_store::{
    Answer, Bytes, Commit, Digest, Limit, Loaded, Outcome, Result, Select, Step, Store,
    StoreFuture, WhenFull, local::View,
};
use std::{
    pin::Pin,
    sync::{atomic::Ordering, mpsc},
    task::{Context, Waker},
    thread,
};

fn open(cached: usize) -> (tempfile::TempDir, FjallStore) {
    let (dir, path) = place();
    let store = FjallStore::builder()
        .cache_sessions(cached)
        .sweep_every(None)
        .open(path)
        .unwrap();
    (dir, store)
}

/// Polls on a runtime thread: returns the result if it is ready at once; otherwise the call has left the thread.
fn asked<T>(future: &mut StoreFuture<'_, T>) -> Option<Result<T>> {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(future).poll(&mut cx) {
        std::task::Poll::Ready(answer) => Some(answer),
        std::task::Poll::Pending => None,
    }
}

/// Whether a call has left its thread: however soon it completes, another thread executes it.
fn leaves<T>(future: &StoreFuture<'_, T>) -> bool {
    format!("{future:?}") == "StoreFuture::Boxed"
}

/// Another thread has a session's turn until `meanwhile` is over.
fn while_held<T>(store: &FjallStore, session: Digest, meanwhile: impl FnOnce() -> T) -> T {
    let (begun, begins) = mpsc::channel();
    let (go_on, waits) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            store.0.shared.with(|engine| {
                engine.hold(session, || {
                    begun.send(()).unwrap();
                    let _ = waits.recv();
                });
                Ok(())
            })
        });
        begins.recv().unwrap();
        let came_to = meanwhile();
        drop(go_on);
        came_to
    })
}

#[test]
fn while_the_database_is_at_work_commits_and_cold_reads_are_awaited_and_cached_ones_answered() {
    let (_dir, store) = open(1_000);
    create(&store, id(1), &[set("a", "1")]);
    let (_cold, cold_store) = open(0);
    create(&cold_store, id(1), &[set("a", "1")]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let work = store.0.shared.gate().work();
        let writes = [set("a", "2")];
        let write = store.commit(commit(id(1), KEEP, &writes));
        assert!(leaves(&write), "it would have waited");
        // The commit thread need not wait for it: the gate is only told so.
        assert!(write.await.unwrap().is_done());
        let mut read = store.load(id(1), Select::Names(&["a"]), super::at(1));
        assert!(
            matches!(asked(&mut read), Some(Ok(Loaded::Live(_)))),
            "it is in memory"
        );
        drop(work);
        let mut write = store.commit(commit(id(1), KEEP, &writes));
        assert!(
            asked(&mut write).is_some(),
            "no thread holds the lock any more"
        );

        for select in [Select::Nothing, Select::Names(&["a", "b"]), Select::All] {
            let expected = cold_store.load(id(1), select, super::at(1)).await.unwrap();
            let _work = cold_store.0.shared.gate().work();
            let read = cold_store.load(id(1), select, super::at(1));
            assert!(leaves(&read), "{select:?} would have waited");
            assert_eq!(read.await.unwrap(), expected, "{select:?}");
        }
    });
    assert_eq!(fields(&store, id(1)), [pair("a", "2")]);
}

/// A thread that waits for the disk has the turn of its session.
#[test]
fn who_meets_a_session_that_another_thread_changes_leaves_its_thread_and_is_answered() {
    let (_dir, store) = open(0);
    create(&store, id(1), &[set("a", "1")]);
    create(&store, id(2), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let writes = [set("a", "2")];
    let limit = [Limit::new(
        super::FieldName::from_static("user"),
        Bytes::from(&b"7"[..]),
        3,
        WhenFull::Refuse,
    )];
    let mut asked_meanwhile = Vec::new();
    let read = while_held(&store, id(1), || {
        let _within = runtime.enter();
        let mut read = store.load(id(1), Select::All, super::at(1));
        assert!(asked(&mut read).is_none());
        for change in [
            commit(id(1), KEEP, &writes),
            commit(id(2), super::renew(id(1), None), &[]),
            Commit::new(id(3), super::at(0), CREATE).with_limits(&limit),
        ] {
            let mut write = store.commit(change);
            assert!(asked(&mut write).is_none());
            asked_meanwhile.push(write);
        }
        let mut other = store.load(id(2), Select::All, super::at(1));
        assert!(
            asked(&mut other).is_some(),
            "another session's call completes"
        );
        read
    });
    assert!(matches!(runtime.block_on(read), Ok(Loaded::Live(_))));
    let outcomes: Vec<_> = asked_meanwhile
        .into_iter()
        .map(|write| now(write).unwrap())
        .collect();
    assert!(
        matches!(
            outcomes[..],
            [Outcome::Done(_), Outcome::Exists, Outcome::Done(_)]
        ),
        "{outcomes:?}"
    );
    assert_eq!(fields(&store, id(1)), [pair("a", "2")]);
}

/// Prevents a read from waiting for the disk because of another request's write: until the write is stored, a read of a
/// cached session returns its state before, and afterwards never again.
#[test]
fn a_read_of_a_cached_session_does_not_wait_for_its_writer() {
    let (_dir, store) = open(1_000);
    create(&store, id(1), &[set("a", "1")]);
    let selects = [Select::All, Select::Names(&["a"]), Select::Nothing];
    while_held(&store, id(1), || {
        for select in selects {
            let mut read = store.load(id(1), select, super::at(1));
            assert!(
                matches!(asked(&mut read), Some(Ok(Loaded::Live(_)))),
                "{select:?} waits"
            );
        }
    });

    // A write that is stuck in the database, a failed one and one that ends the session.
    let view = || match asked(&mut store.load(id(1), Select::Names(&["a"]), super::at(1))) {
        Some(Ok(Loaded::Live(snapshot))) => match snapshot.fields.into_answer() {
            Answer::View(view) => view,
            _ => panic!("it is in memory"),
        },
        other => panic!("it is cached: {other:?}"),
    };
    let value = |view: &View| view.get("a").unwrap().unwrap();
    let during = |change: Commit<'_>, meanwhile: &dyn Fn()| {
        store.inside(|disk| {
            let begun = || disk.faults.begun.load(Ordering::SeqCst);
            let before = begun();
            let stuck = disk.faults.stuck.lock().unwrap();
            thread::scope(|scope| {
                let writer = scope.spawn(|| now(store.commit(change)));
                eventually("the write has begun", || begun() > before);
                meanwhile();
                drop(stuck);
                writer.join().unwrap()
            })
        })
    };
    let writes = [set("a", "2")];
    let before = view();
    let outcome = during(commit(id(1), KEEP, &writes), &|| {
        assert_eq!(&*value(&view()), &*value(&before));
        assert!(before.is_current() && view().is_current());
    });
    assert!(outcome.unwrap().is_done());
    assert!(
        !before.is_current(),
        "a request that has read it asks again"
    );
    assert_eq!(fields(&store, id(1)), [pair("a", "2")]);

    let writes = [set("a", "3")];
    store.fail_writes(Some(passing));
    let before = view();
    during(commit(id(1), KEEP, &writes), &|| {
        assert!(before.is_current());
    })
    .unwrap_err();
    store.fail_writes(None);
    assert!(!before.is_current(), "nobody knows what is stored");
    assert_eq!(fields(&store, id(1)), [pair("a", "2")]);

    let before = view();
    let outcome = during(commit(id(1), Step::Destroy, &[]), &|| {
        assert!(before.is_current() && view().is_current());
    });
    assert!(outcome.unwrap().is_done());
    assert!(!before.is_current());
    let dead = load(&store, id(1)).unwrap();
    assert!(matches!(dead, Loaded::Ended(_)), "{dead:?}");
}

/// At most one thread writes inline.
#[test]
fn who_meets_a_writer_is_queued_and_others_go_behind_it() {
    let (_dir, store) = open(1_000);
    let gate = store.0.shared.gate();
    let writer = gate.enter_at_once().unwrap();
    let mut first = store.commit(commit(id(1), CREATE, &[]));
    assert!(asked(&mut first).is_none());
    drop(writer);
    assert!(now(first).unwrap().is_done());
    let _ = load(&store, id(1)).unwrap();
    gate.queue();
    let behind = store.commit(commit(id(2), CREATE, &[]));
    assert!(leaves(&behind), "one is queued");
    gate.carried_out(1);
    assert!(now(behind).unwrap().is_done());
    let mut after = store.commit(commit(id(3), Step::create(super::at(0), lease(0)), &[]));
    assert!(asked(&mut after).is_some(), "none is");
}
