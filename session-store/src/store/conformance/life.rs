//! Creation, life until the deadline, and staying dead.

use super::kit::*;
use crate::{
    Clear, ENDED_IS_REMEMBERED, Lease, Lifetime, Loaded, Select, Step, Timeouts, Timestamp,
};
use std::time::Duration;

/// Prevents a session from being returned with other fields or times than it was created with.
pub async fn a_created_session_is_there_with_its_fields_and_times(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1"), set("b", "2")]).await;
    let snapshot = case.live(id, case.start).await;
    assert_eq!(
        snapshot.meta.created, case.start,
        "a session keeps the time it was created with"
    );
    assert_eq!(
        snapshot.meta.lease,
        case.lease(0),
        "a session has the lease it was created with"
    );
    assert!(
        !snapshot.meta.former_id_works && !snapshot.by_former_id,
        "a new session has no former id"
    );
    assert_eq!(
        case.fields(id, case.start).await,
        map([("a", "1"), ("b", "2")]),
        "a session has the fields it was created with"
    );
    let loaded = case.load(fresh(), Select::All, case.start).await;
    assert!(
        matches!(loaded, Loaded::Missing),
        "a digest that was never used is `Missing`, not {loaded:?}"
    );
}

/// Prevents a copy from restarting a session's timeouts: it keeps its time of creation, which is not the time of the
/// commit.
pub async fn a_session_keeps_the_time_that_it_was_made(store: Subject) {
    let case = Case::new(store);
    let id = fresh();
    case.done(
        case.commit_at(100, id, case.create()),
        "a session is created with an earlier time of creation",
    )
    .await;
    let created = case.live(id, case.at(100)).await.meta.created;
    assert_eq!(
        created, case.start,
        "`created` is taken from the step, not from the time of the commit"
    );
}

/// Prevents a time of a session from being lost in the store. Each is kept separately, in milliseconds.
pub async fn every_time_of_a_session_is_kept(store: Subject) {
    let case = Case::new(store);
    let ms = Duration::from_millis;
    let lease = Lease {
        started: case.start.after(ms(1)),
        seen: case.start.after(ms(40_002)),
        told: case.start.after(ms(30_003)),
        idle_deadline: case.start.after(ms(90_000_004)),
        absolute_deadline: Some(case.start.after(ms(80_000_005))),
        lifetime: None,
    };
    let timeouts = Timeouts::new(ms(70_000_006));
    let both = timeouts.with_absolute(Some(ms(60_000_007)));
    let lifetimes = [
        None,
        Some(Lifetime::new(timeouts)),
        Some(Lifetime::new(both)),
        Some(Lifetime::new(timeouts).with_transient(true)),
        Some(Lifetime::new(both).with_transient(true)),
    ];
    for lifetime in lifetimes {
        for absolute_deadline in [lease.absolute_deadline, None] {
            let lease = Lease {
                absolute_deadline,
                lifetime,
                ..lease
            };
            let id = case.session_with(lease, &[]).await;
            assert_eq!(
                case.lease_of(id, case.at(50)).await,
                lease,
                "a session has every time that it was created with"
            );
            let new = case.renewed(id);
            let earlier = Lease {
                seen: case.start.after(ms(8)),
                ..lease
            };
            let renewal = case.commit_at(50, id, Step::renew(new, earlier, None));
            case.done(renewal, "a session can be renewed").await;
            assert_eq!(
                case.lease_of(new, case.at(50)).await,
                earlier,
                "a session has every time that it was renewed with"
            );
        }
    }
}

