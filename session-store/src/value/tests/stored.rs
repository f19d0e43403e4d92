//! Heads, counters and index entries.

use super::{
    super::{Add, Stored, Value, index_entry, open, seal},
    bytes, encode,
};
use crate::{ErrorKind, Timestamp, bytes::Bytes, value::CounterRange};
use serde::Serialize;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn stored(value: impl Serialize, expires: Option<Timestamp>) -> Bytes {
    seal(expires, |out| encode(&value, out)).unwrap()
}

#[test]
fn a_head_comes_back() {
    for expires in [None, Some(at(0)), Some(at(1 << 40)), Some(Timestamp::MAX)] {
        let sealed = stored("x", expires);
        let opened = open(&sealed).unwrap();
        assert_eq!(opened.expires, expires);
        assert_eq!(opened.body.decode::<String>().unwrap(), "x");
        let (read, value) = Value::from_stored(&sealed).unwrap();
        assert_eq!((read, value.as_str()), (expires, Some("x")));
        assert_eq!(value.to_stored(expires).unwrap(), sealed);
    }
}

#[test]
fn the_time_to_live_ends_at_the_millisecond() {
    let sealed = stored(1, Some(at(10)));
    assert!(open(&sealed).unwrap().live(at(9)).is_some());
    assert!(open(&sealed).unwrap().live(at(10)).is_none());
    assert!(
        open(&stored(1, None))
            .unwrap()
            .live(Timestamp::MAX)
            .is_some()
    );
}

#[test]
fn a_head_of_another_version_or_with_unknown_flags_is_refused() {
    for head in 0..=255u8 {
        let known = matches!(head, 0x01 | 0x11);
        let bytes = [head, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Stored::open(&bytes).is_ok(), known, "{head:#x}");
    }
    for damaged in [&[][..], &[0x11], &[0x11, 0, 0, 0, 0, 0, 0, 0]] {
        assert_eq!(Stored::open(damaged).unwrap_err().kind(), ErrorKind::Decode);
    }
    assert!(
        Value::from_stored(&[0x01]).is_err(),
        "a head alone is not a value"
    );
}

#[test]
fn nothing_is_sealed_when_the_body_fails() {
    assert!(seal(None, |out| encode(&"x".repeat(1 << 20), out)).is_err());
}

fn add(delta: i128) -> Add {
    Add {
        delta,
        range: CounterRange { min: -10, max: 255 },
        base: 5,
        expires: Some(at(100)),
    }
}

#[track_caller]
fn holds(stored: &[u8], expires: Option<Timestamp>, n: i64) {
    assert_eq!(
        Value::from_stored(stored).unwrap(),
        (expires, Value::from(n))
    );
}

#[test]
fn an_addition_starts_from_its_base_or_from_what_lives() {
    holds(&add(2).apply(None, at(0)).unwrap(), Some(at(100)), 7);
    // A counter keeps its expiry, also if it has none.
    holds(
        &add(2)
            .apply(Some(&stored(1, Some(at(50)))), at(49))
            .unwrap(),
        Some(at(50)),
        3,
    );
    holds(
        &add(-3).apply(Some(&stored(1, None)), at(500)).unwrap(),
        None,
        -2,
    );
    // An expired counter counts as absent.
    holds(
        &add(2)
            .apply(Some(&stored(1, Some(at(50)))), at(50))
            .unwrap(),
        Some(at(100)),
        7,
    );
    holds(
        &add(2)
            .apply(Some(&stored("no number", Some(at(50)))), at(50))
            .unwrap(),
        Some(at(100)),
        7,
    );
    assert_eq!(
        add(2).apply(Some(&stored(1, None)), at(0)).unwrap(),
        stored(3u64, None)
    );
}

#[test]
fn a_sum_stays_in_its_range() {
    holds(
        &add(255).apply(Some(&stored(0, None)), at(0)).unwrap(),
        None,
        255,
    );
    holds(
        &add(-10).apply(Some(&stored(0, None)), at(0)).unwrap(),
        None,
        -10,
    );
    for delta in [256, -11, i128::MAX, i128::MIN] {
        let error = add(delta).apply(Some(&stored(0, None)), at(0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overflow);
        assert_eq!(
            error.on_field("n").to_string(),
            "session field `n`: would leave its range, -10 to 255: nothing was added, and no change of the request is stored"
        );
    }
    let error = add(1)
        .apply(Some(&stored(i128::MAX, None)), at(0))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overflow);
}

#[test]
fn only_an_integer_is_added_to() {
    for other in [
        stored("1", None),
        stored(1.0, None),
        stored((), None),
        stored([1], None),
        stored(u128::MAX, None),
    ] {
        let error = add(1).apply(Some(&other), at(0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    }
    let error = add(1).apply(Some(&stored("1", None)), at(0)).unwrap_err();
    assert_eq!(error.to_string(), "holds a string, expected i128");
    for damaged in [&[][..], &[1], &[2, 2, 5], &[1, 2, 5, 0], &[1, 2, 251, 5, 0]] {
        assert_eq!(
            add(1).apply(Some(damaged), at(0)).unwrap_err().kind(),
            ErrorKind::Decode
        );
    }
}

#[test]
fn an_index_entry_is_the_value_whatever_its_type_and_expiry() {
    let entry = |value: &str| index_entry(&stored(value, None)).unwrap();
    assert_eq!(*index_entry(&stored(7u64, None)).unwrap(), *bytes(&7u8));
    assert_eq!(
        index_entry(&stored(Some(7u8), Some(at(5)))).unwrap(),
        index_entry(&stored(7i64, None)).unwrap()
    );
    // 64 bytes of body: a tag, a length, 62 characters.
    let (short, long) = ("x".repeat(62), "x".repeat(63));
    assert_eq!(*entry(&short), *bytes(&short));
    assert_eq!(entry(&long).len(), 33);
    assert_ne!(entry(&long), entry(&"x".repeat(64)));
    assert_eq!(entry(&long)[0], 0xFF, "no body begins with this byte");
    assert!(index_entry(&[]).is_err());
}
