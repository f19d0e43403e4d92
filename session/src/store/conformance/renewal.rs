//! Another id for the same session, and the grace of the former one.

use super::kit::*;
use crate::store::{Commit, Digest, Lease, Select, Step};

fn renewal(to: Digest) -> Step {
    Step::Renew {
        to,
        former_works_until: None,
    }
}

/// Renewing gives the session another id with everything it has, and the old one is dead in the same step
/// (requirement L01).
pub async fn renew_moves_a_session_whole_and_ends_its_id(store: Subject) {
    let bench = Bench::new(store);
    let old = bench
        .session(&[set("a", "1"), set_indexed("b", "2", "entry"), set("c", "3")])
        .await;
    let new = fresh();
    let writes = [set("a", "x"), remove("c"), set("d", "4")];
    let lease = bench.lease(5);
    let commit = Commit {
        now: bench.at(5),
        lease: Some(lease),
        writes: &writes,
        ..bench.commit(old, renewal(new))
    };
    done(bench.apply(commit).await, "a session can be renewed");
    assert_eq!(
        bench.fields(new, bench.at(5)).await,
        map([("a", "x"), ("b", "2"), ("d", "4")]),
        "a renewed session has its fields, with the writes of the same commit"
    );
    let snapshot = bench.live(new, bench.at(5)).await;
    assert_eq!(
        snapshot.meta.created, bench.start,
        "a renewed session keeps the time it was made"
    );
    assert_eq!(
        snapshot.meta.lease, lease,
        "a renewed session has the new lease"
    );
    assert!(
        !snapshot.meta.former_id_works,
        "without a grace the former id does not work"
    );
    bench
        .assert_ended(
            old,
            bench.at(5),
            bench.at(5),
            "the id of a renewed session is `Ended`",
        )
        .await;
    for step in [Step::Keep, Step::Destroy, renewal(fresh())] {
        let commit = Commit {
            now: bench.at(6),
            ..bench.commit(old, step)
        };
        gone(
            bench.apply(commit).await,
            "a commit by the id that a session had",
        );
    }
    assert_eq!(
        bench.fields(new, bench.at(6)).await.len(),
        3,
        "commits by the old id change nothing"
    );
}

/// Renewing restarts the deadlines, even if the clock of the caller is behind the last use.
pub async fn renew_always_brings_its_lease(store: Subject) {
    let bench = Bench::new(store);
    let old = bench.session(&[]).await;
    let used = Commit {
        now: bench.at(10),
        lease: Some(bench.lease(10)),
        ..bench.commit(old, Step::Keep)
    };
    done(bench.apply(used).await, "a refresh");
    let new = fresh();
    let lease = Lease {
        started: bench.at(9),
        absolute_deadline: Some(bench.at(500)),
        ..bench.lease(9)
    };
    let commit = Commit {
        now: bench.at(9),
        lease: Some(lease),
        ..bench.commit(old, renewal(new))
    };
    done(bench.apply(commit).await, "a session can be renewed");
    assert_eq!(
        bench.live(new, bench.at(10)).await.meta.lease,
        lease,
        "the lease of a renewal always counts"
    );
}

/// A renewal never lands on a digest that is known already, and changes nothing then (requirement S07).
pub async fn renew_never_overwrites(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1")]).await;
    let other = bench.session(&[set("a", "2")]).await;
    let ended = bench.session(&[]).await;
    done(
        bench.apply(bench.commit(ended, Step::Destroy)).await,
        "a session can be destroyed",
    );
    let writes = [set("a", "3")];
    for (to, what) in [
        (other, "a live session"),
        (ended, "an ended session"),
        (id, "itself"),
    ] {
        let commit = Commit {
            writes: &writes,
            ..bench.commit(id, renewal(to))
        };
        exists(bench.apply(commit).await, &format!("renewing onto {what}"));
    }
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("a", "1")]),
        "a refused renewal changes nothing"
    );
    assert_eq!(
        bench.fields(other, bench.start).await,
        map([("a", "2")]),
        "a refused renewal overwrites nothing"
    );
    bench
        .assert_ended(
            ended,
            bench.start,
            bench.start,
            "a refused renewal revives nothing",
        )
        .await;
}

