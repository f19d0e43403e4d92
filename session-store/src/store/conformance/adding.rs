//! Additions to counters: calculated by the store, from the value stored at that moment.

use super::kit::*;
use crate::{
    Add, Bytes, Clear, Error, ErrorKind, Outcome, Step, Timestamp, Value, value,
    value::CounterRange,
};

const I64: CounterRange = CounterRange {
    min: i64::MIN as i128,
    max: i64::MAX as i128,
};
const U64: CounterRange = CounterRange {
    min: 0,
    max: u64::MAX as i128,
};

fn add(delta: i128) -> Add {
    Add {
        delta,
        range: CounterRange { min: 0, max: 200 },
        base: 100,
        expires: None,
    }
}

/// An addition to a counter whose default is 0.
fn within(range: CounterRange, delta: i128) -> Add {
    Add {
        delta,
        range,
        base: 0,
        expires: None,
    }
}

/// The bytes of a counter with this value.
pub(super) fn number(n: i128) -> Bytes {
    sum(
        within(CounterRange { min: n, max: n }, n),
        None,
        Timestamp::MAX,
    )
}

/// The result of the addition on these bytes, by the core's own rule.
fn sum(add: Add, stored: Option<&[u8]>, now: Timestamp) -> Bytes {
    add.apply(stored, now).expect("the sum is in range")
}

/// Prevents a lost or a doubled addition: it starts from its base if nothing is stored, and otherwise adds to the
/// stored value (requirement F02).
pub async fn an_addition_adds_to_what_is_stored(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[add_to("n", add(1))]).await;
    let mut expected = sum(add(1), None, case.start);
    assert_eq!(
        case.fields(id, case.start).await["n"],
        *expected,
        "an addition to nothing starts from its base"
    );
    for delta in [5, -7, 0] {
        let writes = [add_to("n", add(delta)), set("other", "1")];
        done(case.write(id, &writes).await, "an addition");
        expected = sum(add(delta), Some(&expected), case.start);
        assert_eq!(
            case.fields(id, case.start).await["n"],
            *expected,
            "an addition adds to the stored value"
        );
    }
    done(
        case.write(id, &[remove("n")]).await,
        "a counter can be removed",
    );
    done(
        case.write(id, &[add_to("n", add(2))]).await,
        "an addition to nothing",
    );
    assert_eq!(
        case.fields(id, case.start).await["n"],
        *sum(add(2), None, case.start),
        "an addition to a removed counter starts from its base"
    );
}

/// Prevents a counter from surviving a clear: after one in the same commit, an addition starts from its base.
pub async fn an_addition_after_clear_starts_from_its_base(store: Subject) {
    const RESERVED: &str = "level-session:n";
    let case = Case::new(store);
    for clear in [Clear::Fields, Clear::Everything] {
        let id = case
            .session(&[
                add_to("n", add(50)),
                set("a", "1"),
                add_to(RESERVED, add(50)),
            ])
            .await;
        let writes = [add_to("n", add(1)), add_to(RESERVED, add(1))];
        let keep = case.commit(id, Step::keep(None)).with_clear(clear);
        case.done(keep.with_writes(&writes), "an addition and a clear")
            .await;
        let fields = case.fields(id, case.start).await;
        assert_eq!(
            fields["n"],
            *sum(add(1), None, case.start),
            "a clear comes before the addition"
        );
        let reserved = match clear {
            Clear::Everything => sum(add(1), None, case.start),
            _ => sum(add(51), None, case.start),
        };
        assert_eq!(
            fields[RESERVED], *reserved,
            "a reserved counter is cleared with everything alone"
        );
        assert_eq!(fields.len(), 2, "a clear removes the rest");
    }
}

/// Prevents a counter from outliving its TTL: it starts from its base again, at the commit's own time.
pub async fn an_addition_to_what_has_expired_starts_from_its_base(store: Subject) {
    let case = Case::new(store);
    let expiring = |seconds: u64| Add {
        expires: Some(case.at(seconds)),
        ..add(1)
    };
    let id = case.session(&[add_to("n", expiring(10))]).await;
    let first = sum(expiring(10), None, case.start);
    assert_eq!(
        case.fields(id, case.start).await["n"],
        *first,
        "an addition to nothing"
    );
    for (seconds, until) in [(9, 19), (10, 20)] {
        let writes = [add_to("n", expiring(until))];
        let before = case.fields(id, case.start).await["n"].clone();
        let commit = case.commit_at(seconds, id, Step::keep(None));
        case.done(commit.with_writes(&writes), "an addition").await;
        let expected = sum(expiring(until), Some(&before), case.at(seconds));
        assert_eq!(
            case.fields(id, case.start).await["n"],
            *expected,
            "an addition is made at the time of its commit"
        );
    }
}

