//! Listing, sweeping, copying, closing.

use super::kit::*;
use crate::{
    error::ErrorKind,
    store::{
        self, Commit, Digest, ENDED_IS_REMEMBERED, Lease, MemoryStore, Outcome, Select, Step, Swept,
    },
};
use std::{sync::Arc, time::Duration};

/// Page by page, every session that lives is listed once, in order.
pub async fn pages_list_every_live_session_once_and_in_order(store: Subject) {
    let bench = Bench::new(store);
    let mut expected = Vec::new();
    for _ in 0..25 {
        expected.push(bench.session(&[set("a", "1")]).await);
    }
    expected.sort_unstable();
    let ended = bench.session(&[]).await;
    done(
        bench.apply(bench.commit(ended, Step::Destroy)).await,
        "a session can be destroyed",
    );
    let expired = fresh();
    let lease = Lease {
        idle_deadline: bench.at(1),
        ..bench.lease(0)
    };
    done(
        bench
            .apply(Commit {
                lease: Some(lease),
                ..bench.commit(expired, bench.create())
            })
            .await,
        "a short session",
    );
    let renewed = expected[3];
    let new = fresh();
    let step = Step::Renew {
        to: new,
        former_works_until: Some(bench.at(60)),
    };
    done(
        bench.apply(bench.commit(renewed, step)).await,
        "a session can be renewed",
    );
    expected.retain(|id| *id != renewed);
    expected.push(new);
    expected.sort_unstable();
    for limit in [1, 7, 25, 1000] {
        let mut listed: Vec<Digest> = Vec::new();
        loop {
            let after = listed.last().copied();
            let page = bench
                .store
                .page(after, limit, bench.at(2))
                .await
                .expect("a page is listed");
            assert!(page.len() <= limit, "a page has at most `limit` digests");
            listed.extend(&page);
            if page.len() < limit {
                break;
            }
            assert!(listed.len() <= 2 * expected.len(), "pages come to an end");
        }
        assert_eq!(
            listed, expected,
            "pages of {limit} list every live session once, in ascending order"
        );
    }
    let none = bench
        .store
        .page(None, 0, bench.start)
        .await
        .expect("an empty page is listed");
    assert!(none.is_empty(), "a page of at most 0 is empty");
}

/// A sweep removes what is dead, up to its limit, and nothing that lives (requirement F08).
pub async fn a_sweep_removes_only_the_dead(store: Subject) {
    let bench = Bench::new(store);
    let short = |seconds| Lease {
        idle_deadline: bench.at(seconds),
        ..bench.lease(0)
    };
    let mut dying = Vec::new();
    for n in 0..10 {
        let id = fresh();
        let writes = [set_indexed("user", n.to_string(), "seven")];
        done(
            bench
                .apply(Commit {
                    lease: Some(short(60)),
                    writes: &writes,
                    ..bench.commit(id, bench.create())
                })
                .await,
            "a short session",
        );
        dying.push(id);
    }
    let refreshed = dying[0];
    let lease = Lease {
        idle_deadline: bench.at(120),
        ..bench.lease(1)
    };
    done(
        bench
            .apply(Commit {
                now: bench.at(1),
                lease: Some(lease),
                ..bench.commit(refreshed, Step::Keep)
            })
            .await,
        "a refresh",
    );
    let lasting = bench.session(&[set("a", "1")]).await;
    let early = bench
        .sweep(bench.start.after(Duration::from_millis(59_999)))
        .await;
    assert_eq!(early, 0, "a sweep before the deadline removes nothing");
    for id in &dying {
        bench.live(*id, bench.at(59)).await;
    }
    let mut removed = 0;
    for _ in 0..100 {
        let swept = bench.store.sweep(bench.at(60), 4).await.expect("a sweep");
        assert!(
            swept.sessions <= 4,
            "a sweep removes no more than its limit"
        );
        removed += swept.sessions;
        if !swept.more {
            break;
        }
    }
    // A store that expires by itself removes none here.
    assert!(
        removed == 9 || removed == 0,
        "a sweep removes what is dead at its deadline and no more: {removed} of 9"
    );
    for id in dying.iter().filter(|id| **id != refreshed) {
        bench
            .assert_dead(*id, bench.at(60), "a session that was swept")
            .await;
        gone(
            bench
                .apply(Commit {
                    now: bench.at(60),
                    ..bench.commit(*id, Step::Keep)
                })
                .await,
            "a commit on a session that was swept",
        );
    }
    assert_eq!(
        bench.fields(refreshed, bench.at(60)).await,
        map([("user", "0")]),
        "a session that was refreshed is not swept"
    );
    assert_eq!(
        bench.fields(lasting, bench.at(60)).await,
        map([("a", "1")]),
        "a session that lives is not swept"
    );
    assert_eq!(
        bench.found("user", b"seven", bench.at(60)).await,
        [refreshed],
        "index entries go with what was swept"
    );
    bench.sweep(bench.at(120)).await;
    bench
        .assert_dead(
            refreshed,
            bench.at(120),
            "a session that was refreshed is swept at its later deadline",
        )
        .await;
    let nothing = bench
        .store
        .sweep(bench.at(120), 100)
        .await
        .expect("a sweep");
    assert_eq!(
        nothing,
        Swept::default(),
        "a sweep after a sweep finds nothing"
    );
    bench.sweep(bench.at(120).after(ENDED_IS_REMEMBERED)).await;
    bench.live(lasting, bench.at(120)).await;
}

