//! These tests prevent dead sessions from filling the disk, a sweeper from stopping at the first error or never, two
//! sessions from sharing a number, and writes from waiting for more than a small step of upkeep.

use super::{
    super::{disk::KEYSPACES, record::Record, shared::Stop, upkeep},
    *,
};
use level_session_store::{Clock, Digest, StoreFuture, Watch};
use std::sync::Arc;

#[test]
fn the_sweeper_removes_what_is_dead_and_survives_errors() {
    let (_dir, path) = place();
    let clock = Clock::manual(at(0));
    let builder = FjallStore::builder()
        .clock(clock.clone())
        .sweep_every(Some(Duration::from_millis(1)));
    let store = builder.open(path).unwrap();
    create(
        &store,
        id(1),
        &[set("a", "1"), indexed("user", "7", "seven")],
    );
    now(store.commit(refresh(id(1), 500, 1_000))).unwrap();
    create(&store, id(2), &[set("b", "1")]);
    store.inside(|disk| {
        disk.meta.insert(*id(3).as_bytes(), "garbage").unwrap();
        disk.due
            .insert(super::super::keys::due(at(5), id(3)), [])
            .unwrap();
    });
    clock.advance(Duration::from_millis(1_000));
    let rows = || store.inside(|disk| (disk.meta.len().unwrap(), disk.data.len().unwrap()));
    eventually("the session whose time is up is swept", || rows() == (3, 2));
    assert!(matches!(
        now(store.load(id(1), Select::Nothing, at(1_000))).unwrap(),
        Loaded::Live(_)
    ));
    clock.advance(Duration::from_millis(500));
    eventually("the refreshed one is swept at its later deadline", || {
        rows() == (2, 0)
    });
    let index = store.inside(|disk| disk.index.len().unwrap());
    assert_eq!(index, 0, "index entries go with it");
}

/// A round that fails as a whole must not stop the sweeper of a process that runs for months.
#[test]
fn a_round_that_fails_does_not_end_the_sweeper() {
    let (_dir, path) = place();
    let clock = Clock::manual(at(0));
    let builder = FjallStore::builder()
        .clock(clock.clone())
        .sweep_every(Some(Duration::from_millis(1)));
    let store = builder.open(path).unwrap();
    for n in 1..=3 {
        create(&store, id(n), &[set("a", "1")]);
    }
    // From here on only the sweeper uses the store. The watcher receives the removed sessions.
    let removed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&removed);
    let watch: Arc<Watch> = Arc::new(move |_: Digest| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    store.watch_expired(Arc::downgrade(&watch));
    store.fail_writes(Some(passing));
    clock.advance(Duration::from_millis(1_000));
    eventually("a round fails", || {
        store.inside(|disk| disk.faults.failed_writes.load(Ordering::SeqCst)) > 0
    });
    store.fail_writes(None);
    eventually("the rounds go on", || removed.load(Ordering::SeqCst) == 3);
}

/// A sweep does not scan again what an earlier one has passed; but an entry may still be added there, by a clock that
/// is behind or a commit in between.
#[test]
fn what_is_filed_where_a_sweep_has_been_is_swept_by_the_next_one() {
    let (_dir, path) = place();
    let builder = FjallStore::builder().sweep_every(None).cache_sessions(0);
    let store = builder.open(path).unwrap();
    let sweep = |time, limit| now(store.sweep(at(time), limit)).unwrap();
    for n in 1..=5 {
        create(&store, id(n), &[]);
    }
    // All five have one deadline, so the second sweep must begin at it again.
    for (limit, sessions, more) in [(2, 2, true), (3, 3, true), (2, 0, false)] {
        let swept = sweep(1_000, limit);
        assert_eq!((swept.sessions, swept.more), (sessions, more));
    }
    assert_eq!(sweep(5_000, 9).sessions, 0);
    create(&store, id(6), &[]);
    assert_eq!(sweep(900, 9).sessions, 0, "it lives");
    assert_eq!(sweep(5_000, 0).sessions, 0, "nothing was asked for");
    assert_eq!(sweep(5_000, 9).sessions, 1);
    create(&store, id(7), &[]);
    now(store.commit(commit(id(7), Step::Destroy, &[]))).unwrap();
    create(&store, id(8), &[]);
    store.inside(|disk| {
        disk.meta.insert(*id(8).as_bytes(), "garbage").unwrap();
    });
    sweep(5_000, 9);
    sweep(3_600_000 + 5_000, 9);
    let left = store.inside(|disk| disk.meta.len().unwrap());
    assert_eq!(left, 2, "the damaged record, and the mark of used numbers");
    assert_eq!(
        store.inside(|disk| disk.due.len().unwrap()),
        1,
        "it is looked at again"
    );
}

#[test]
fn a_destroyed_session_leaves_a_mark_for_an_hour_and_then_nothing() {
    let (_dir, path) = place();
    let store = FjallStore::builder().sweep_every(None).open(path).unwrap();
    create(
        &store,
        id(1),
        &[set("a", "1"), indexed("user", "7", "seven")],
    );
    let grace = renew(id(2), Some(at(100)));
    now(store.commit(commit(id(1), grace, &[]))).unwrap();
    now(store.commit(commit(id(2), Step::Destroy, &[]))).unwrap();
    let rows = || {
        store.inside(|disk| {
            [&disk.meta, &disk.data, &disk.index, &disk.due].map(|keyspace| keyspace.len().unwrap())
        })
    };
    assert_eq!(rows()[..3], [3, 0, 0], "two marks and the numbers'");
    now(store.sweep(at(3_600_000 - 1), 100)).unwrap();
    assert_eq!(rows(), [3, 0, 0, 2]);
    now(store.sweep(at(3_600_000), 100)).unwrap();
    assert_eq!(
        rows(),
        [2, 0, 0, 1],
        "a former id is remembered from the end of its grace on"
    );
    now(store.sweep(at(3_600_100), 100)).unwrap();
    assert_eq!(
        rows(),
        [1, 0, 0, 0],
        "nothing is left but the numbers' mark"
    );
}