/// Prevents a session without an end from ending, or from failing its request: a deadline may be the latest possible
/// moment.
///
/// [`Timestamp::MAX`] is returned unchanged. A store whose times have 63 bits may return any time beyond its maximum
/// for a later time: no session lives that long.
pub async fn a_deadline_may_never_come(store: Subject) {
    const LATE: u64 = i64::MAX as u64;
    let case = Case::new(store);
    let entry = case.entry("never");
    let writes = [set_indexed("user", "7", &entry)];
    let century = case.start.after(Duration::from_secs(100 * 365 * 24 * 3600));
    let mut ids = Vec::new();
    for millis in [u64::MAX, u64::MAX - 1, LATE + 1, LATE, LATE - 1] {
        let deadline = Timestamp::from_millis(millis);
        for absolute_deadline in [None, Some(deadline)] {
            let lease = Lease {
                idle_deadline: deadline,
                absolute_deadline,
                ..case.lease(0)
            };
            let id = case.session_with(lease, &writes).await;
            let stored = case.lease_of(id, century).await;
            let as_it_was = |stored: Timestamp| {
                stored == deadline || (millis != u64::MAX && stored.as_millis().min(millis) >= LATE)
            };
            assert!(
                as_it_was(stored.idle_deadline)
                    && stored.absolute_deadline.is_some() == absolute_deadline.is_some()
                    && stored.absolute_deadline.is_none_or(as_it_was),
                "a deadline that never comes is kept: {lease:?} is {stored:?}"
            );
            let kept = case.commit_at(3600, id, Step::keep(None));
            case.done(kept, "a commit of a session without an end")
                .await;
            ids.push(id);
        }
    }
    let forever = Timeouts::new(Duration::MAX).with_absolute(Some(Duration::MAX));
    let id = case
        .session_with(forever.lease(case.start, case.start), &writes)
        .await;
    let usage = usage_of(forever);
    case.done(
        case.commit_at(1, id, Step::keep(Some(usage))),
        "a use of a session without an end",
    )
    .await;
    ids.push(id);
    case.sweep(case.start).await;
    ids.sort_unstable();
    assert_eq!(
        case.found("user", &entry, century).await,
        ids,
        "sessions without an end are found after a century"
    );
}

fn usage_of(timeouts: Timeouts) -> crate::Use {
    crate::Use::new(timeouts, Duration::ZERO)
}

/// Prevents a repeated id from opening, or overwriting, another session (requirement S07).
pub async fn create_never_overwrites_a_session(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1")]).await;
    let writes = [set("a", "2"), set("b", "2")];
    let commit = case
        .commit_at(50, id, Step::create(case.at(50), case.lease(50)))
        .with_clear(Clear::Everything)
        .with_writes(&writes);
    exists(
        case.apply(commit).await,
        "create never overwrites a session",
    );
    assert_eq!(
        case.fields(id, case.start).await,
        map([("a", "1")]),
        "a refused create changes no field"
    );
    let meta = case.live(id, case.start).await.meta;
    assert_eq!(
        (meta.created, meta.lease),
        (case.start, case.lease(0)),
        "a refused create changes no time"
    );
}

/// Prevents a create from reviving a session that was destroyed or renewed.
pub async fn create_never_revives_an_ended_session(store: Subject) {
    let case = Case::new(store);
    let destroyed = case.session(&[]).await;
    case.done(
        case.commit(destroyed, Step::Destroy),
        "a session can be destroyed",
    )
    .await;
    let renewed = case.session(&[]).await;
    let step = case.renew(case.renewed(renewed));
    case.done(case.commit(renewed, step), "a session can be renewed")
        .await;
    for (id, what) in [(destroyed, "destroyed"), (renewed, "renewed")] {
        exists(
            case.apply(case.commit(id, case.create())).await,
            &format!("create never revives a {what} session"),
        );
        case.assert_ended(
            id,
            case.start,
            case.start,
            &format!("a {what} session is remembered"),
        )
        .await;
    }
}