/// A renewal whose guard fails did not happen.
pub async fn a_renewal_with_a_failed_guard_did_not_happen(store: Subject) {
    let bench = Bench::new(store);
    let (old, new) = (bench.session(&[set("a", "1")]).await, fresh());
    let guards = [guard("a", Some(b"other"))];
    let commit = Commit {
        guards: &guards,
        ..bench.commit(old, renewal(new))
    };
    let outcome = bench.apply(commit).await;
    assert!(
        matches!(outcome, crate::store::Outcome::Conflict(_)),
        "a renewal with a failed guard is a conflict, not {outcome:?}"
    );
    assert_eq!(
        bench.fields(old, bench.start).await,
        map([("a", "1")]),
        "the session is where it was"
    );
    bench
        .assert_dead(new, bench.start, "nothing is under the new id")
        .await;
}

async fn with_grace(bench: &Bench, seconds: u64) -> (Digest, Digest) {
    let (old, new) = (bench.session(&[set("a", "1")]).await, fresh());
    let step = Step::Renew {
        to: new,
        former_works_until: Some(bench.at(seconds)),
    };
    done(
        bench.apply(bench.commit(old, step)).await,
        "a session can be renewed with a grace",
    );
    (old, new)
}

/// A former id with a grace reads and writes the session, strictly until the grace ends (requirement L07).
pub async fn a_former_id_works_until_its_grace_ends(store: Subject) {
    let bench = Bench::new(store);
    let (old, new) = with_grace(&bench, 30).await;
    let snapshot = bench.live(old, bench.at(29)).await;
    assert!(snapshot.by_former_id, "a load by a former id says so");
    assert!(
        snapshot.meta.former_id_works,
        "a session says that a former id works"
    );
    let current = bench.live(new, bench.at(29)).await;
    assert!(
        !current.by_former_id && current.meta.former_id_works,
        "the current id says so too"
    );
    let writes = [set("b", "2")];
    let commit = Commit {
        now: bench.at(29),
        lease: Some(bench.lease(29)),
        writes: &writes,
        ..bench.commit(old, Step::Keep)
    };
    done(
        bench.apply(commit).await,
        "a commit by a former id in its grace",
    );
    assert_eq!(
        bench.fields(new, bench.at(29)).await,
        map([("a", "1"), ("b", "2")]),
        "a commit by a former id is a commit of the session"
    );
    assert!(
        bench.live(new, bench.at(29)).await.meta.former_id_works,
        "a use by the former id does not end it"
    );
    bench
        .assert_ended(
            old,
            bench.start,
            bench.at(30),
            "a former id is dead from the end of its grace on",
        )
        .await;
    assert!(
        !bench.live(new, bench.at(30)).await.meta.former_id_works,
        "the session says that it no longer works"
    );
    let late = Commit {
        now: bench.at(30),
        writes: &writes,
        ..bench.commit(old, Step::Keep)
    };
    gone(
        bench.apply(late).await,
        "a commit by a former id after its grace",
    );
}

/// A grace that is over before it begins is none.
pub async fn a_grace_in_the_past_is_none(store: Subject) {
    let bench = Bench::new(store);
    let (old, new) = with_grace(&bench, 0).await;
    bench
        .assert_ended(
            old,
            bench.start,
            bench.start,
            "a former id without a grace is dead",
        )
        .await;
    assert!(
        !bench.live(new, bench.start).await.meta.former_id_works,
        "and the session says so"
    );
}