/// Sessions copied to another store have their ids, times and fields there; those known there are left alone.
pub async fn sessions_can_be_copied_to_another_store(store: Subject) {
    let bench = Bench::new(store);
    let kept = bench.session(&[set("a", "1"), set("b", "2")]).await;
    let known = bench.session(&[set("a", "here")]).await;
    let ended = bench.session(&[]).await;
    done(
        bench.apply(bench.commit(ended, Step::Destroy)).await,
        "a session can be destroyed",
    );
    let there = Bench {
        store: Arc::new(MemoryStore::new()),
        start: bench.start,
    };
    let writes = [set("a", "there")];
    done(
        there
            .apply(Commit {
                writes: &writes,
                ..there.commit(known, there.create())
            })
            .await,
        "a session in the other store",
    );
    for (from, to, copied) in [(&bench, &there, 1), (&bench, &there, 0)] {
        let count = store::copy(&*from.store, &*to.store, &[], bench.start)
            .await
            .expect("sessions are copied");
        assert_eq!(
            count, copied,
            "sessions are copied that the other store does not know"
        );
    }
    assert_eq!(
        there.fields(kept, bench.start).await,
        map([("a", "1"), ("b", "2")]),
        "a copied session has its fields"
    );
    assert_eq!(
        there.live(kept, bench.start).await.meta,
        bench.live(kept, bench.start).await.meta,
        "a copied session has its times"
    );
    assert_eq!(
        there.fields(known, bench.start).await,
        map([("a", "there")]),
        "a session that is known is left alone"
    );
    there
        .assert_dead(ended, bench.start, "an ended session is not copied")
        .await;
    let new = there.session(&[set("c", "3")]).await;
    let count = store::copy(&*there.store, &*bench.store, &[], bench.start)
        .await
        .expect("sessions are copied back");
    assert_eq!(count, 1, "and back");
    assert_eq!(
        bench.fields(new, bench.start).await,
        map([("c", "3")]),
        "with their fields"
    );
}

/// A store that was closed answers every call with an error, but can be closed again.
pub async fn a_closed_store_answers_with_errors(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1")]).await;
    for _ in 0..2 {
        bench
            .store
            .close()
            .await
            .expect("a store can be closed, again too");
        let answers = [
            bench.store.load(id, Select::All, bench.start).await.err(),
            bench.store.commit(bench.commit(id, Step::Keep)).await.err(),
            bench
                .store
                .commit(bench.commit(fresh(), bench.create()))
                .await
                .err(),
            bench.store.find("a", b"1", bench.start).await.err(),
            bench.store.page(None, 1, bench.start).await.err(),
            bench.store.sweep(bench.start, 1).await.err(),
        ];
        for (n, error) in answers.into_iter().enumerate() {
            let error = error
                .unwrap_or_else(|| panic!("a closed store answered call {n} without an error"));
            assert_eq!(
                error.kind(),
                ErrorKind::Store,
                "a closed store is an error of the store"
            );
        }
    }
}

/// Commits that were under way when the store was closed are answered: stored, or refused.
pub async fn closing_waits_for_commits_in_flight(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[]).await;
    let commit = bench.commit(id, Step::Keep);
    let answers = bench.race(5, move |store, thread| {
        let commit = commit.clone();
        async move {
            if thread == 4 {
                store.close().await.expect("a store can be closed");
            }
            for n in 0..50 {
                let writes = [set(&thread.to_string(), n.to_string())];
                match store
                    .commit(Commit {
                        writes: &writes,
                        ..commit.clone()
                    })
                    .await
                {
                    Ok(Outcome::Done) => {}
                    Err(error) if error.kind() == ErrorKind::Store => return,
                    other => panic!(
                        "a commit while the store is closed is stored or refused, not {other:?}"
                    ),
                }
            }
        }
    });
    answers.await;
    let late = bench.store.load(id, Select::Nothing, bench.start).await;
    assert!(
        late.is_err(),
        "a closed store answers with errors, not {late:?}"
    );
}
