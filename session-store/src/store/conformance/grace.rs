//! The grace period of a former id: a renewal in the middle of a burst of requests signs no user out (requirement L07).

use super::kit::*;
use crate::{Digest, Loaded, Outcome, Select, Step};

pub(super) async fn with_grace(case: &Case, seconds: u64) -> (Digest, Digest) {
    let old = case.session(&[set("a", "1")]).await;
    let new = case.renewed(old);
    let step = Step::renew(new, case.lease(0), Some(case.at(seconds)));
    case.done(
        case.commit(old, step),
        "a session can be renewed with a grace",
    )
    .await;
    (old, new)
}

/// Prevents a renewal from signing out the other requests of a burst, and an old id from working for longer than it
/// should: a former id reads and writes the session, strictly until its grace period ends.
pub async fn a_former_id_works_until_its_grace_ends(store: Subject) {
    let case = Case::new(store);
    let (old, new) = with_grace(&case, 30).await;
    let snapshot = case.live(old, case.at(29)).await;
    assert!(snapshot.by_former_id, "a load by a former id says so");
    assert!(
        snapshot.meta.former_id_works,
        "a session says that a former id works"
    );
    let current = case.live(new, case.at(29)).await;
    assert!(
        !current.by_former_id && current.meta.former_id_works,
        "the current id says so too"
    );
    let writes = [set("b", "2")];
    let done = case
        .done(
            case.commit_at(29, old, used()).with_writes(&writes),
            "a commit by a former id in its grace",
        )
        .await;
    assert!(done.by_former_id, "a commit by a former id says so");
    let fields = map([("a", "1"), ("b", "2")]);
    for id in [old, new] {
        assert_eq!(
            case.fields(id, case.at(29)).await,
            fields,
            "a commit by a former id is a commit of the session"
        );
    }
    let meta = case.live(new, case.at(29)).await.meta;
    assert_eq!(
        done.meta,
        Some(meta),
        "a commit by a former id returns the times"
    );
    assert!(
        meta.former_id_works && meta.lease == case.lease(29),
        "a use by the former id is recorded and does not end it"
    );
    let promise = "a former id is dead from the end of its grace on";
    case.assert_ended(old, case.start, case.at(30), promise)
        .await;
    assert!(
        !case.live(new, case.at(30)).await.meta.former_id_works,
        "the session says that it no longer works"
    );
    for step in [Step::keep(None), used(), Step::Destroy] {
        gone(
            case.apply(case.commit_at(30, old, step)).await,
            "a commit by a former id after its grace",
        );
    }
}

/// Prevents a former id from working if its grace period was over before it began.
pub async fn a_grace_in_the_past_is_none(store: Subject) {
    let case = Case::new(store);
    let (old, new) = with_grace(&case, 0).await;
    let promise = "a former id without a grace is dead";
    case.assert_ended(old, case.start, case.start, promise)
        .await;
    assert!(
        !case.live(new, case.start).await.meta.former_id_works,
        "and the session says so"
    );
}

/// Prevents an old id from working once the client has the new one: the first use by the new id ends the former one,
/// even if the use is not due; a commit that records no use does not.
pub async fn a_former_id_ends_when_the_new_one_was_used(store: Subject) {
    let case = Case::new(store);
    for (seconds, is_due) in [(1, true), (0, false)] {
        let (old, new) = with_grace(&case, 30).await;
        let now = case.at(seconds);
        case.warm(old).await;
        case.warm(new).await;
        let writes = [set("b", "2")];
        let commit = case.commit_at(seconds, new, Step::keep(None));
        let kept = case
            .done(commit.with_writes(&writes), "a commit by the new id")
            .await;
        assert!(
            kept.meta.is_some_and(|meta| meta.former_id_works) && !kept.by_former_id,
            "a commit that records no use reports that the former id works"
        );
        case.live(old, now).await;
        let used = case
            .done(case.commit_at(seconds, new, used()), "a use by the new id")
            .await;
        let meta = used
            .meta
            .expect("a commit returns the times of the session");
        assert!(!meta.former_id_works, "a use ends the former id");
        assert_eq!(
            meta.lease,
            case.lease(seconds),
            "the use was recorded, if it was due: {is_due}"
        );
        let promise = "a use by the new id ends the former one";
        case.assert_ended(old, case.start, now, promise).await;
        for step in [Step::keep(None), Step::Destroy] {
            gone(
                case.apply(case.commit_at(seconds, old, step)).await,
                "a commit by a former id that has ended",
            );
        }
        assert!(
            !case.live(new, now).await.meta.former_id_works,
            "the session says so"
        );
    }
}

