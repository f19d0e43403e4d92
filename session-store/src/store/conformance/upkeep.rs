//! Sweeping and closing.

use super::kit::*;
use crate::{ENDED_IS_REMEMBERED, ErrorKind, Outcome, Select, Step, Timestamp};

/// Prevents a clean-up from signing people out (requirement F08): a sweep removes dead sessions, up to its limit, and
/// no live one.
pub async fn a_sweep_removes_only_the_dead(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("seven");
    let mut dying = Vec::new();
    for n in 0..10 {
        let writes = [set_indexed("user", n.to_string(), &entry)];
        dying.push(case.session_with(case.ending(60), &writes).await);
    }
    let refreshed = dying.remove(0);
    let usage = crate::Use::new(
        crate::Timeouts::new(std::time::Duration::from_secs(119)),
        TICK,
    );
    case.done(
        case.commit_at(1, refreshed, Step::keep(Some(usage))),
        "a use",
    )
    .await;
    let lasting = case.session(&[set("a", "1")]).await;
    case.sweep(Timestamp::from_millis(case.at(60).as_millis() - 1))
        .await;
    for id in &dying {
        case.live(*id, case.at(59)).await;
    }
    for _ in 0..100_000 {
        let swept = case.store.sweep(case.at(60), 4).await.expect("a sweep");
        assert!(
            swept.sessions <= 4,
            "a sweep removes no more than its limit"
        );
        if !swept.more {
            break;
        }
    }
    for id in &dying {
        let promise = "a session that was swept";
        case.assert_dead(*id, case.at(60), promise).await;
        gone(
            case.apply(case.commit_at(60, *id, Step::keep(None))).await,
            "a commit on a session that was swept",
        );
    }
    assert_eq!(
        case.fields(refreshed, case.at(60)).await,
        map([("user", "0")]),
        "a session that was used is not swept"
    );
    assert_eq!(
        case.fields(lasting, case.at(60)).await,
        map([("a", "1")]),
        "a live session is not swept"
    );
    assert_eq!(
        case.found("user", &entry, case.at(60)).await,
        [refreshed],
        "index entries are removed with swept sessions"
    );
    case.sweep(case.at(120)).await;
    let promise = "a session that was used is swept at its later deadline";
    case.assert_dead(refreshed, case.at(120), promise).await;
    case.sweep(case.at(120).after(ENDED_IS_REMEMBERED)).await;
    case.live(lasting, case.at(120)).await;
}

/// Prevents a sweep from blocking for long where it should examine a few: with a limit of 0 it removes nothing, and
/// reports correctly whether there is more.
pub async fn a_sweep_of_nothing_removes_nothing(store: Subject) {
    let case = Case::new(store);
    let id = case.session_with(case.ending(60), &[]).await;
    let swept = case.store.sweep(case.at(60), 0).await.expect("a sweep");
    assert_eq!(swept.sessions, 0, "a sweep of at most 0 removes nothing");
    case.live(id, case.at(59)).await;
}

/// Prevents a closed store from reporting data that it can no longer read as missing, or from losing data: every call
/// returns an error, except that it can be closed again.
pub async fn a_closed_store_answers_with_errors(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1")]).await;
    let to = case.renewed(id);
    for _ in 0..2 {
        case.store
            .close()
            .await
            .expect("a store can be closed, again too");
        let now = case.start;
        let commit = |id, step| case.store.commit(case.commit(id, step));
        let limits = [limit("a", b"1", 1, crate::WhenFull::EndOldest)];
        let writes = [set_indexed("a", "1", "1")];
        let limited = case.commit(fresh(), case.create()).with_writes(&writes);
        let answers = [
            case.store.load(id, Select::All, now).await.err(),
            case.store.load(fresh(), Select::Nothing, now).await.err(),
            commit(id, Step::keep(None)).await.err(),
            commit(id, used()).await.err(),
            commit(id, Step::Destroy).await.err(),
            commit(id, case.renew(to)).await.err(),
            commit(fresh(), case.create()).await.err(),
            case.store.commit(limited.with_limits(&limits)).await.err(),
            case.store.find("a", b"1", None, 10, now).await.err(),
            case.store.page(None, 1, now).await.err(),
            case.store.sweep(now, 1).await.err(),
        ];
        for (n, error) in answers.into_iter().enumerate() {
            let error = error
                .unwrap_or_else(|| panic!("a closed store answered call {n} without an error"));
            assert_eq!(
                error.kind(),
                ErrorKind::Store,
                "a closed store is an error of the store"
            );
            assert!(
                !error.may_be_stored(),
                "a call to a closed store stores nothing"
            );
        }
    }
}

/// Prevents a restart from losing a commit (requirement F10): commits that were in flight when the store was closed
/// complete, stored or refused.
pub async fn closing_waits_for_commits_in_flight(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[]).await;
    let commit = case.commit(id, Step::keep(None));
    let answers = case.race(5, move |store, thread| async move {
        if thread == 4 {
            store.close().await.expect("a store can be closed");
        }
        for n in 0..50 {
            let writes = [set(&thread.to_string(), n.to_string())];
            match store.commit(commit.with_writes(&writes)).await {
                Ok(Outcome::Done(_)) => {}
                Err(error) if error.kind() == ErrorKind::Store => return,
                other => {
                    panic!("a commit while the store is closed is stored or refused, not {other:?}")
                }
            }
        }
    });
    answers.await;
    let late = case.store.load(id, Select::Nothing, case.start).await;
    assert!(late.is_err(), "a closed store returns errors, not {late:?}");
}
