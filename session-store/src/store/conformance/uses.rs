//! Uses: recorded when they are due, by one rule for all stores ([`Lease::after_use`]).

use super::kit::*;
use crate::{Commit, Digest, Done, Lease, Lifetime, Meta, Outcome, Step, Timeouts, Timestamp, Use};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn keep(usage: Use) -> Step {
    Step::keep(Some(usage))
}

/// The result of a commit that records a use, which a later load must agree with.
async fn use_at(case: &Case, seconds: u64, id: Digest, usage: Use) -> Lease {
    let now = case.at(seconds);
    let done = case
        .done(case.commit_at(seconds, id, keep(usage)), "a use")
        .await;
    let meta = case.live(id, now).await.meta;
    assert_eq!(
        done,
        Done::new(Some(meta)),
        "a commit returns the resulting times"
    );
    meta.lease
}

/// Prevents a write for every read of a session, and a session that expires while it is used: a use is recorded once it
/// is due, and not before (requirement L04).
pub async fn a_use_is_noted_when_it_is_due(store: Subject) {
    let case = Case::new(store);
    let usage = Use::new(Timeouts::new(LIFE), Duration::from_secs(10));
    let id = case.session(&[set("a", "1")]).await;
    let mut last = 0;
    for seconds in [9, 10, 19, 20, 25, 30] {
        if seconds - last >= 10 {
            last = seconds;
        }
        assert_eq!(
            use_at(&case, seconds, id, usage).await,
            case.lease(last),
            "a use at second {seconds} is recorded if it is due, and only then"
        );
    }
    let before = case.at(40);
    let almost = Timestamp::from_millis(before.as_millis() - 1);
    for (now, last) in [(almost, 30), (before, 40)] {
        case.done(Commit::new(id, now, keep(usage)), "a use").await;
        assert_eq!(
            case.lease_of(id, before).await,
            case.lease(last),
            "a use is due to the millisecond"
        );
    }
    assert_eq!(
        case.fields(id, before).await,
        map([("a", "1")]),
        "a use changes no field"
    );
}

/// Prevents a commit from extending a session that it does not use: writes alone move no deadline, however late.
pub async fn a_commit_without_a_use_moves_no_deadline(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[]).await;
    let writes = [set("a", "1")];
    let commit = case.commit_at(5000, id, Step::keep(None));
    let done = case
        .done(commit.with_writes(&writes), "a commit that records no use")
        .await;
    let meta = Meta::new(case.start, case.lease(0));
    assert_eq!(done, Done::new(Some(meta)), "the times stay as they were");
    assert_eq!(
        case.lease_of(id, case.at(5000)).await,
        case.lease(0),
        "and are stored unchanged"
    );
}

/// Prevents changed timeouts from applying only to new sessions: shorter and longer ones are recorded with the next
/// use, due or not (requirement L15).
pub async fn changed_timeouts_are_noted_at_once(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[]).await;
    case.warm(id).await;
    let seldom = |timeouts| Use::new(timeouts, 10 * LIFE);
    for timeouts in [
        Timeouts::new(LIFE * 2),
        Timeouts::new(LIFE / 2),
        Timeouts::new(LIFE / 2).with_absolute(Some(HOUR)),
        Timeouts::new(LIFE / 2).with_absolute(Some(2 * HOUR)),
        Timeouts::new(LIFE / 2),
        Timeouts::new(LIFE),
    ] {
        assert_eq!(
            use_at(&case, 0, id, seldom(timeouts)).await,
            timeouts.lease(case.start, case.start),
            "changed timeouts are recorded with the next use: {timeouts:?}"
        );
    }
    let hour = Timeouts::new(HOUR);
    use_at(&case, 0, id, seldom(hour)).await;
    case.assert_dead(id, case.at(3600), "a shortened timeout takes effect")
        .await;
    case.sweep(case.at(3599)).await;
    case.live(id, case.at(3599)).await;
    case.sweep(case.at(3600)).await;
    case.assert_dead(id, case.at(3600), "whether or not it was swept")
        .await;
}

/// Prevents a request that only writes, and so loads nothing before, from reviving a session that has outlived the
/// current timeouts: shortened timeouts take effect in the step of the commit, for uses and renewals (requirement L15).
pub async fn shortened_timeouts_hold_in_a_commit(store: Subject) {
    let case = Case::new(store);
    let hour = Timeouts::new(HOUR);
    let two_hours_in_all = Timeouts::new(LIFE).with_absolute(Some(2 * HOUR));
    for (timeouts, lives, dead) in [(hour, 3599, 3600), (two_hours_in_all, 7199, 7200)] {
        let usage = Use::new(timeouts, 10 * LIFE);
        for (seconds, lives) in [(dead, false), (lives, true)] {
            let now = case.at(seconds);
            let lease = timeouts.lease(now, now);
            let (used, renewed) = (case.session(&[]).await, case.session(&[]).await);
            let renew = Step::renew(case.renewed(renewed), lease, None);
            for (id, step) in [(used, keep(usage)), (renewed, renew)] {
                let outcome = case.apply(Commit::new(id, now, step)).await;
                assert_eq!(
                    outcome.is_done(),
                    lives,
                    "a commit at second {seconds} under {timeouts:?} is {outcome:?}"
                );
            }
            case.live(used, now).await; // by its own deadlines, in a deployment with the old timeouts
        }
    }
}