/// Prevents two ids from renewing one session, and more than one former id from working: a former id cannot renew, and
/// a second renewal ends the first former id.
pub async fn a_former_id_cannot_renew_and_ends_with_the_next_renewal(store: Subject) {
    let case = Case::new(store);
    let (first, second) = with_grace(&case, 30).await;
    let third = case.renewed(second);
    let step = Step::renew(third, case.lease(0), Some(case.at(40)));
    gone(
        case.apply(case.commit(first, step)).await,
        "a renewal by a former id",
    );
    case.live(second, case.start).await;
    case.done(case.commit(second, step), "a renewal by the current id")
        .await;
    let promise = "the next renewal ends the former id before it";
    case.assert_ended(first, case.start, case.start, promise)
        .await;
    gone(
        case.apply(case.commit(first, Step::keep(None))).await,
        "a commit by an id before the former one",
    );
    assert!(
        case.live(second, case.start).await.by_former_id,
        "and its own works"
    );
    assert_eq!(
        case.fields(third, case.start).await,
        map([("a", "1")]),
        "the session is under the third id"
    );
    let fourth = case.renewed(third);
    case.done(
        case.commit(third, case.renew(fourth)),
        "a renewal without a grace",
    )
    .await;
    for id in [first, second, third] {
        case.assert_dead(id, case.start, "no id before a renewal without a grace")
            .await;
    }
}

/// Prevents a sign-out by one id from leaving the session to the other: destroying by a former id in its grace period
/// ends the session, and destroying by the current id ends both.
pub async fn destroy_ends_a_session_under_all_its_ids(store: Subject) {
    let case = Case::new(store);
    for by_former in [true, false] {
        let (old, new) = with_grace(&case, 30).await;
        let id = if by_former { old } else { new };
        let done = case
            .done(
                case.commit_at(1, id, Step::Destroy),
                "a session can be destroyed by an id that works",
            )
            .await;
        assert_eq!(
            (done.by_former_id, done.meta),
            (by_former, None),
            "a destroy reports which id it came by"
        );
        let promise = "a destroyed session is `Ended`";
        case.assert_ended(new, case.at(1), case.at(1), promise)
            .await;
        let promise = "its former id is `Ended` as well";
        case.assert_ended(old, case.at(1), case.at(1), promise)
            .await;
    }
}

/// Prevents a former id from outliving its session by its grace period.
pub async fn a_former_id_does_not_outlive_the_session(store: Subject) {
    let case = Case::new(store);
    let old = case.session(&[]).await;
    let new = case.renewed(old);
    let step = Step::renew(new, case.ending(10), Some(case.at(30)));
    case.done(
        case.commit(old, step),
        "a session can be renewed with a grace",
    )
    .await;
    case.live(old, case.at(9)).await;
    case.assert_dead(old, case.at(10), "a former id is dead when the session is")
        .await;
    case.sweep(case.at(10)).await;
    case.assert_dead(old, case.at(10), "and stays so when the session was swept")
        .await;
    gone(
        case.apply(case.commit_at(10, old, Step::keep(None))).await,
        "a commit by the former id of a dead session",
    );
    exists(
        case.apply(case.commit_at(10, old, case.create())).await,
        "a create under a former id",
    );
    let loaded = case.load(new, Select::Nothing, case.at(10)).await;
    assert!(
        !matches!(loaded, Loaded::Live(_)),
        "and the session is dead"
    );
}

/// Prevents a commit by a former id that looks up the session, and then writes to it although the former id was ended
/// meanwhile: later commits do not restore what the ending commit removed.
pub async fn a_former_id_that_ends_between_look_and_write_writes_nothing(store: Subject) {
    const ROUNDS: usize = 12;
    let case = Case::new(store);
    for round in 0..ROUNDS {
        let (old, new) = with_grace(&case, 30).await;
        let writes = [set("late", "1")];
        let late = case.commit(old, Step::keep(None)).with_writes(&writes);
        let end = case.commit(new, used()).with_clear(crate::Clear::Fields);
        // The first commit is stopped after this many steps, until the former id has ended.
        let mut pending = case.store.commit(late);
        let begun = polled(round, &mut pending).await;
        case.done(end, "a use by the new id that clears").await;
        let outcome = match begun {
            Some(answer) => answer,
            None => pending.await,
        };
        assert!(
            matches!(outcome, Ok(Outcome::Done(_) | Outcome::Gone)),
            "a commit by a former id beside its end is `Done` or `Gone`, not {outcome:?}"
        );
        assert!(
            case.fields(new, case.start).await.is_empty(),
            "a commit by a former id that has ended writes nothing"
        );
    }
    for _ in 0..ROUNDS {
        let (old, new) = with_grace(&case, 30).await;
        let late = case.commit(old, Step::keep(None));
        let end = case.commit(new, used()).with_clear(crate::Clear::Fields);
        let all = case.race(6, move |store, thread| async move {
            for n in 0..6 {
                if thread == 0 {
                    if n == 2 {
                        done(store.commit(end).await.expect("a commit"), "the end");
                    }
                    continue;
                }
                let writes = [set(&format!("{thread}.{n}"), "1")];
                let outcome = store.commit(late.with_writes(&writes)).await;
                assert!(
                    matches!(outcome, Ok(Outcome::Done(_) | Outcome::Gone)),
                    "a commit by a former id beside its end is `Done` or `Gone`, not {outcome:?}"
                );
            }
        });
        all.await;
        assert!(
            case.fields(new, case.start).await.is_empty(),
            "no commit by a former id comes after its end"
        );
    }
}
