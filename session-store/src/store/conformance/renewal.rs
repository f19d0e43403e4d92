//! Another id for the same session, and the grace of the former one.

use super::kit::*;
use crate::store::{Commit, Digest, Lease, Step};

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