/// Prevents an extended life from ending at its earlier deadline: neither a read nor a sweep at that time ends the
/// session.
pub async fn a_deadline_that_was_moved_is_forgotten(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("entry");
    let writes = [set_indexed("a", "1", &entry)];
    let short = Use::new(Timeouts::new(Duration::from_secs(60)), Duration::ZERO);
    let id = case.session_with(case.ending(60), &writes).await;
    for seconds in (50..400).step_by(50) {
        use_at(&case, seconds, id, short).await;
        let last = case.at(seconds + 59);
        case.sweep(last).await;
        assert_eq!(
            case.fields(id, last).await,
            map([("a", "1")]),
            "a session that is used lives on"
        );
        assert_eq!(case.found("a", &entry, last).await, [id], "and is found");
    }
    case.assert_dead(id, case.at(410), "until it is no longer used")
        .await;
}

/// Prevents the cookie of a "touched" session from being older than its deadline: a forced use is recorded before it is
/// due.
pub async fn a_forced_use_is_noted(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[]).await;
    let seldom = Use::new(Timeouts::new(LIFE), LIFE);
    assert_eq!(
        use_at(&case, 1, id, seldom).await,
        case.lease(0),
        "a use that is not due is not recorded"
    );
    assert_eq!(
        use_at(&case, 1, id, seldom.with_forced(true)).await,
        case.lease(1),
        "a forced one is"
    );
}

/// Prevents a request that was overtaken from moving a session's deadlines back: a use that is not later than the last
/// one changes nothing, forced or not, while the rest of its commit is applied.
pub async fn a_use_of_the_past_changes_nothing(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[]).await;
    let lease = use_at(&case, 10, id, usage()).await;
    for (n, usage) in [usage(), usage().with_forced(true)].into_iter().enumerate() {
        for seconds in [0, 9, 10] {
            let writes = [set("n", n.to_string())];
            let commit = case.commit_at(seconds, id, keep(usage));
            case.done(commit.with_writes(&writes), "a use that was overtaken")
                .await;
            assert_eq!(
                case.lease_of(id, case.at(10)).await,
                lease,
                "a use of the past changes no time"
            );
            assert_eq!(
                case.fields(id, case.at(10)).await,
                map([("n", &n.to_string())]),
                "its writes are stored"
            );
        }
    }
}

/// Prevents a WebSocket that keeps its session active from keeping the cookie old: a use that is not reported to the
/// client is recorded as seen alone, and the next use that can be reported is due as if the first had not happened.
pub async fn a_use_that_is_not_told_is_seen_alone(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[]).await;
    let usage = Use::new(Timeouts::new(LIFE), Duration::from_secs(10));
    let silent = usage.with_tells_client(false);
    let seen = use_at(&case, 10, id, silent).await;
    assert_eq!(
        seen,
        Lease {
            told: case.start,
            ..case.lease(10)
        },
        "a use without a response is recorded as seen, not as told"
    );
    assert_eq!(
        use_at(&case, 11, id, silent).await,
        seen,
        "and counts for those like it"
    );
    assert_eq!(
        use_at(&case, 11, id, usage).await,
        case.lease(11),
        "a use with a response counts from the last one that was reported"
    );
    assert_eq!(
        use_at(&case, 20, id, silent).await,
        case.lease(11),
        "a use without a response counts from the last use of any kind"
    );
    let shorter = Use::new(Timeouts::new(LIFE / 2), LIFE).with_tells_client(false);
    let lease = use_at(&case, 21, id, shorter).await;
    assert_eq!(
        (lease.seen, lease.told, lease.idle_deadline),
        (case.at(21), case.at(11), case.at(21).after(LIFE / 2)),
        "changed timeouts are recorded without a report"
    );
}