#[test]
fn no_number_is_used_twice_across_restarts_and_blocks() {
    let (_dir, path) = place();
    let mut numbers = Vec::new();
    for (run, count) in [3, 1_500, 1].into_iter().enumerate() {
        let store = FjallStore::builder().sweep_every(None).open(&path).unwrap();
        for n in 0..count {
            let mut bytes = [run as u8; 32];
            bytes[1..3].copy_from_slice(&u16::to_be_bytes(n));
            let id = Digest::from_bytes(bytes);
            create(&store, id, &[]);
            let record = store.inside(|disk| disk.meta.get(id.as_bytes()).unwrap().unwrap());
            let Ok(Record::Live(session)) = Record::decode(&record) else {
                panic!("a session")
            };
            numbers.push(session.number);
            now(store.commit(commit(id, Step::Destroy, &[]))).unwrap();
        }
    }
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(
        numbers.len(),
        count,
        "every session has a number of its own"
    );
}

#[test]
fn what_was_written_does_not_stay_in_memory() {
    const BUFFER: u64 = 64 * 1024;
    let (_dir, path) = place();
    let store = FjallStore::builder().write_buffer_size(BUFFER);
    let store = store.sweep_every(None).open(path).unwrap();
    let value = "v".repeat(16 * 1024);
    for n in 0..100 {
        create(&store, id(n), &[set("a", &value), set("b", &value)]);
    }
    // 3 MiB were written: the data that is not in tables yet fits into the four keyspaces' buffers.
    eventually("the buffers are emptied", || {
        store.inside(|disk| disk.in_buffers()) < 8 * BUFFER
    });
}

#[test]
fn an_orphan_in_the_index_is_pruned_when_it_is_found() {
    let (_dir, path) = place();
    let store = FjallStore::open(path).unwrap();
    create(&store, id(1), &[indexed("user", "7", "seven")]);
    store.inside(|disk| {
        disk.index
            .insert(super::super::keys::index("user", b"seven", id(9)), [])
            .unwrap();
    });
    let found = now(store.find("user", b"seven", None, 10, at(1))).unwrap();
    let found: Vec<_> = found.items.iter().map(|found| found.id).collect();
    assert_eq!(found, [id(1)]);
    assert_eq!(store.inside(|disk| disk.index.len().unwrap()), 1);
}

#[test]
fn without_a_runtime_everything_is_done_where_it_is_called() {
    use std::task::{Context, Poll, Waker};
    fn at_once<T>(mut future: StoreFuture<'_, T>) -> T {
        match std::pin::pin!(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer.unwrap(),
            Poll::Pending => panic!("there is nothing to wait for"),
        }
    }
    let (_dir, path) = place();
    let store = FjallStore::open(path).unwrap();
    at_once(store.commit(commit(id(1), CREATE, &[indexed("user", "7", "seven")])));
    let found = at_once(store.find("user", b"seven", None, 9, at(1)));
    assert_eq!(found.items.len(), 1);
    assert_eq!(at_once(store.page(None, 9, at(1))).items, [id(1)]);
    assert_eq!(at_once(store.sweep(at(1_000), 9)).sessions, 1);
    at_once(Store::close(&store));
}

/// fjall syncs its journal before it flushes, and no write can run meanwhile: 16 MiB would take tens of milliseconds.
#[test]
fn the_journal_is_synced_after_every_four_mebibytes() {
    let (_dir, path) = place();
    let store = FjallStore::builder().sweep_every(None).open(path).unwrap();
    let text = "x".repeat(256 * 1024);
    create(&store, id(1), &[]);
    let write = |times| {
        for _ in 0..times {
            let writes = [set("a", &text)];
            now(store.commit(commit(id(1), KEEP, &writes))).unwrap();
        }
    };
    write(15);
    assert_eq!(store.syncs(), 0, "it is not worth it yet");
    write(1);
    eventually("the journal is synced", || store.syncs() == 1);
    write(16);
    eventually("it is synced again", || store.syncs() == 2);
}

/// fjall drops the memory of a flushed table while it holds the lock that every write of the keyspace takes: freeing
/// 16 MiB there held up all commits for 40 ms.
#[test]
fn the_memory_of_a_flushed_table_is_freed_by_the_upkeep_thread() {
    let (_dir, path) = place();
    let store = FjallStore::builder().sweep_every(None).open(path).unwrap();
    let shared = &store.0.shared;
    let stop = Stop::default();
    let mut replaced = Vec::new();
    let mut round = |n| {
        create(&store, id(n), &[indexed("user", "7", "seven")]);
        let memory: Vec<_> = store.inside(|disk| (0..KEYSPACES).map(|n| disk.memory(n)).collect());
        upkeep::flush(shared, &stop, &mut replaced).unwrap();
        (memory, replaced.len())
    };
    let (memory, _) = round(1);
    // fjall drops its references once there were later writes.
    for n in 2..5 {
        let (_, kept) = round(n);
        assert!(
            kept <= 2 * KEYSPACES,
            "those of the first and the last round"
        );
    }
    for flushed in memory {
        assert_eq!(
            Arc::strong_count(&flushed),
            2,
            "the test's and the upkeep thread's"
        );
    }
    let (_, kept) = round(5);
    assert!(
        kept <= KEYSPACES,
        "the test has released those of the first round"
    );
}