/// Prevents a counter from wrapping around, and half a commit: an addition that leaves its range is an error, and none
/// of its commit is applied.
pub async fn an_addition_out_of_range_changes_nothing(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[add_to("n", add(90)), set("a", "1")]).await;
    let before = case.fields(id, case.start).await;
    let fresh = fresh();
    for (target, delta) in [(id, 11), (id, -191), (id, i128::MAX), (fresh, 101)] {
        let writes = [set("a", "x"), add_to("n", add(delta)), remove("a2")];
        let step = match target == fresh {
            true => case.create(),
            false => used(),
        };
        let commit = case.commit_at(9, target, step).with_writes(&writes);
        let error = refused(case.store.commit(commit).await);
        assert_eq!(
            error.kind(),
            ErrorKind::Overflow,
            "an addition out of range is an overflow"
        );
        assert_eq!(error.field(), Some("n"), "the error names the field");
        assert!(!error.may_be_stored(), "none of it is stored");
        assert_eq!(
            case.fields(id, case.start).await,
            before,
            "none of its commit is applied"
        );
        assert_eq!(
            case.lease_of(id, case.start).await,
            case.lease(0),
            "nor is its use recorded"
        );
    }
    case.assert_dead(fresh, case.start, "no session is created")
        .await;
}

/// Prevents a damaged value from being overwritten: adding to a value that is not a number is an error, and leaves it
/// unchanged (requirement F05).
pub async fn an_addition_to_what_is_no_number_changes_nothing(store: Subject) {
    let case = Case::new(store);
    let text = Value::from("12")
        .to_stored(None)
        .expect("a text is a value");
    for stored in [&b"\0garbage"[..], b"", &text] {
        let id = case.session(&[set("n", stored)]).await;
        let writes = [set("a", "x"), add_to("n", add(1))];
        let commit = case.commit(id, Step::keep(None)).with_writes(&writes);
        let error = refused(case.store.commit(commit).await);
        assert_eq!(error.kind(), ErrorKind::Decode, "it cannot be read");
        assert_eq!(error.field(), Some("n"), "the error names the field");
        let fields = case.fields(id, case.start).await;
        assert_eq!(fields.len(), 1, "none of its commit is applied");
        assert_eq!(fields["n"], stored, "and the value is unchanged");
    }
}

/// Prevents a counter from losing precision as a floating-point number would: sums are exact over all 64 bits.
pub async fn counters_are_exact_in_all_of_their_range(store: Subject) {
    const FLOAT: i128 = 1 << 53;
    let case = Case::new(store);
    let cases = [
        (I64, FLOAT),
        (I64, -FLOAT),
        (I64, I64.max),
        (I64, I64.min),
        (I64, i128::from(i32::MAX)),
        (U64, FLOAT),
        (U64, I64.max),
        (U64, U64.max),
    ];
    for (range, around) in cases {
        let start = (around - 3).clamp(range.min, range.max);
        let id = case.session(&[set("n", number(start))]).await;
        let mut expected = start;
        for delta in [1, 1, 1, 1, 1, -1, -3, 2, -around, around, -1, 1] {
            let writes = [add_to("n", within(range, delta))];
            let commit = case.commit(id, Step::keep(None)).with_writes(&writes);
            let sum = expected + delta;
            match case.store.commit(commit).await {
                Ok(outcome) => {
                    done(outcome, "an addition");
                    expected = sum;
                    assert!(sum >= range.min && sum <= range.max, "a sum is in range");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Overflow, "an addition");
                    assert!(sum < range.min || sum > range.max, "a sum in range");
                }
            }
            assert!(
                case.fields(id, case.start).await["n"] == *number(expected),
                "a sum around {around} is exact to the last unit"
            );
        }
    }
}

/// Prevents a store from calculating an addition from the value that its caller has read: this value is a hint, and the
/// result is the same whether it is correct, wrong or stale.
pub async fn what_a_caller_has_seen_changes_no_sum(store: Subject) {
    let case = Case::new(store);
    let stored = Some(number(7));
    let seen = [
        stored.clone(),
        Some(number(6)),
        Some(number(200)),
        Some(Bytes::from(b"\0garbage")),
        Some(Bytes::from(b"")),
        None,
    ];
    for hint in &seen {
        for (before, after) in [(stored.clone(), 8), (None, 101)] {
            let fields: Vec<_> = before.iter().map(|bytes| set("n", bytes)).collect();
            let id = case.session(&fields).await;
            let writes = [add_seen("n", add(1), hint.clone()), set("a", "1")];
            done(case.write(id, &writes).await, "an addition with a hint");
            assert_eq!(
                case.fields(id, case.start).await["n"],
                *number(after),
                "an addition is to what is stored, not to what was seen"
            );
        }
        let clear = case.commit(case.session(&[set("n", number(7))]).await, used());
        let writes = [add_seen("n", add(1), hint.clone())];
        let clear = clear.with_clear(Clear::Fields).with_writes(&writes);
        case.done(clear, "an addition with a hint, and a clear")
            .await;
        assert_eq!(
            case.fields(clear.id, case.start).await["n"],
            *number(101),
            "a clear takes precedence over the hint"
        );
    }
    let id = case.session(&[set("n", number(200))]).await;
    for hint in [None, Some(number(7))] {
        let writes = [add_seen("n", add(1), hint)];
        let commit = case.commit(id, Step::keep(None)).with_writes(&writes);
        let error = refused(case.store.commit(commit).await);
        assert_eq!(
            error.kind(),
            ErrorKind::Overflow,
            "a range applies to the stored value"
        );
    }
}

