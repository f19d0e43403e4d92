//! Guards: compared in the same step, they must hold for a commit to be applied.

use super::kit::*;
use crate::{Bytes, Clear, Guard, Outcome, Step};

/// Prevents a commit from being refused for no reason: it is applied if its guards hold, both for present and for
/// absent fields.
pub async fn a_commit_whose_guards_hold_applies(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1"), set("b", "2")]).await;
    let guards = [
        guard("a", Some(b"1")),
        guard("b", Some(b"2")),
        guard("c", None),
    ];
    let writes = [set("a", "x"), set("c", "3")];
    let keep = case.commit(id, Step::keep(None));
    let commit = keep.with_guards(&guards).with_writes(&writes);
    case.done(commit, "a commit whose guards hold").await;
    assert_eq!(
        case.fields(id, case.start).await,
        map([("a", "x"), ("b", "2"), ("c", "3")]),
        "a commit whose guards hold applies"
    );
}

/// Prevents half a commit, and an `update` that cannot be retried: if one guard fails, none of the commit is applied,
/// and the outcome has the stored values, in the guards' order.
pub async fn a_failed_guard_changes_nothing_and_tells_what_is_stored(store: Subject) {
    let case = Case::new(store);
    let (entry, new_entry) = (case.entry("entry"), case.entry("new"));
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
        let id = case
            .session(&[set("a", "1"), set_indexed("b", "2", &entry)])
            .await;
        let writes = [
            set("a", "x"),
            remove("b"),
            set_indexed("d", "4", &new_entry),
        ];
        let commit = case
            .commit_at(9, id, used())
            .with_clear(Clear::Everything)
            .with_guards(guards)
            .with_writes(&writes);
        conflict(case.apply(commit).await, guards);
        assert_eq!(
            case.fields(id, case.start).await,
            map([("a", "1"), ("b", "2")]),
            "a failed guard: no field changes"
        );
        assert_eq!(
            case.lease_of(id, case.start).await,
            case.lease(0),
            "a failed guard: no use is recorded"
        );
        assert!(
            case.found("b", &entry, case.start).await.contains(&id),
            "a failed guard: no index entry is removed"
        );
        assert!(
            !case.found("d", &new_entry, case.start).await.contains(&id),
            "a failed guard: no index entry is added"
        );
        let destroy = case.commit(id, Step::Destroy).with_guards(guards);
        conflict(case.apply(destroy).await, guards);
        case.live(id, case.start).await;
    }
}

/// Prevents an `update` from running on the values that its own commit removes: guards see the values stored before the
/// commit, including those that it clears.
pub async fn guards_see_what_was_there_before_clear(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1")]).await;
    let absent = [guard("a", None)];
    let clearing = case
        .commit(id, Step::keep(None))
        .with_clear(Clear::Everything);
    conflict(case.apply(clearing.with_guards(&absent)).await, &absent);
    let guards = [guard("a", Some(b"1"))];
    let writes = [set("a", "2")];
    let commit = clearing.with_guards(&guards).with_writes(&writes);
    case.done(commit, "a guard that holds before a clear").await;
    assert_eq!(
        case.fields(id, case.start).await,
        map([("a", "2")]),
        "and the commit applies"
    );
}

/// Prevents a one-time code from being used twice (requirement F03): a guard may compare a field that the commit does
/// not write, or one that it does.
pub async fn a_guard_may_stand_alone(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1")]).await;
    let guards = [guard("a", Some(b"1"))];
    let compare = case.commit(id, Step::keep(None)).with_guards(&guards);
    case.done(compare, "a commit that only compares").await;
    let writes = [remove("a")];
    let take = compare.with_writes(&writes);
    case.done(take, "taking a field").await;
    match case.apply(take).await {
        Outcome::Conflict(found) => {
            assert_eq!(
                found,
                [None],
                "a field that was taken is reported as absent"
            );
        }
        other => panic!("a field can be taken once: the second time is {other:?}"),
    }
}

/// Prevents the core from retrying an `update` on a session that has ended: a session that is not live is `Gone`,
/// regardless of the guards, and a create of an existing one is `Exists`.
pub async fn a_dead_session_is_gone_whatever_the_guards_say(store: Subject) {
    let case = Case::new(store);
    for (guards, holds) in [
        ([guard("a", None)], true),
        ([guard("a", Some(b"1"))], false),
    ] {
        let nothing = case.commit(fresh(), Step::keep(None));
        gone(
            case.apply(nothing.with_guards(&guards)).await,
            "a guarded commit on nothing",
        );
        let id = case.session(&[]).await;
        let known = case.commit(id, case.create());
        exists(
            case.apply(known.with_guards(&guards)).await,
            "a guarded create under a known digest",
        );
        let new = case.commit(fresh(), case.create()).with_guards(&guards);
        match (holds, case.apply(new).await) {
            (true, outcome) => drop(done(outcome, "a create whose guards hold of nothing")),
            (false, outcome) => {
                conflict(outcome, &guards);
                let promise = "a create whose guard fails makes nothing";
                case.assert_dead(new.id, case.start, promise).await;
            }
        }
    }
}

/// The expected values in a conflict: in these tests `a` is stored as `1` and `b` as `2`, and nothing else is stored.
#[track_caller]
fn conflict(outcome: Outcome, guards: &[Guard]) {
    let Outcome::Conflict(found) = outcome else {
        panic!("a guard does not hold: the commit is {outcome:?}, not `Conflict`");
    };
    assert_eq!(
        found.len(),
        guards.len(),
        "a conflict returns the stored value of each guard's field"
    );
    let agreed = guards
        .iter()
        .zip(&found)
        .filter(|(guard, found)| guard.expected == **found)
        .count();
    assert!(
        agreed < guards.len(),
        "a conflict returns a value that differs"
    );
    for (guard, found) in guards.iter().zip(found) {
        let stored = match &*guard.field {
            "a" => Some(Bytes::from(*b"1")),
            "b" => Some(Bytes::from(*b"2")),
            _ => None,
        };
        let nothing = found.is_none() && guards.len() == 1;
        assert!(
            found == stored || nothing,
            "a conflict returns the stored value of {:?}",
            guard.field
        );
    }
}