/// Prevents an id that this server did not issue from creating a record (requirement S03).
pub async fn a_commit_on_nothing_is_gone_and_makes_nothing(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("entry");
    let writes = [set_indexed("a", "1", &entry)];
    let limits = [limit("a", &entry, 1, crate::WhenFull::EndOldest)];
    let mut news = Vec::new();
    for step in 0..4 {
        let id = fresh();
        let to = case.renewed(id);
        news.push(to);
        let commit = match step {
            0 => case.commit(id, Step::keep(None)),
            1 => case.commit(id, used()),
            2 => case.commit(id, case.renew(to)),
            _ => case.commit(id, Step::Destroy),
        };
        let commit = match step {
            3 => commit,
            _ => commit.with_writes(&writes).with_limits(&limits),
        };
        gone(
            case.apply(commit).await,
            "a commit on a session that is not there",
        );
        let loaded = case.load(id, Select::All, case.start).await;
        assert!(
            matches!(loaded, Loaded::Missing),
            "a commit on nothing leaves nothing, not {loaded:?}"
        );
    }
    for to in news {
        case.assert_dead(to, case.start, "renewing a missing session creates none")
            .await;
    }
    assert!(
        case.found("a", &entry, case.start).await.is_empty(),
        "a commit on nothing leaves no index entry"
    );
}

/// Prevents a destroyed session from coming back, field by field or under a new id (requirement L03).
pub async fn destroy_ends_a_session_for_good(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("entry");
    let id = case
        .session(&[set("a", "1"), set_indexed("b", "2", &entry)])
        .await;
    case.warm(id).await;
    let ended = case
        .done(
            case.commit_at(5, id, Step::Destroy),
            "a session can be destroyed",
        )
        .await;
    assert_eq!(ended.meta, None, "a session that has ended has no times");
    let still = "a destroyed session is `Ended`";
    case.assert_ended(id, case.at(5), case.at(5), still).await;
    let writes = [set("a", "2")];
    let new = case.renewed(id);
    for step in [
        Step::keep(None),
        used(),
        Step::Destroy,
        Step::renew(new, case.lease(6), None),
    ] {
        let commit = case.commit_at(6, id, step);
        let commit = match step {
            Step::Destroy => commit,
            _ => commit.with_writes(&writes),
        };
        gone(case.apply(commit).await, "a commit on a destroyed session");
    }
    case.assert_ended(id, case.at(5), case.at(6), "it stays `Ended`")
        .await;
    case.assert_dead(new, case.at(6), "renewing it creates none")
        .await;
    assert!(
        case.found("b", &entry, case.at(6)).await.is_empty(),
        "a destroyed session is not found"
    );
}

/// Prevents the end of a session from being forgotten while a request of it may still be in flight, regardless of
/// sweeps.
pub async fn the_end_of_a_session_is_remembered(store: Subject) {
    let case = Case::new(store);
    let destroyed = case.session(&[set("a", "1")]).await;
    let later = case.start.after(Duration::from_millis(3));
    let commit = case.commit(destroyed, Step::Destroy).with_ended_at(later);
    case.done(commit, "a session can be destroyed").await;
    let renewed = case.session(&[set("a", "1")]).await;
    let step = case.renew(case.renewed(renewed));
    let commit = case.commit(renewed, step).with_ended_at(later);
    case.done(commit, "a session can be renewed").await;
    let last = later.after(ENDED_IS_REMEMBERED - TICK);
    case.sweep(last).await;
    for id in [destroyed, renewed] {
        for now in [case.start, last] {
            let promise =
                "the end of a session is remembered for an hour, with the time given by its commit";
            case.assert_ended(id, later, now, promise).await;
        }
        exists(
            case.apply(case.commit(id, case.create())).await,
            "a remembered id cannot be created again",
        );
    }
}

/// Prevents a read of fields where only the session's times are requested.
pub async fn a_session_can_be_asked_for_without_its_fields(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1")]).await;
    match case.load(id, Select::Nothing, case.start).await {
        Loaded::Live(snapshot) => {
            assert_eq!(
                snapshot.meta.lease,
                case.lease(0),
                "the times come without the fields"
            );
            assert_eq!(
                snapshot.fields.values(&["a"]),
                None,
                "`Select::Nothing` returns `Fields::nothing`"
            );
        }
        other => panic!("a session that lives is `Live`, not {other:?}"),
    }
}
