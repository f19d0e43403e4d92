//! Concurrency: nothing is lost, no commit is seen in part, and exactly one wins where only one can.

use super::kit::*;
use crate::{Bytes, Clear, Commit, Loaded, Outcome, Select, Step};

const THREADS: usize = 8;

/// Prevents two visitors from sharing a session: of any number of creates under one digest, one wins.
pub async fn one_of_many_creates_wins(store: Subject) {
    let case = Case::new(store);
    for _ in 0..20 {
        let id = fresh();
        let commit = case.commit(id, case.create());
        let won = case.race(THREADS, move |store, n| async move {
            let writes = [set("by", n.to_string())];
            match store.commit(commit.with_writes(&writes)).await {
                Ok(Outcome::Done(_)) => Some(n.to_string()),
                Ok(Outcome::Exists) => None,
                other => panic!("a create among others is `Done` or `Exists`, not {other:?}"),
            }
        });
        let won: Vec<_> = won.await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "one of many creates wins");
        assert_eq!(
            case.fields(id, case.start).await["by"],
            won[0].as_bytes(),
            "and its fields are there"
        );
    }
}

/// Prevents a session from having two ids, or none: of any number of renewals of one session, one wins, also if they
/// have the same new id.
pub async fn one_of_many_renewals_wins(store: Subject) {
    let case = Case::new(store);
    for round in 0..20 {
        let old = case.session(&[set("a", "1")]).await;
        let meeting = case.renewed(old);
        let news: Vec<_> = (0..THREADS)
            .map(|n| match (round + n) % 3 {
                0 => meeting,
                _ => case.renewed(old),
            })
            .collect();
        let (commit, lease) = (case.commit(old, Step::keep(None)), case.lease(0));
        let targets = news.clone();
        let won = case.race(THREADS, move |store, n| {
            let to = targets[n];
            async move {
                let step = Step::renew(to, lease, None);
                match store.commit(Commit { step, ..commit }).await {
                    Ok(Outcome::Done(_)) => Some(to),
                    Ok(Outcome::Gone | Outcome::Exists) => None,
                    other => panic!("a renewal among others is not {other:?}"),
                }
            }
        });
        let won: Vec<_> = won.await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "one of many renewals wins");
        for id in news {
            match id == won[0] {
                true => assert_eq!(
                    case.fields(id, case.start).await,
                    map([("a", "1")]),
                    "the session is under the id that won"
                ),
                false => case.assert_dead(id, case.start, "an id that lost").await,
            }
        }
        let promise = "the id that all of them renewed";
        case.assert_ended(old, case.start, case.start, promise)
            .await;
    }
}

/// Prevents a one-time code from working twice: of any number of commits that take a field if it is still present, one
/// succeeds (requirement F03).
pub async fn one_of_many_takers_gets_a_field(store: Subject) {
    let case = Case::new(store);
    for _ in 0..20 {
        let id = case.session(&[set("code", "123")]).await;
        let commit = case.commit(id, Step::keep(None));
        let takers = case.race(THREADS, move |store, _| async move {
            let (guards, writes) = ([guard("code", Some(b"123"))], [remove("code")]);
            let take = commit.with_guards(&guards).with_writes(&writes);
            match store.commit(take).await {
                Ok(Outcome::Done(_)) => 1,
                Ok(Outcome::Conflict(found)) if found == [None] => 0,
                other => panic!(
                    "taking among others is `Done`, or a conflict with nothing, not {other:?}"
                ),
            }
        });
        assert_eq!(
            takers.await.into_iter().sum::<i32>(),
            1,
            "exactly one of many takers gets a field"
        );
    }
}

/// Prevents an `update` from being lost (requirement F02): no update is lost if each is retried on the values that a
/// conflict returns.
pub async fn guarded_updates_lose_nothing(store: Subject) {
    const EACH: usize = 20;
    let case = Case::new(store);
    let id = case.session(&[]).await;
    let commit = case.commit(id, Step::keep(None));
    let all = case.race(THREADS, move |store, thread| async move {
        let mut seen: Option<Bytes> = None;
        for _ in 0..EACH {
            loop {
                let mut next = seen.as_deref().unwrap_or_default().to_vec();
                next.push(thread as u8);
                let guards = [guard("log", seen.as_deref())];
                let writes = [set("log", &next)];
                let update = commit.with_guards(&guards).with_writes(&writes);
                match store.commit(update).await {
                    Ok(Outcome::Done(_)) => {
                        seen = Some(Bytes::from(next));
                        break;
                    }
                    Ok(Outcome::Conflict(mut found)) => seen = found.remove(0),
                    other => panic!("a guarded commit is `Done` or `Conflict`, not {other:?}"),
                }
            }
        }
    });
    all.await;
    let log = &case.fields(id, case.start).await["log"];
    for thread in 0..THREADS {
        let count = log.iter().filter(|by| usize::from(**by) == thread).count();
        assert_eq!(count, EACH, "no guarded update is lost");
    }
}

