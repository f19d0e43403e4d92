//! Compared in the same step: what must still be stored for a commit to apply.

use super::kit::*;
use crate::store::{Bytes, Commit, Guard, Lease, Outcome, Step};

/// A commit whose guards hold applies: present as expected, or absent as expected.
pub async fn a_commit_whose_guards_hold_applies(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1"), set("b", "2")]).await;
    let guards = [
        guard("a", Some(b"1")),
        guard("b", Some(b"2")),
        guard("c", None),
    ];
    let writes = [set("a", "x"), set("c", "3")];
    let commit = Commit {
        guards: &guards,
        writes: &writes,
        ..bench.commit(id, Step::Keep)
    };
    done(bench.apply(commit).await, "a commit whose guards hold");
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("a", "x"), ("b", "2"), ("c", "3")]),
        "a commit whose guards hold applies"
    );
}

/// One guard that fails, and nothing of the commit applies; the answer tells what is stored, in the guards' order.
pub async fn a_failed_guard_changes_nothing_and_tells_what_is_stored(store: Subject) {
    let bench = Bench::new(store);
    let cases: [&[Guard]; 5] = [
        &[
            guard("a", Some(b"other")),
            guard("b", Some(b"2")),
            guard("c", None),
        ],
        &[guard("a", Some(b"1")), guard("b", None), guard("c", None)],
        &[
            guard("a", Some(b"1")),
            guard("b", Some(b"2")),
            guard("c", Some(b"")),
        ],
        &[
            guard("c", None),
            guard("b", Some(b"2")),
            guard("a", Some(b"11")),
        ],
        &[guard("a", Some(b""))],
    ];
    for guards in cases {
        let id = bench
            .session(&[set("a", "1"), set_indexed("b", "2", "entry")])
            .await;
        let writes = [set("a", "x"), remove("b"), set_indexed("d", "4", "new")];
        let commit = Commit {
            clear: true,
            lease: Some(Lease {
                seen: bench.at(9),
                ..bench.lease(9)
            }),
            guards,
            writes: &writes,
            ..bench.commit(id, Step::Keep)
        };
        conflict(bench.apply(commit).await, guards);
        assert_eq!(
            bench.fields(id, bench.start).await,
            map([("a", "1"), ("b", "2")]),
            "a failed guard: no field changes"
        );
        assert_eq!(
            bench.live(id, bench.start).await.meta.lease,
            bench.lease(0),
            "a failed guard: no deadline changes"
        );
        assert!(
            bench.found("b", b"entry", bench.start).await.contains(&id),
            "a failed guard: no index entry goes"
        );
        assert!(
            !bench.found("d", b"new", bench.start).await.contains(&id),
            "a failed guard: no index entry comes"
        );
        let destroy = Commit {
            guards,
            ..bench.commit(id, Step::Destroy)
        };
        conflict(bench.apply(destroy).await, guards);
        bench.live(id, bench.start).await;
    }
}

/// Guards see what was stored before the commit, `clear` included.
pub async fn guards_see_what_was_there_before_clear(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1")]).await;
    let absent = [guard("a", None)];
    let commit = Commit {
        clear: true,
        guards: &absent,
        ..bench.commit(id, Step::Keep)
    };
    conflict(bench.apply(commit).await, &absent);
    let guards = [guard("a", Some(b"1"))];
    let writes = [set("a", "2")];
    let commit = Commit {
        clear: true,
        guards: &guards,
        writes: &writes,
        ..bench.commit(id, Step::Keep)
    };
    done(
        bench.apply(commit).await,
        "a guard that holds before `clear`",
    );
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("a", "2")]),
        "and the commit applies"
    );
}

/// A guard may compare a field that the commit does not write, and write one that it does not compare.
pub async fn a_guard_may_stand_alone(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1")]).await;
    let guards = [guard("a", Some(b"1"))];
    done(
        bench
            .apply(Commit {
                guards: &guards,
                ..bench.commit(id, Step::Keep)
            })
            .await,
        "a commit that only compares",
    );
    let writes = [remove("a")];
    done(
        bench
            .apply(Commit {
                guards: &guards,
                writes: &writes,
                ..bench.commit(id, Step::Keep)
            })
            .await,
        "taking a field",
    );
    let again = bench
        .apply(Commit {
            guards: &guards,
            writes: &writes,
            ..bench.commit(id, Step::Keep)
        })
        .await;
    match again {
        Outcome::Conflict(found) => {
            assert_eq!(found, [None], "a field that was taken is told as absent");
        }
        other => panic!("a field can be taken once: the second time is {other:?}"),
    }
}

/// A session that does not live is `Gone`, whatever the guards say; one that exists is `Exists`.
pub async fn a_dead_session_is_gone_whatever_the_guards_say(store: Subject) {
    let bench = Bench::new(store);
    let guards = [guard("a", Some(b"1"))];
    for holds in [true, false] {
        let guards = if holds {
            &[guard("a", None)][..]
        } else {
            &guards[..]
        };
        gone(
            bench
                .apply(Commit {
                    guards,
                    ..bench.commit(fresh(), Step::Keep)
                })
                .await,
            "a guarded commit on nothing",
        );
        let id = bench.session(&[]).await;
        exists(
            bench
                .apply(Commit {
                    guards,
                    ..bench.commit(id, bench.create())
                })
                .await,
            "a guarded create under a known digest",
        );
        let new = Commit {
            guards,
            ..bench.commit(fresh(), bench.create())
        };
        let id = new.id;
        match (holds, bench.apply(new).await) {
            (true, outcome) => done(outcome, "a create whose guards hold of nothing"),
            (false, outcome) => {
                conflict(outcome, guards);
                bench
                    .assert_dead(id, bench.start, "a create whose guard fails makes nothing")
                    .await;
            }
        }
    }
}

/// What a conflict must tell: in these tests `a` is stored as `1` and `b` as `2`, and nothing else where a session is.
#[track_caller]
fn conflict(outcome: Outcome, guards: &[Guard]) {
    let Outcome::Conflict(found) = outcome else {
        panic!("a guard does not hold: the commit is {outcome:?}, not `Conflict`");
    };
    assert_eq!(
        found.len(),
        guards.len(),
        "a conflict tells what is stored under each guard"
    );
    let agreed = guards
        .iter()
        .zip(&found)
        .filter(|(guard, found)| guard.expected == **found)
        .count();
    assert!(agreed < guards.len(), "a conflict tells what differs");
    for (guard, found) in guards.iter().zip(found) {
        let stored = match &*guard.field {
            "a" => Some(Bytes::from(*b"1")),
            "b" => Some(Bytes::from(*b"2")),
            _ => None,
        };
        let nothing = found.is_none() && guards.len() == 1;
        assert!(
            found == stored || nothing,
            "a conflict tells what is stored under {:?}",
            guard.field
        );
    }
}
