//! Sessions move from one store to another while they are used.

use crate::{
    Add, Bytes, Clock, Commit, Digest, Lease, Limit, Loaded, MemoryStore, Moving, Outcome, Select,
    Step, Store, Timestamp, Value, Write,
    schema::{Def, FieldDef, Schema, WhenFull, schema},
    value::{CounterRange, index_entry},
};
use std::sync::Arc;

crate::conformance_tests!(moving, Moving::new(MemoryStore::new(), MemoryStore::new()), pair: {
    let store = Moving::new(MemoryStore::new(), MemoryStore::new());
    (store.clone(), store)
});

/// Longer than an end is remembered.
const IDLE: u64 = 36_000_000;
const HOUR: u64 = 3_600_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn id(n: u64) -> Digest {
    Digest::of("a session", &n.to_be_bytes())
}

fn bytes(value: u64) -> Bytes {
    Value::from(value).to_stored(None).unwrap()
}

fn create() -> Step {
    let lease = Lease::new(at(0), at(0), at(IDLE), None);
    Step::create(at(0), lease)
}

async fn put(store: &dyn Store, id: Digest, value: u64) -> Outcome {
    let writes = [Write::set("n".into(), bytes(value))];
    store
        .commit(Commit::new(id, at(0), create()).with_writes(&writes))
        .await
        .unwrap()
}

async fn read(store: &dyn Store, id: Digest) -> Option<Bytes> {
    match store.load(id, Select::Names(&["n"]), at(1)).await.unwrap() {
        Loaded::Live(snapshot) => snapshot.fields.values(&["n"]).unwrap().pop().unwrap(),
        _ => None,
    }
}

async fn commit(store: &dyn Store, id: Digest, step: Step) -> Outcome {
    store.commit(Commit::new(id, at(1), step)).await.unwrap()
}

struct Stores {
    old: Arc<MemoryStore>,
    new: Arc<MemoryStore>,
    both: Moving,
}

fn stores() -> Stores {
    let (old, new) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    let both = Moving::new(Arc::clone(&old), Arc::clone(&new));
    Stores { old, new, both }
}

#[tokio::test]
async fn a_session_is_moved_by_its_first_use_and_the_others_by_and_by() {
    let Stores { old, new, both } = stores();
    for n in 0..1_000 {
        assert!(put(&old, id(n), n).await.is_done());
    }
    assert_eq!(read(&both, id(7)).await, Some(bytes(7)));
    assert_eq!(read(&old, id(7)).await, None, "it is in one store");
    assert_eq!(read(&new, id(7)).await, Some(bytes(7)));
    let writes = [Write::set("n".into(), bytes(80))];
    let change = Commit::new(id(8), at(1), Step::keep(None)).with_writes(&writes);
    assert!(both.commit(change).await.unwrap().is_done());
    let mut told = Vec::new();
    let clock = Clock::manual(at(1));
    let moved = both
        .move_all(&clock, |moved| told.push(moved))
        .await
        .unwrap();
    assert_eq!((moved, told.last()), (998, Some(&998)));
    assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
    assert_eq!(
        both.move_all(&clock, |_| ()).await.unwrap(),
        0,
        "moving again does no harm"
    );
    for n in 0..1_000 {
        let expected = if n == 8 { 80 } else { n };
        assert_eq!(read(&new, id(n)).await, Some(bytes(expected)));
        assert_eq!(read(&old, id(n)).await, None);
        assert_eq!(commit(&both, id(n), create()).await, Outcome::Exists);
    }
}

/// The same server under another spelling of its address: moving a session would end it.
#[tokio::test]
async fn a_store_is_not_moved_to_itself() {
    let store = Arc::new(MemoryStore::new());
    let both = Moving::new(Arc::clone(&store), Arc::clone(&store));
    assert!(put(&store, id(1), 1).await.is_done());
    let clock = Clock::manual(at(1));
    let error = both.move_all(&clock, |_| ()).await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Config);
    assert!(error.to_string().contains("to itself"), "{error}");
    assert!(
        both.commit(Commit::new(id(1), at(1), Step::Destroy))
            .await
            .is_err()
    );
    assert_eq!(read(&store, id(1)).await, Some(bytes(1)), "it is there");
    let all = store.page(None, 10, at(1)).await.unwrap();
    assert_eq!(all.items, [id(1)], "and nothing else is");
}

