//! Additions to counters: calculated by the store, on what is stored then.

use super::kit::*;
use crate::{
    clock::Timestamp,
    error::ErrorKind,
    store::{Add, Bytes, Commit, Op, Range, Step},
};

const RANGE: Range = Range { min: 0, max: 200 };

fn add(delta: i128) -> Add {
    Add {
        delta,
        range: RANGE,
        base: 100,
        expires: None,
    }
}

/// What the addition makes of these bytes, by the core's own rule.
fn sum(add: Add, stored: Option<&[u8]>, now: Timestamp) -> Bytes {
    add.apply(stored, now).expect("the sum is in range")
}

/// An addition starts from its base where nothing is stored, and else adds to what is there (requirement F02).
pub async fn an_addition_adds_to_what_is_stored(store: Subject) {
    let bench = Bench::new(store);
    let id = bench
        .session(&[write("created with", Op::Add(add(1)))])
        .await;
    let mut expected = sum(add(1), None, bench.start);
    assert_eq!(
        bench.fields(id, bench.start).await["created with"],
        *expected,
        "an addition to nothing starts from its base"
    );
    for delta in [5, -7, 0] {
        done(
            bench
                .write(
                    id,
                    &[
                        write("created with", Op::Add(add(delta))),
                        set("other", "1"),
                    ],
                )
                .await,
            "an addition",
        );
        expected = sum(add(delta), Some(&expected), bench.start);
        assert_eq!(
            bench.fields(id, bench.start).await["created with"],
            *expected,
            "an addition adds to what is stored"
        );
    }
    done(
        bench.write(id, &[remove("created with")]).await,
        "a counter can be removed",
    );
    done(
        bench
            .write(id, &[write("created with", Op::Add(add(2)))])
            .await,
        "an addition",
    );
    assert_eq!(
        bench.fields(id, bench.start).await["created with"],
        *sum(add(2), None, bench.start),
        "an addition to what was removed starts from its base"
    );
}

/// After `clear` in the same commit, an addition starts from its base.
pub async fn an_addition_after_clear_starts_from_its_base(store: Subject) {
    let bench = Bench::new(store);
    let id = bench
        .session(&[write("n", Op::Add(add(50))), set("a", "1")])
        .await;
    let writes = [write("n", Op::Add(add(1)))];
    done(
        bench
            .apply(Commit {
                clear: true,
                writes: &writes,
                ..bench.commit(id, Step::Keep)
            })
            .await,
        "an addition and `clear`",
    );
    let fields = bench.fields(id, bench.start).await;
    assert_eq!(
        fields["n"],
        *sum(add(1), None, bench.start),
        "`clear` comes before the addition"
    );
    assert_eq!(fields.len(), 1, "`clear` removes the rest");
}

/// A counter whose TTL has passed starts from its base again, at the commit's own time.
pub async fn an_addition_to_what_has_expired_starts_from_its_base(store: Subject) {
    let bench = Bench::new(store);
    let expiring = |seconds: u64| Add {
        expires: Some(bench.at(seconds)),
        ..add(1)
    };
    let id = bench.session(&[write("n", Op::Add(expiring(10)))]).await;
    let first = sum(expiring(10), None, bench.start);
    assert_eq!(
        bench.fields(id, bench.start).await["n"],
        *first,
        "an addition to nothing"
    );
    for (seconds, until) in [(9, 19), (10, 20)] {
        let writes = [write("n", Op::Add(expiring(until)))];
        let before = bench.fields(id, bench.start).await["n"].clone();
        done(
            bench
                .apply(Commit {
                    now: bench.at(seconds),
                    writes: &writes,
                    ..bench.commit(id, Step::Keep)
                })
                .await,
            "an addition",
        );
        let expected = sum(expiring(until), Some(&before), bench.at(seconds));
        assert_eq!(
            bench.fields(id, bench.start).await["n"],
            *expected,
            "an addition is made at the time of its commit"
        );
    }
}

/// An addition that leaves its range is an error, and nothing of its commit applies.
pub async fn an_addition_out_of_range_changes_nothing(store: Subject) {
    let bench = Bench::new(store);
    let id = bench
        .session(&[write("n", Op::Add(add(90))), set("a", "1")])
        .await;
    let before = bench.fields(id, bench.start).await;
    let fresh = fresh();
    for (target, delta) in [(id, 11), (id, -191), (fresh, 101)] {
        let writes = [set("a", "x"), write("n", Op::Add(add(delta))), remove("a2")];
        let step = if target == fresh {
            bench.create()
        } else {
            Step::Keep
        };
        let commit = Commit {
            lease: Some(bench.lease(9)),
            writes: &writes,
            ..bench.commit(target, step)
        };
        match bench.store.commit(commit).await {
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    ErrorKind::Overflow,
                    "an addition out of range is an overflow"
                );
                assert_eq!(error.field(), Some("n"), "the error names the field");
            }
            Ok(outcome) => panic!("an addition out of range is an error, not {outcome:?}"),
        }
        assert_eq!(
            bench.fields(id, bench.start).await,
            before,
            "nothing of its commit applies"
        );
        assert_eq!(
            bench.live(id, bench.start).await.meta.lease,
            bench.lease(0),
            "not even the lease"
        );
    }
    bench
        .assert_dead(fresh, bench.start, "no session is created")
        .await;
}

/// A value that is no number cannot be added to, and stays as it is.
pub async fn an_addition_to_what_is_no_number_changes_nothing(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("n", "\u{0}garbage")]).await;
    let writes = [set("a", "x"), write("n", Op::Add(add(1)))];
    let answer = bench
        .store
        .commit(Commit {
            writes: &writes,
            ..bench.commit(id, Step::Keep)
        })
        .await;
    assert!(
        answer.is_err(),
        "an addition to what is no number is an error, not {answer:?}"
    );
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("n", "\u{0}garbage")]),
        "nothing of its commit applies"
    );
}

/// Additions of any number of concurrent commits are all counted (requirement F02).
pub async fn concurrent_additions_lose_nothing(store: Subject) {
    const THREADS: usize = 8;
    const EACH: usize = 20;
    let bench = Bench::new(store);
    let id = bench.session(&[]).await;
    let commit = bench.commit(id, Step::Keep);
    let (now, wide) = (
        bench.start,
        Add {
            range: Range {
                min: 0,
                max: 1 << 40,
            },
            ..add(1)
        },
    );
    let outcomes = bench.race(THREADS, move |store, _| {
        let commit = commit.clone();
        async move {
            let writes = [write("n", Op::Add(wide))];
            for _ in 0..EACH {
                let answer = store
                    .commit(Commit {
                        writes: &writes,
                        ..commit.clone()
                    })
                    .await;
                done(answer.expect("a commit failed"), "an addition among others");
            }
        }
    });
    outcomes.await;
    let all = Add {
        delta: (THREADS * EACH) as i128,
        ..wide
    };
    assert_eq!(
        bench.fields(id, bench.start).await["n"],
        *sum(all, None, now),
        "no addition is lost"
    );
}
