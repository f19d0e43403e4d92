//! Many at once: nothing is lost, nothing is seen in halves, and one wins where one can.

use super::kit::*;
use crate::store::{Bytes, Commit, Fields, Loaded, Outcome, Select, Step};
use std::{
    pin::pin,
    task::{Context, Waker},
};

const THREADS: usize = 8;

/// Of any number of creates under one digest, one wins.
pub async fn one_of_many_creates_wins(store: Subject) {
    let bench = Bench::new(store);
    for _ in 0..20 {
        let id = fresh();
        let commit = bench.commit(id, bench.create());
        let won = bench.race(THREADS, move |store, n| {
            let commit = commit.clone();
            async move {
                let writes = [set("by", n.to_string())];
                match store
                    .commit(Commit {
                        writes: &writes,
                        ..commit
                    })
                    .await
                {
                    Ok(Outcome::Done) => Some(n.to_string()),
                    Ok(Outcome::Exists) => None,
                    other => panic!("a create among others is `Done` or `Exists`, not {other:?}"),
                }
            }
        });
        let won: Vec<_> = won.await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "one of many creates wins");
        assert_eq!(
            bench.fields(id, bench.start).await["by"],
            won[0].as_bytes(),
            "and its fields are there"
        );
    }
}

/// Of any number of commits that take a field if it is still there, one succeeds (requirement F03).
pub async fn one_of_many_takers_gets_a_field(store: Subject) {
    let bench = Bench::new(store);
    for _ in 0..20 {
        let id = bench.session(&[set("code", "123")]).await;
        let commit = bench.commit(id, Step::Keep);
        let takers = bench.race(THREADS, move |store, _| {
            let commit = commit.clone();
            async move {
                let (guards, writes) = ([guard("code", Some(b"123"))], [remove("code")]);
                match store
                    .commit(Commit {
                        guards: &guards,
                        writes: &writes,
                        ..commit
                    })
                    .await
                {
                    Ok(Outcome::Done) => 1,
                    Ok(Outcome::Conflict(found)) if found == [None] => 0,
                    other => panic!(
                        "taking among others is `Done`, or a conflict with nothing, not {other:?}"
                    ),
                }
            }
        });
        assert_eq!(
            takers.await.into_iter().sum::<i32>(),
            1,
            "exactly one of many takers gets a field"
        );
    }
}

/// Updates that are tried again on what a conflict tells lose nothing (requirement F02).
pub async fn guarded_updates_lose_nothing(store: Subject) {
    const EACH: usize = 20;
    let bench = Bench::new(store);
    let id = bench.session(&[]).await;
    let commit = bench.commit(id, Step::Keep);
    let all = bench.race(THREADS, move |store, thread| {
        let commit = commit.clone();
        async move {
            let mut seen: Option<Bytes> = None;
            for _ in 0..EACH {
                loop {
                    let mut next = seen.as_deref().unwrap_or_default().to_vec();
                    next.push(thread as u8);
                    let guards = [guard("log", seen.as_deref())];
                    let writes = [set("log", &next)];
                    match store
                        .commit(Commit {
                            guards: &guards,
                            writes: &writes,
                            ..commit.clone()
                        })
                        .await
                    {
                        Ok(Outcome::Done) => {
                            seen = Some(Bytes::from(next));
                            break;
                        }
                        Ok(Outcome::Conflict(mut found)) => seen = found.remove(0),
                        other => panic!("a guarded commit is `Done` or `Conflict`, not {other:?}"),
                    }
                }
            }
        }
    });
    all.await;
    let log = &bench.fields(id, bench.start).await["log"];
    for thread in 0..THREADS {
        let count = log.iter().filter(|by| usize::from(**by) == thread).count();
        assert_eq!(count, EACH, "no guarded update is lost");
    }
}

/// Commits that change different fields of one session do not disturb each other (requirement F01).
pub async fn commits_of_different_fields_lose_nothing(store: Subject) {
    const EACH: usize = 20;
    let bench = Bench::new(store);
    let id = bench.session(&[]).await;
    let commit = bench.commit(id, Step::Keep);
    let all = bench.race(THREADS, move |store, thread| {
        let commit = commit.clone();
        async move {
            for n in 0..EACH {
                let writes = [set(&format!("{thread}.{n}"), n.to_string())];
                let answer = store
                    .commit(Commit {
                        writes: &writes,
                        ..commit.clone()
                    })
                    .await;
                done(answer.expect("a commit"), "a commit among others");
            }
        }
    });
    all.await;
    assert_eq!(
        bench.fields(id, bench.start).await.len(),
        THREADS * EACH,
        "no field is lost"
    );
}