#[tokio::test]
async fn what_is_changed_during_the_move_is_not_lost() {
    let Stores { old, new, both } = stores();
    for n in 0..500 {
        assert!(put(&old, id(n), 0).await.is_done());
    }
    let range = CounterRange { min: 0, max: 1_000 };
    let one = Add {
        delta: 1,
        range,
        base: 0,
        expires: None,
    };
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let both = both.clone();
            tokio::spawn(async move {
                for n in 0..500 {
                    let writes = [Write::add("n".into(), one)];
                    let change = Commit::new(id(n), at(1), Step::keep(None)).with_writes(&writes);
                    assert!(both.commit(change).await.unwrap().is_done());
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    both.move_all(&Clock::manual(at(1)), |_| ()).await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    for n in 0..500 {
        assert_eq!(read(&new, id(n)).await, Some(bytes(8)));
    }
}

/// An interrupted move leaves a session in both stores, and the new store forgets an end after an hour.
#[tokio::test]
async fn what_ended_is_not_brought_back_by_what_is_left_in_the_old_store() {
    let renewed = Step::renew(id(3), Lease::new(at(1), at(1), at(1 + IDLE), None), None);
    for end in [Step::Destroy, renewed] {
        let Stores { old, new, both } = stores();
        for n in [1, 2] {
            assert!(put(&old, id(n), n).await.is_done());
        }
        assert!(
            put(&new, id(1), 1).await.is_done(),
            "as if the move had been interrupted here"
        );
        assert!(commit(&both, id(1), end).await.is_done());
        let later = at(2 * HOUR);
        new.sweep(later, 100).await.unwrap();
        assert!(matches!(
            new.load(id(1), Select::Nothing, later).await,
            Ok(Loaded::Missing)
        ));
        assert!(!matches!(
            both.load(id(1), Select::Nothing, later).await,
            Ok(Loaded::Live(_))
        ));
        assert_eq!(read(&both, id(1)).await, None);
        assert_eq!(commit(&both, id(1), Step::keep(None)).await, Outcome::Gone);
        // A session that had ended before is known to have ended.
        assert!(commit(&old, id(2), Step::Destroy).await.is_done());
        assert!(matches!(
            both.load(id(2), Select::Nothing, at(1)).await,
            Ok(Loaded::Ended(_))
        ));
        assert_eq!(commit(&both, id(2), Step::keep(None)).await, Outcome::Gone);
        assert_eq!(commit(&both, id(2), create()).await, Outcome::Exists);
    }
}

static USERS: [FieldDef; 1] = [Def::<u64>::new("n", "u64").index().erased];
static SCHEMA: Schema = schema("Users", &USERS, &[]);

/// A list of a user's sessions without those that have not been used since the move began would be useless for ending
/// them, and a limit that does not count them would not be a limit.
#[tokio::test]
async fn sessions_that_have_not_moved_yet_are_found_and_counted() {
    let Stores { old, both, .. } = stores();
    let both = both.with_schemas(&[&SCHEMA]);
    let entry = index_entry(&bytes(7)).unwrap();
    for n in 0..300 {
        let writes = [Write::set("n".into(), bytes(7)).with_index(Some(entry.clone()))];
        let change = Commit::new(id(n), at(0), create()).with_writes(&writes);
        assert!(old.commit(change).await.unwrap().is_done());
    }
    let limit = [Limit::new("n".into(), entry.clone(), 300, WhenFull::Refuse)];
    let writes = [Write::set("n".into(), bytes(7)).with_index(Some(entry.clone()))];
    let change = Commit::new(id(300), at(1), create())
        .with_writes(&writes)
        .with_limits(&limit);
    assert_eq!(both.commit(change).await.unwrap(), Outcome::Full(0));
    let found = both.find("n", &entry, None, 1_000, at(1)).await.unwrap();
    assert_eq!(found.items.len(), 300);
}

#[tokio::test]
async fn a_listing_shows_both_stores_page_by_page() {
    let Stores { old, new, both } = stores();
    for n in 0..10 {
        assert!(
            put(if n < 5 { &old } else { &new }, id(n), n)
                .await
                .is_done()
        );
    }
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = both.page(after.as_ref(), 3, at(1)).await.unwrap();
        ids.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    ids.sort();
    let mut expected: Vec<_> = (0..10).map(id).collect();
    expected.sort();
    assert_eq!(ids, expected);
}