/// The first use by the new id that is written down ends the former one.
pub async fn a_former_id_ends_when_the_new_one_was_used(store: Subject) {
    let bench = Bench::new(store);
    let (old, new) = with_grace(&bench, 30).await;
    let writes = [set("b", "2")];
    done(
        bench
            .apply(Commit {
                now: bench.at(1),
                writes: &writes,
                ..bench.commit(new, Step::Keep)
            })
            .await,
        "a commit by the new id",
    );
    bench.live(old, bench.at(1)).await;
    done(
        bench
            .apply(Commit {
                now: bench.at(1),
                lease: Some(bench.lease(1)),
                ..bench.commit(new, Step::Keep)
            })
            .await,
        "a refresh by the new id",
    );
    bench
        .assert_ended(
            old,
            bench.start,
            bench.at(1),
            "a use by the new id ends the former one",
        )
        .await;
    gone(
        bench
            .apply(Commit {
                now: bench.at(1),
                ..bench.commit(old, Step::Keep)
            })
            .await,
        "a commit by a former id that has ended",
    );
    assert!(
        !bench.live(new, bench.at(1)).await.meta.former_id_works,
        "the session says so"
    );
}

/// A former id cannot renew the session, and a second renewal ends the first former id.
pub async fn a_former_id_cannot_renew_and_ends_with_the_next_renewal(store: Subject) {
    let bench = Bench::new(store);
    let (first, second) = with_grace(&bench, 30).await;
    let third = fresh();
    let step = Step::Renew {
        to: third,
        former_works_until: Some(bench.at(40)),
    };
    gone(
        bench.apply(bench.commit(first, step)).await,
        "a renewal by a former id",
    );
    bench.live(second, bench.start).await;
    done(
        bench.apply(bench.commit(second, step)).await,
        "a renewal by the current id",
    );
    bench
        .assert_ended(
            first,
            bench.start,
            bench.start,
            "the next renewal ends the former id before it",
        )
        .await;
    assert!(
        bench.live(second, bench.start).await.by_former_id,
        "and its own works"
    );
    assert_eq!(
        bench.fields(third, bench.start).await,
        map([("a", "1")]),
        "the session is under the third id"
    );
}

/// Destroying by a former id in its grace ends the session, and destroying by the current one ends both.
pub async fn destroy_ends_a_session_under_all_its_ids(store: Subject) {
    let bench = Bench::new(store);
    for by_former in [true, false] {
        let (old, new) = with_grace(&bench, 30).await;
        let id = if by_former { old } else { new };
        done(
            bench
                .apply(Commit {
                    now: bench.at(1),
                    ..bench.commit(id, Step::Destroy)
                })
                .await,
            "a session can be destroyed by an id that works",
        );
        bench
            .assert_ended(
                new,
                bench.at(1),
                bench.at(1),
                "a destroyed session is `Ended`",
            )
            .await;
        bench
            .assert_ended(
                old,
                bench.at(1),
                bench.at(1),
                "its former id is `Ended` as well, with the session",
            )
            .await;
    }
}

/// A former id ends with the session that it belongs to, and does not outlive it by its grace.
pub async fn a_former_id_does_not_outlive_the_session(store: Subject) {
    let bench = Bench::new(store);
    let (old, new) = (bench.session(&[]).await, fresh());
    let step = Step::Renew {
        to: new,
        former_works_until: Some(bench.at(30)),
    };
    let lease = Lease {
        idle_deadline: bench.at(10),
        ..bench.lease(0)
    };
    done(
        bench
            .apply(Commit {
                lease: Some(lease),
                ..bench.commit(old, step)
            })
            .await,
        "a session can be renewed with a grace",
    );
    bench.live(old, bench.at(9)).await;
    bench
        .assert_dead(old, bench.at(10), "a former id is dead when the session is")
        .await;
    bench.sweep(bench.at(10)).await;
    bench
        .assert_dead(old, bench.at(10), "and stays so when the session was swept")
        .await;
    gone(
        bench
            .apply(Commit {
                now: bench.at(10),
                ..bench.commit(old, Step::Keep)
            })
            .await,
        "a commit by the former id of a dead session",
    );
    exists(
        bench
            .apply(Commit {
                now: bench.at(10),
                ..bench.commit(old, bench.create())
            })
            .await,
        "a create under a former id",
    );
    let loaded = bench.load(new, Select::Nothing, bench.at(10)).await;
    assert!(
        !matches!(loaded, crate::store::Loaded::Live(_)),
        "and the session is dead"
    );
}
