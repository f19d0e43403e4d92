//! The grace of a former id: a renewal in the middle of a burst of requests loses nobody (requirement L07).

use super::kit::*;
use crate::store::{Commit, Digest, Lease, Loaded, Select, Step};

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
                "its former id is `Ended` as well",
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
        !matches!(loaded, Loaded::Live(_)),
        "and the session is dead"
    );
}