/// A reader sees a commit whole or not at all (requirement F04).
pub async fn a_reader_sees_a_commit_whole(store: Subject) {
    const WRITES: usize = 100;
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "0"), set("b", "0")]).await;
    let (commit, now) = (bench.commit(id, Step::Keep), bench.start);
    let all = bench.race(4, move |store, thread| {
        let commit = commit.clone();
        async move {
            for n in 0..WRITES {
                if thread < 2 {
                    let value = format!("{thread}.{n}");
                    let writes = [set("a", &value), set("b", &value)];
                    let answer = store
                        .commit(Commit {
                            writes: &writes,
                            ..commit.clone()
                        })
                        .await;
                    done(answer.expect("a commit"), "a commit among readers");
                    continue;
                }
                let names = ["a", "b"];
                let select = if thread == 2 {
                    Select::All
                } else {
                    Select::Names(&names)
                };
                let Ok(Loaded::Live(snapshot)) = store.load(id, select, now).await else {
                    panic!("a session that lives can be loaded");
                };
                let values: Vec<_> = match snapshot.fields {
                    Fields::All(all) => all.into_iter().map(|(_, value)| Some(value)).collect(),
                    fields => fields.named(&names).unwrap_or_default(),
                };
                assert_eq!(values.len(), 2, "both fields are there");
                assert_eq!(values[0], values[1], "a reader sees a commit whole");
            }
        }
    });
    all.await;
}

/// A session that is destroyed while others write to it is gone with all of it (requirement L03).
pub async fn a_destroy_among_writers_leaves_nothing_behind(store: Subject) {
    let bench = Bench::new(store);
    for _ in 0..10 {
        let id = bench.session(&[set_indexed("user", "7", "seven")]).await;
        let commit = bench.commit(id, Step::Keep);
        let all = bench.race(THREADS, move |store, thread| {
            let commit = commit.clone();
            async move {
                for n in 0..10 {
                    let writes = [
                        set_indexed("user", n.to_string(), "seven"),
                        set(&format!("{thread}.{n}"), "1"),
                    ];
                    let mut commit = Commit {
                        writes: &writes,
                        ..commit.clone()
                    };
                    if thread == 0 && n == 3 {
                        (commit.step, commit.writes) = (Step::Destroy, &[]);
                    }
                    match store.commit(commit).await {
                        Ok(Outcome::Done | Outcome::Gone) => {}
                        other => {
                            panic!("a commit beside a destroy is `Done` or `Gone`, not {other:?}")
                        }
                    }
                }
            }
        });
        all.await;
        bench
            .assert_ended(
                id,
                bench.start,
                bench.start,
                "no writer brings a destroyed session back",
            )
            .await;
        assert!(
            bench.found("user", b"seven", bench.start).await.is_empty(),
            "and it is not found"
        );
        exists(
            bench.apply(bench.commit(id, bench.create())).await,
            "nor can it be created",
        );
    }
}

/// What was stored before a session was renewed is in the renewed one, and what came too late is refused
/// (requirement L01).
pub async fn a_renewal_among_writers_loses_nothing(store: Subject) {
    let bench = Bench::new(store);
    for _ in 0..10 {
        let (old, new) = (bench.session(&[]).await, fresh());
        let commit = bench.commit(old, Step::Keep);
        let renewal = bench.commit(
            old,
            Step::Renew {
                to: new,
                former_works_until: None,
            },
        );
        let stored = bench.race(THREADS, move |store, thread| {
            let (commit, renewal) = (commit.clone(), renewal.clone());
            async move {
                let mut stored = Vec::new();
                for n in 0..10 {
                    if thread == 0 && n == 3 {
                        done(
                            store.commit(renewal.clone()).await.expect("a commit"),
                            "a renewal among writers",
                        );
                    }
                    let field = format!("{thread}.{n}");
                    let writes = [set(&field, "1")];
                    match store
                        .commit(Commit {
                            writes: &writes,
                            ..commit.clone()
                        })
                        .await
                    {
                        Ok(Outcome::Done) => stored.push(field),
                        Ok(Outcome::Gone) => {}
                        other => {
                            panic!("a commit beside a renewal is `Done` or `Gone`, not {other:?}")
                        }
                    }
                }
                stored
            }
        });
        let mut stored: Vec<_> = stored.await.into_iter().flatten().collect();
        stored.sort_unstable();
        let fields: Vec<_> = bench.fields(new, bench.start).await.into_keys().collect();
        assert_eq!(
            fields, stored,
            "the renewed session has what was stored before, and nothing else"
        );
    }
}

/// A future that is dropped before it answers has applied its commit whole or not at all.
pub async fn a_dropped_commit_is_whole_or_not_at_all(store: Subject) {
    let bench = Bench::new(store);
    let id = bench.session(&[set("a", "0"), set("b", "0")]).await;
    for n in 1..20 {
        let writes = [set("a", n.to_string()), set("b", n.to_string())];
        let commit = Commit {
            writes: &writes,
            ..bench.commit(id, Step::Keep)
        };
        {
            let mut future = pin!(bench.store.commit(commit));
            let _ = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        }
        // One read: the commit may still be on its way, and come between two.
        let names = [name("a"), name("b")];
        let values = bench.named(id, &names, bench.start).await;
        assert_eq!(
            values[0], values[1],
            "a dropped commit is whole or not at all"
        );
    }
    done(
        bench.write(id, &[set("a", "end")]).await,
        "a commit after dropped ones",
    );
    assert_eq!(
        bench.fields(id, bench.start).await["a"],
        b"end",
        "and it is the last"
    );
}
