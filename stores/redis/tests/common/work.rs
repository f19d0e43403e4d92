//! The operations of the tests.

use level_session_store::{
    Add, Bytes, Commit, Digest, FieldName, Guard, Loaded, Outcome, Result, Select, Snapshot, Step,
    Store, Timeouts, Timestamp, Value, Write, value::CounterRange,
};
use std::time::Duration;

pub(crate) const LIFE: Duration = Duration::from_secs(3600);

/// The time of these tests does not advance: far from every deadline.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

pub(crate) fn id(text: &str) -> Digest {
    Digest::of("test", text.as_bytes())
}

pub(crate) fn create(id: Digest) -> Commit<'static> {
    let lease = Timeouts::new(LIFE).lease(now(), now());
    Commit::new(id, now(), Step::create(now(), lease))
}

pub(crate) fn keep(id: Digest) -> Commit<'static> {
    Commit::new(id, now(), Step::keep(None))
}

pub(crate) fn renew(id: Digest, to: Digest) -> Commit<'static> {
    let lease = Timeouts::new(LIFE).lease(now(), now());
    Commit::new(id, now(), Step::renew(to, lease, None))
}

pub(crate) fn destroy(id: Digest) -> Commit<'static> {
    Commit::new(id, now(), Step::Destroy)
}

pub(crate) fn set(field: &str, value: &[u8]) -> Write {
    Write::set(FieldName::from(field.to_owned()), Bytes::from(value))
}

pub(crate) fn remove(field: &str) -> Write {
    Write::remove(FieldName::from(field.to_owned()))
}

pub(crate) fn add_one(field: &str) -> Write {
    let range = CounterRange {
        min: 0,
        max: i64::MAX.into(),
    };
    let add = Add {
        delta: 1,
        range,
        base: 0,
        expires: None,
    };
    Write::add(FieldName::from(field.to_owned()), add)
}

pub(crate) fn guard(field: &str, expected: Option<&[u8]>) -> Guard {
    Guard::new(FieldName::from(field.to_owned()), expected.map(Bytes::from))
}

pub(crate) fn done(outcome: Outcome) {
    assert!(outcome.is_done(), "the commit is {outcome:?}");
}

/// The fields of a live session.
pub(crate) async fn fields(store: &dyn Store, id: Digest) -> Vec<(FieldName, Bytes)> {
    match store.load(id, Select::All, now()).await {
        Ok(Loaded::Live(Snapshot { fields, .. })) => fields.into_all().unwrap(),
        other => panic!("the session is {other:?}"),
    }
}

pub(crate) async fn field(store: &dyn Store, id: Digest, name: &str) -> Result<Option<Bytes>> {
    match store.load(id, Select::Names(&[name]), now()).await? {
        Loaded::Live(snapshot) => Ok(snapshot.fields.values(&[name]).unwrap().remove(0)),
        other => panic!("the session is {other:?}"),
    }
}

/// The value of a counter; 0 if it is absent.
pub(crate) async fn count(store: &dyn Store, id: Digest, name: &str) -> u64 {
    match field(store, id, name).await.unwrap() {
        None => 0,
        Some(bytes) => match Value::from_stored(&bytes).unwrap().1 {
            Value::Uint(n) => n.try_into().unwrap(),
            other => panic!("a counter holds {other:?}"),
        },
    }
}
