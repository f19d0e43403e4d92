//! Deadlines: exact, moved by use, and enforced whether anything was swept or not.

use super::kit::*;
use crate::store::{Commit, Lease, Step};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);

/// A session lives strictly before the earlier of its deadlines, for reads and for commits (requirement L04).
pub async fn a_session_lives_strictly_before_its_deadline(store: Subject) {
    let bench = Bench::new(store);
    let idle = bench.lease(0);
    let absolute = Lease {
        absolute_deadline: Some(bench.at(60)),
        ..idle
    };
    for lease in [idle, absolute] {
        let id = fresh();
        let mut commit = bench.commit(id, bench.create());
        commit.lease = Some(lease);
        done(bench.apply(commit).await, "a session can be created");
        let end = lease.deadline();
        let last = bench.start.after(end.since(bench.start) - TICK);
        bench.live(id, last).await;
        let keep = Commit {
            now: last,
            ..bench.commit(id, Step::Keep)
        };
        done(
            bench.apply(keep).await,
            "a commit in the last millisecond before the deadline",
        );
        for late in [end, end.after(TICK)] {
            bench
                .assert_dead(id, late, "a session is dead from its deadline on")
                .await;
            let new = Some(Lease {
                idle_deadline: late.after(LIFE),
                seen: late,
                ..idle
            });
            for step in [
                Step::Keep,
                Step::Destroy,
                Step::Renew {
                    to: fresh(),
                    former_works_until: None,
                },
            ] {
                let commit = Commit {
                    now: late,
                    lease: new,
                    ..bench.commit(id, step)
                };
                gone(
                    bench.apply(commit).await,
                    "a commit at or after the deadline",
                );
            }
        }
        assert_eq!(
            bench.live(id, last).await.meta.lease,
            lease,
            "a commit after the deadline extends nothing"
        );
    }
}

/// A later use moves the deadlines, forth or back.
pub async fn a_lease_of_a_later_use_counts(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1")]).await;
    let longer = bench.lease(10);
    let shorter = Lease {
        idle_deadline: bench.at(100),
        ..bench.lease(20)
    };
    let same_use = Lease {
        absolute_deadline: Some(bench.at(90)),
        ..shorter
    };
    for lease in [longer, shorter, same_use] {
        let commit = Commit {
            now: lease.seen,
            lease: Some(lease),
            ..bench.commit(id, Step::Keep)
        };
        done(bench.apply(commit).await, "a refresh of a live session");
        assert_eq!(
            bench.live(id, lease.seen).await.meta.lease,
            lease,
            "a refresh stores its lease"
        );
    }
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("a", "1")]),
        "a refresh changes no field"
    );
    bench
        .assert_dead(
            id,
            bench.at(90),
            "a deadline that was moved back ends the session",
        )
        .await;
    bench.sweep(bench.at(89)).await;
    bench.live(id, bench.at(89)).await;
    bench.sweep(bench.at(90)).await;
    bench
        .assert_dead(
            id,
            bench.at(90),
            "a deadline that was moved back ends the session",
        )
        .await;
}

/// A lease of an earlier use is ignored, while the rest of the commit applies.
pub async fn a_lease_of_an_earlier_use_is_ignored(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[]).await;
    let late = Commit {
        now: bench.at(10),
        lease: Some(bench.lease(10)),
        ..bench.commit(id, Step::Keep)
    };
    done(bench.apply(late).await, "a refresh");
    let writes = [set("a", "1")];
    let overtaken = Lease {
        idle_deadline: bench.at(10_000_000),
        ..bench.lease(9)
    };
    let early = Commit {
        lease: Some(overtaken),
        writes: &writes,
        ..bench.commit(id, Step::Keep)
    };
    done(bench.apply(early).await, "a commit whose use was overtaken");
    assert_eq!(
        bench.live(id, bench.at(10)).await.meta.lease,
        bench.lease(10),
        "a lease of an earlier use is ignored"
    );
    assert_eq!(
        bench.fields(id, bench.at(10)).await,
        map([("a", "1")]),
        "its writes are not"
    );
}