/// Prevents additions from overwriting each other: those of any number of concurrent commits are all counted,
/// regardless of the value that each caller has read (requirement F02).
pub async fn concurrent_additions_lose_nothing(store: Subject) {
    const THREADS: usize = 8;
    const EACH: usize = 20;
    const BASE: i128 = (1 << 53) - 20;
    let case = Case::new(store);
    let id = case.session(&[set("n", number(BASE))]).await;
    let commit = case.commit(id, Step::keep(None));
    let outcomes = case.race(THREADS, move |store, thread| async move {
        for n in 0..EACH {
            let one = within(I64, 1);
            let writes = [match (thread + n) % 3 {
                0 => add_to("n", one),
                1 => add_seen("n", one, Some(number(BASE + n as i128))),
                _ => add_seen("n", one, None),
            }];
            let answer = store.commit(commit.with_writes(&writes)).await;
            done(answer.expect("a commit failed"), "an addition among others");
        }
    });
    outcomes.await;
    assert_eq!(
        case.fields(id, case.start).await["n"],
        *number(BASE + (THREADS * EACH) as i128),
        "no addition is lost"
    );
}

/// Prevents concurrent additions from passing the end of a counter's range: as many are stored as fit.
pub async fn concurrent_additions_stop_at_the_end_of_the_range(store: Subject) {
    const THREADS: usize = 6;
    const ROOM: i128 = 7;
    let case = Case::new(store);
    for (range, delta, end) in [(I64, 1, I64.max), (I64, -1, I64.min), (U64, 1, U64.max)] {
        let start = number(end - delta * ROOM);
        let id = case.session(&[set("n", &start)]).await;
        let commit = case.commit(id, Step::keep(None));
        let stored = case.race(THREADS, move |store, thread| {
            let start = start.clone();
            async move {
                let mut stored = 0;
                for _ in 0..4 {
                    let add = within(range, delta);
                    let writes = [match thread % 2 {
                        0 => add_to("n", add),
                        _ => add_seen("n", add, Some(start.clone())),
                    }];
                    match store.commit(commit.with_writes(&writes)).await {
                        Ok(Outcome::Done(_)) => stored += 1,
                        Err(error) if error.kind() == ErrorKind::Overflow => {}
                        other => panic!("an addition is stored or overflows, not {other:?}"),
                    }
                }
                stored
            }
        });
        assert_eq!(
            stored.await.into_iter().sum::<i128>(),
            ROOM,
            "as many additions are stored as fit"
        );
        assert!(
            case.fields(id, case.start).await["n"] == *number(end),
            "and the counter is at the end of its range"
        );
    }
}

/// Prevents an error from leaking a session's contents or its id to a log (requirement S08): an error of a counter
/// shows neither.
pub async fn errors_show_no_value_and_no_id(store: Subject) {
    let case = Case::new(store);
    let range = CounterRange {
        min: 0,
        max: 9_000_000,
    };
    let damaged = b"\0hunter2-\xff".as_slice();
    let text = Value::from("hunter2")
        .to_stored(None)
        .expect("a text is a value");
    let high = number(8_675_309);
    for stored in [damaged, &text, &high] {
        let id = case.session(&[set("n", stored)]).await;
        let entry = value::index_entry(&high).expect("a number is a value");
        let writes = [
            add_seen("n", within(range, 2_000_001), Some(high.clone())),
            set_indexed("other", "correct horse", entry),
        ];
        let commit = case.commit(id, Step::keep(None)).with_writes(&writes);
        let error = refused(case.store.commit(commit).await);
        let mut shown = format!("{error} {error:?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            shown += &format!(" {error} {error:?}");
            cause = error.source();
        }
        let hex: String = id.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let list = format!("{:?}", &id.as_bytes()[8..16]);
        let secrets = ["hunter2", "horse", "8675309", "2000001", "10675310"];
        for secret in secrets
            .into_iter()
            .chain([&hex[8..24], list.trim_matches(['[', ']'])])
        {
            assert!(
                !shown.to_lowercase().contains(secret),
                "an error shows no value and no id: {shown}"
            );
        }
    }
}

#[track_caller]
fn refused(answer: Result<Outcome, Error>) -> Error {
    match answer {
        Err(error) => error,
        Ok(outcome) => panic!("an addition that cannot be made is an error, not {outcome:?}"),
    }
}
