//! Being born, living until the deadline, and staying dead.

use super::kit::*;
use crate::store::{Commit, ENDED_IS_REMEMBERED, Fields, Loaded, Select, Step};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);

/// A session that was created is there, with its fields and times; one that was not is missing.
pub async fn a_created_session_is_there_with_its_fields_and_times(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1"), set("b", "2")]).await;
    let snapshot = bench.live(id, bench.start).await;
    assert_eq!(
        snapshot.meta.created, bench.start,
        "a session keeps the time it was created with"
    );
    assert_eq!(
        snapshot.meta.lease,
        bench.lease(0),
        "a session has the lease it was created with"
    );
    assert!(
        !snapshot.meta.former_id_works && !snapshot.by_former_id,
        "a new session has no former id"
    );
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("a", "1"), ("b", "2")]),
        "a session has the fields it was created with"
    );
    let loaded = bench.load(fresh(), Select::All, bench.start).await;
    assert!(
        matches!(loaded, Loaded::Missing),
        "a digest that was never used is `Missing`, not {loaded:?}"
    );
}

/// A session that is copied keeps the time it was made, which is not the time of the commit.
pub async fn a_session_keeps_the_time_that_it_was_made(store: Subject) {
    let bench = Bench::new(store);
    let id = fresh();
    let mut commit = bench.commit(id, bench.create());
    commit.now = bench.at(100);
    done(
        bench.apply(commit).await,
        "a session is created with an earlier time of making",
    );
    let created = bench.live(id, bench.at(100)).await.meta.created;
    assert_eq!(
        created, bench.start,
        "`created` is what the step says, not the time of the commit"
    );
}

/// Creating under a digest that lives is refused, and changes nothing (requirement S07).
pub async fn create_never_overwrites_a_session(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1")]).await;
    let writes = [set("a", "2"), set("b", "2")];
    let mut commit = bench.commit(id, bench.create());
    commit.lease = Some(bench.lease(50));
    commit.writes = &writes;
    commit.clear = true;
    exists(
        bench.apply(commit).await,
        "create never overwrites a session",
    );
    assert_eq!(
        bench.fields(id, bench.start).await,
        map([("a", "1")]),
        "a refused create changes no field"
    );
    assert_eq!(
        bench.live(id, bench.start).await.meta.lease,
        bench.lease(0),
        "a refused create changes no deadline"
    );
}

/// Creating under a digest that was destroyed or renewed is refused: the dead stay dead.
pub async fn create_never_revives_an_ended_session(store: Subject) {
    let bench = Bench::new(store);
    let destroyed = bench.session(&[]).await;
    done(
        bench.apply(bench.commit(destroyed, Step::Destroy)).await,
        "a session can be destroyed",
    );
    let renewed = bench.session(&[]).await;
    let step = Step::Renew {
        to: fresh(),
        former_works_until: None,
    };
    done(
        bench.apply(bench.commit(renewed, step)).await,
        "a session can be renewed",
    );
    for (id, what) in [(destroyed, "destroyed"), (renewed, "renewed")] {
        exists(
            bench.apply(bench.commit(id, bench.create())).await,
            &format!("create never revives a {what} session"),
        );
        bench
            .assert_ended(
                id,
                bench.start,
                bench.start,
                &format!("a {what} session is remembered"),
            )
            .await;
    }
}

/// A commit on a session that is not there is `Gone`, and makes nothing (requirement S03).
pub async fn a_commit_on_nothing_is_gone_and_makes_nothing(store: Subject) {
    let bench = Bench::new(store);
    let to = fresh();
    for step in [
        Step::Keep,
        Step::Destroy,
        Step::Renew {
            to,
            former_works_until: None,
        },
    ] {
        let id = fresh();
        let writes = [set_indexed("a", "1", "entry")];
        let commit = Commit {
            writes: if step == Step::Destroy { &[] } else { &writes },
            lease: Some(bench.lease(0)),
            ..bench.commit(id, step)
        };
        gone(
            bench.apply(commit).await,
            "a commit on a session that is not there",
        );
        let loaded = bench.load(id, Select::All, bench.start).await;
        assert!(
            matches!(loaded, Loaded::Missing),
            "a commit on nothing leaves nothing, not {loaded:?}"
        );
    }
    bench
        .assert_dead(to, bench.start, "renewing nothing makes nothing")
        .await;
    assert!(
        bench.found("a", b"entry", bench.start).await.is_empty(),
        "a commit on nothing leaves no index entry"
    );
}

/// Destroying removes every field and leaves a mark; nothing brings the session back (requirement L03).
pub async fn destroy_ends_a_session_for_good(store: Subject) {
    let bench = Bench::new(store);
    let id = bench
        .session(&[set("a", "1"), set_indexed("b", "2", "entry")])
        .await;
    let destroy = Commit {
        now: bench.at(5),
        ..bench.commit(id, Step::Destroy)
    };
    done(bench.apply(destroy).await, "a session can be destroyed");
    bench
        .assert_ended(
            id,
            bench.at(5),
            bench.at(5),
            "a destroyed session is `Ended`",
        )
        .await;
    let writes = [set("a", "2")];
    for step in [
        Step::Keep,
        Step::Destroy,
        Step::Renew {
            to: fresh(),
            former_works_until: None,
        },
    ] {
        let commit = Commit {
            now: bench.at(6),
            lease: Some(bench.lease(6)),
            writes: if step == Step::Destroy { &[] } else { &writes },
            ..bench.commit(id, step)
        };
        gone(bench.apply(commit).await, "a commit on a destroyed session");
    }
    bench
        .assert_ended(
            id,
            bench.at(5),
            bench.at(6),
            "a destroyed session stays `Ended`",
        )
        .await;
    assert!(
        bench.found("b", b"entry", bench.at(6)).await.is_empty(),
        "a destroyed session is not found"
    );
}

/// That a session was ended on purpose is remembered for an hour, whatever is swept meanwhile.
pub async fn the_end_of_a_session_is_remembered(store: Subject) {
    let bench = Bench::new(store);
    let destroyed = bench.session(&[set("a", "1")]).await;
    done(
        bench.apply(bench.commit(destroyed, Step::Destroy)).await,
        "a session can be destroyed",
    );
    let renewed = bench.session(&[set("a", "1")]).await;
    let step = Step::Renew {
        to: fresh(),
        former_works_until: None,
    };
    done(
        bench.apply(bench.commit(renewed, step)).await,
        "a session can be renewed",
    );
    let last = bench.start.after(ENDED_IS_REMEMBERED - TICK);
    bench.sweep(last).await;
    for id in [destroyed, renewed] {
        bench
            .assert_ended(
                id,
                bench.start,
                last,
                "the end of a session is remembered for an hour",
            )
            .await;
        exists(
            bench
                .apply(Commit {
                    now: last,
                    ..bench.commit(id, bench.create())
                })
                .await,
            "what is remembered is not created anew",
        );
    }
}

/// Whether a session lives can be asked without reading a field.
pub async fn a_session_can_be_asked_for_without_its_fields(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "1")]).await;
    match bench.load(id, Select::Nothing, bench.start).await {
        Loaded::Live(snapshot) => {
            assert!(
                matches!(snapshot.fields, Fields::Nothing),
                "`Select::Nothing` is answered by `Fields::Nothing`"
            );
            assert_eq!(
                snapshot.meta.lease,
                bench.lease(0),
                "the times come with it"
            );
        }
        other => panic!("a session that lives is `Live`, not {other:?}"),
    }
}