/// Prevents requests that change different fields of one session from undoing each other (requirement F01).
pub async fn commits_of_different_fields_lose_nothing(store: Subject) {
    const EACH: usize = 20;
    let case = Case::new(store);
    let id = case.session(&[]).await;
    let commit = case.commit_at(1, id, used());
    let all = case.race(THREADS, move |store, thread| async move {
        for n in 0..EACH {
            let writes = [set(&format!("{thread}.{n}"), n.to_string())];
            let answer = store.commit(commit.with_writes(&writes)).await;
            done(answer.expect("a commit"), "a commit among others");
        }
    });
    all.await;
    assert_eq!(
        case.fields(id, case.start).await.len(),
        THREADS * EACH,
        "no field is lost"
    );
    assert_eq!(
        case.lease_of(id, case.start).await,
        case.lease(1),
        "nor the use"
    );
}

/// Prevents a request from seeing half of another request's commit (requirement F04).
pub async fn a_reader_sees_a_commit_whole(store: Subject) {
    const WRITES: usize = 100;
    let case = Case::new(store);
    let id = case.session(&[set("a", "0"), set("b", "0")]).await;
    let (commit, now) = (case.commit(id, Step::keep(None)), case.start);
    let all = case.race(4, move |store, thread| async move {
        for n in 0..WRITES {
            if thread < 2 {
                let value = format!("{thread}.{n}");
                let writes = [set("a", &value), set("b", &value)];
                let clear = [Clear::Nothing, Clear::Everything][n % 2];
                let commit = commit.with_clear(clear).with_writes(&writes);
                done(
                    store.commit(commit).await.expect("a commit"),
                    "a commit among readers",
                );
                continue;
            }
            let names = ["a", "b"];
            let select = match thread {
                2 => Select::All,
                _ => Select::Names(&names),
            };
            let Ok(Loaded::Live(snapshot)) = store.load(id, select, now).await else {
                panic!("a session that lives can be loaded");
            };
            let values = snapshot.fields.values(&names).unwrap_or_default();
            assert_eq!(values.len(), 2, "both fields are returned");
            assert!(values[0].is_some(), "both fields are there");
            assert_eq!(values[0], values[1], "a reader sees a commit whole");
        }
    });
    all.await;
}

/// Prevents a request in flight from reviving a session that is destroyed meanwhile: the session is gone with all its
/// fields (requirement L03).
pub async fn a_destroy_among_writers_leaves_nothing_behind(store: Subject) {
    let case = Case::new(store);
    for _ in 0..10 {
        let entry = case.entry("seven");
        let id = case.session(&[set_indexed("user", "7", &entry)]).await;
        let commit = case.commit(id, Step::keep(None));
        let by = entry.clone();
        let all = case.race(THREADS, move |store, thread| {
            let by = by.clone();
            async move {
                for n in 0..10 {
                    let writes = [
                        set_indexed("user", n.to_string(), &by),
                        set(&format!("{thread}.{n}"), "1"),
                    ];
                    let mut commit = commit.with_writes(&writes);
                    if thread == 0 && n == 3 {
                        (commit.step, commit.writes) = (Step::Destroy, &[]);
                    }
                    match store.commit(commit).await {
                        Ok(Outcome::Done(_) | Outcome::Gone) => {}
                        other => {
                            panic!("a commit beside a destroy is `Done` or `Gone`, not {other:?}")
                        }
                    }
                }
            }
        });
        all.await;
        let promise = "no writer brings a destroyed session back";
        case.assert_ended(id, case.start, case.start, promise).await;
        assert!(
            case.found("user", &entry, case.start).await.is_empty(),
            "and it is not found"
        );
        exists(
            case.apply(case.commit(id, case.create())).await,
            "nor can it be created",
        );
    }
}

/// Prevents a renewal from losing what was stored before it, and a late request from writing to an id that has ended
/// (requirement L01).
pub async fn a_renewal_among_writers_loses_nothing(store: Subject) {
    let case = Case::new(store);
    for _ in 0..10 {
        let old = case.session(&[]).await;
        let new = case.renewed(old);
        let commit = case.commit(old, Step::keep(None));
        let renewal = case.commit(old, case.renew(new));
        let stored = case.race(THREADS, move |store, thread| async move {
            let mut stored = Vec::new();
            for n in 0..10 {
                if thread == 0 && n == 3 {
                    done(
                        store.commit(renewal).await.expect("a commit"),
                        "a renewal among writers",
                    );
                }
                let field = format!("{thread}.{n}");
                let writes = [set(&field, "1")];
                match store.commit(commit.with_writes(&writes)).await {
                    Ok(Outcome::Done(_)) => stored.push(field),
                    Ok(Outcome::Gone) => {}
                    other => {
                        panic!("a commit beside a renewal is `Done` or `Gone`, not {other:?}")
                    }
                }
            }
            stored
        });
        let mut stored: Vec<_> = stored.await.into_iter().flatten().collect();
        stored.sort_unstable();
        let fields: Vec<_> = case.fields(new, case.start).await.into_keys().collect();
        assert_eq!(
            fields, stored,
            "the renewed session has the fields stored before, and no others"
        );
    }
}
