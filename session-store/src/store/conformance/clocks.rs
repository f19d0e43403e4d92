//! Several clocks: the machines that share a store may differ by seconds, or by minutes if one is set wrong. This costs
//! at most a refused request (requirement F12).

use super::kit::*;
use crate::{ENDED_IS_REMEMBERED, Step};

/// The difference between the clocks of these tests, in seconds.
const SKEW: u64 = 300;

/// Prevents a machine whose clock is behind from shortening a life that a machine with a correct clock has extended.
pub async fn a_clock_that_is_behind_shortens_nothing(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[]).await;
    case.done(case.commit_at(2 * SKEW, id, used()), "a use")
        .await;
    let lease = case.lease(2 * SKEW);
    for usage in [usage(), usage().with_forced(true)] {
        let behind = case.commit_at(SKEW, id, Step::keep(Some(usage)));
        let done = case.done(behind, "a use by a clock that is behind").await;
        assert_eq!(
            done.meta.map(|meta| meta.lease),
            Some(lease),
            "a use by a clock that is behind shortens nothing"
        );
        assert_eq!(
            case.lease_of(id, case.at(SKEW)).await,
            lease,
            "in the store"
        );
    }
    // A change of timeouts that only this machine knows of does not move the last use back either.
    let longer = crate::Use::new(crate::Timeouts::new(2 * LIFE), LIFE);
    let behind = case.commit_at(SKEW, id, Step::keep(Some(longer)));
    case.done(behind, "a use under other timeouts").await;
    let seen = case.lease_of(id, case.at(SKEW)).await;
    assert_eq!(
        (seen.seen, seen.idle_deadline),
        (lease.seen, lease.seen.after(2 * LIFE)),
        "timeouts count from the last use, by any clock"
    );
}

/// Prevents a machine whose clock is behind from reviving a session that another machine has ended: an end in its
/// future has already happened.
pub async fn an_end_by_a_clock_that_is_ahead_is_an_end(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("user");
    for renews in [false, true] {
        let id = case.session(&[set_indexed("a", "1", &entry)]).await;
        let step = match renews {
            true => Step::renew(case.renewed(id), case.lease(SKEW), None),
            false => Step::Destroy,
        };
        let ahead = case.commit_at(SKEW, id, step);
        let new = case.renewed(id);
        case.done(ahead, "an end by a clock that is ahead").await;
        for seconds in [0, SKEW - 1, SKEW, SKEW + 1] {
            let now = case.at(seconds);
            let promise = "an end in the future of a caller is an end";
            case.assert_ended(id, case.at(SKEW), now, promise).await;
            for step in [Step::keep(None), used(), Step::Destroy, case.renew(new)] {
                let commit = case.commit_at(seconds, id, step);
                gone(case.apply(commit).await, "a commit on an ended session");
            }
            let create = case.commit_at(seconds, id, case.create());
            exists(
                case.apply(create).await,
                "a create under the id of an ended session",
            );
            let found = case.found("a", &entry, now).await;
            assert!(!found.contains(&id), "an ended session is not found");
        }
        case.sweep(case.start).await;
        let promise = "a sweep by a clock that is behind leaves the mark";
        case.assert_ended(id, case.at(SKEW), case.start, promise)
            .await;
    }
}

/// Prevents an end by a machine whose clock is behind from being forgotten early, or from having no effect.
pub async fn an_end_by_a_clock_that_is_behind_is_an_end(store: Subject) {
    let case = Case::new(store);
    let id = fresh();
    let create = case.commit_at(SKEW, id, Step::create(case.at(SKEW), case.lease(SKEW)));
    case.done(create, "a session created in the future of another clock")
        .await;
    case.live(id, case.start).await;
    case.done(
        case.commit(id, Step::Destroy),
        "a destroy before it was made",
    )
    .await;
    let last = case.start.after(ENDED_IS_REMEMBERED - TICK);
    case.sweep(last).await;
    for now in [case.start, case.at(SKEW), last] {
        let promise = "an end by a clock that is behind is an end";
        case.assert_ended(id, case.start, now, promise).await;
    }
}

/// Prevents a grace period from beginning or ending twice: it ends by the caller's clock, and once a use has ended it,
/// for every clock.
pub async fn a_grace_that_was_ended_has_ended_for_every_clock(store: Subject) {
    let case = Case::new(store);
    let old = case.session(&[]).await;
    let new = case.renewed(old);
    let step = Step::renew(new, case.lease(SKEW), Some(case.at(2 * SKEW)));
    case.done(
        case.commit_at(SKEW, old, step),
        "a renewal by a clock that is ahead",
    )
    .await;
    assert!(
        case.live(old, case.start).await.by_former_id,
        "a grace counts for a clock that is behind as well"
    );
    case.done(case.commit(old, used()), "a use by the former id")
        .await;
    assert_eq!(
        case.lease_of(new, case.start).await,
        case.lease(SKEW),
        "whose clock is behind: it shortens nothing"
    );
    case.done(
        case.commit(new, used()),
        "a use by the new id, by a clock that is behind",
    )
    .await;
    for seconds in [0, SKEW, 2 * SKEW] {
        case.assert_dead(old, case.at(seconds), "a former id that was ended")
            .await;
        let late = case.commit_at(seconds, old, Step::keep(None));
        gone(case.apply(late).await, "a commit by it");
    }
}

/// Prevents a session that has expired by one clock, and was removed, from living on by another clock that is behind.
pub async fn what_was_swept_by_one_clock_is_gone_for_all(store: Subject) {
    let case = Case::new(store);
    let id = case.session_with(case.ending(60), &[set("a", "1")]).await;
    case.sweep(case.at(SKEW)).await;
    // A store that does not sweep by a clock that is ahead may still have it, whole.
    let loaded = case.load(id, crate::Select::All, case.start).await;
    match loaded {
        crate::Loaded::Live(_) => {
            assert_eq!(case.fields(id, case.start).await, map([("a", "1")]));
        }
        crate::Loaded::Missing | crate::Loaded::Ended(_) => {
            let keep = case.commit(id, Step::keep(None));
            gone(case.apply(keep).await, "a commit on a removed session");
        }
    }
    case.assert_dead(id, case.at(SKEW), "by the clock that is ahead it is dead")
        .await;
}