/// Prevents "remember me" from being forgotten (requirement L15): a chosen lifetime is kept, and replaces the
/// deployment's timeouts, through uses and renewals.
pub async fn a_lifetime_of_its_own_is_kept(store: Subject) {
    let case = Case::new(store);
    let own = Timeouts::new(2 * HOUR).with_absolute(Some(LIFE));
    let lifetime = Lifetime::new(own).with_transient(true);
    let lease = |seconds| Lease {
        lifetime: Some(lifetime),
        ..own.lease(case.start, case.at(seconds))
    };
    let mut id = case.session_with(lease(0), &[]).await;
    let seldom = Use::new(Timeouts::new(10 * HOUR), LIFE);
    assert_eq!(
        use_at(&case, 5, id, seldom).await,
        lease(0),
        "the deployment's timeouts are no change for it"
    );
    let deployment = Use::new(Timeouts::new(10 * HOUR), Duration::ZERO);
    assert_eq!(
        use_at(&case, 10, id, deployment).await,
        lease(10),
        "a use counts by the session's own timeouts"
    );
    for (seconds, lifetime) in [(20, Some(lifetime)), (30, None)] {
        let new = case.renewed(id);
        let renewed = Lease {
            lifetime,
            ..own.lease(case.at(seconds), case.at(seconds))
        };
        let commit = case.commit_at(seconds, id, Step::renew(new, renewed, None));
        case.done(commit, "a renewal").await;
        id = new;
        let timeouts = lifetime.map_or(deployment.timeouts, |lifetime| lifetime.timeouts);
        let expected = Lease {
            lifetime,
            ..timeouts.lease(case.at(seconds), case.at(seconds + 1))
        };
        assert_eq!(
            use_at(&case, seconds + 1, id, deployment).await,
            expected,
            "the last renewal sets the lifetime"
        );
    }
}

/// Prevents "remember me" from outliving the operator's maximum (requirement L15): the committing deployment's longest
/// lifetime limits the chosen one, at once if it is shorter and from the next use on if it is longer, and the choice
/// itself is kept.
pub async fn a_lifetime_of_its_own_is_within_the_deployment_s(store: Subject) {
    let case = Case::new(store);
    let own = Timeouts::new(2 * HOUR).with_absolute(Some(10 * HOUR));
    let lifetime = Lifetime::new(own).with_transient(true);
    let chosen = |timeouts: Timeouts, seconds| Lease {
        lifetime: Some(lifetime),
        ..timeouts.lease(case.start, case.at(seconds))
    };
    let at_most = |idle, absolute| Timeouts::new(idle).with_absolute(absolute);
    let seldom = |max| Use::new(Timeouts::new(LIFE), 10 * HOUR).with_max_lifetime(Some(max));
    let id = case.session_with(chosen(own, 0), &[]).await;
    let (minute, hour) = (Duration::from_secs(60), Some(HOUR));
    for (seconds, max, expected) in [
        (1, at_most(HOUR, None), at_most(HOUR, Some(10 * HOUR))),
        (2, at_most(3 * HOUR, hour), at_most(2 * HOUR, hour)),
        (3, at_most(minute, hour), at_most(minute, hour)),
        (4, at_most(20 * HOUR, Some(20 * HOUR)), own),
    ] {
        assert_eq!(
            use_at(&case, seconds, id, seldom(max)).await,
            chosen(expected, seconds),
            "the longest lifetime is {max:?}"
        );
    }
    let lasts = |seconds, max| {
        let step = Step::keep(Some(seldom(max)));
        case.commit_at(seconds, id, step)
    };
    for max in [at_most(minute, None), at_most(HOUR, Some(minute))] {
        let outcome = case.store.commit(lasts(64, max)).await;
        let outcome = outcome.expect("the store answers");
        assert_eq!(outcome, Outcome::Gone, "it has outlived {max:?}");
    }
    case.done(lasts(63, at_most(minute, None)), "a use in time")
        .await;
}

/// Prevents the core from loading the times of a session that it has just stored: every commit returns the resulting
/// times.
pub async fn a_commit_tells_the_times_of_the_session(store: Subject) {
    let case = Case::new(store);
    let (id, lease) = (fresh(), case.lease(3));
    let created = case
        .done(
            case.commit_at(3, id, Step::create(case.start, lease)),
            "a create",
        )
        .await;
    let meta = Meta::new(case.start, lease);
    assert_eq!(created, Done::new(Some(meta)), "a create returns its times");
    let used = case.done(case.commit_at(4, id, used()), "a use").await;
    let meta = Meta::new(case.start, case.lease(4));
    assert_eq!(
        used,
        Done::new(Some(meta)),
        "a use returns the recorded times"
    );
    let new = case.renewed(id);
    let step = Step::renew(new, case.lease(5), Some(case.at(60)));
    let renewed = case.done(case.commit_at(5, id, step), "a renewal").await;
    let meta = Meta::new(case.start, case.lease(5)).with_former_id_works(true);
    assert_eq!(
        renewed,
        Done::new(Some(meta)),
        "a renewal returns its times"
    );
    let by_former = case
        .done(
            case.commit_at(6, id, Step::keep(None)),
            "a commit by the former id",
        )
        .await;
    assert_eq!(
        by_former,
        Done::new(Some(meta)).with_by_former_id(true),
        "a commit by a former id returns the times of the session"
    );
    let kept = case
        .done(case.commit_at(60, new, Step::keep(None)), "a late commit")
        .await;
    let meta = meta.with_former_id_works(false);
    assert_eq!(
        kept,
        Done::new(Some(meta)),
        "a grace period that is over is reported as over"
    );
    let ended = case.done(case.commit_at(61, new, Step::Destroy), "a destroy");
    assert_eq!(
        ended.await,
        Done::new(None),
        "a session that has ended has no times"
    );
}
