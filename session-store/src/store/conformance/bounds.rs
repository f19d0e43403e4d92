//! How many fields a session may have, checked in the step that adds them.

use super::kit::*;
use crate::{Clear, Digest, Outcome, Select, Write};

fn fields(range: std::ops::Range<usize>) -> Vec<Write> {
    range.map(|n| set(&format!("f{n:03}"), "v")).collect()
}

async fn count(case: &Case, id: Digest) -> usize {
    case.fields(id, case.start).await.len()
}

fn too_many(outcome: Outcome, fields: usize, promise: &str) {
    assert_eq!(outcome, Outcome::TooMany(fields), "{promise}");
}

/// Prevents a session from growing for as long as a client sends requests, and a refused commit from being applied in
/// part.
pub async fn more_fields_than_are_allowed_are_refused_whole(store: Subject) {
    let case = Case::new(store);
    // Also for a session that is larger than a store may expect of a small one.
    for most in [3, 200] {
        let id = fresh();
        let create = case.commit(id, case.create()).with_max_fields(Some(most));
        let beyond = fields(0..most + 1);
        let refused = case.apply(create.with_writes(&beyond)).await;
        too_many(
            refused,
            most + 1,
            "a session is not created beyond the bound",
        );
        case.assert_dead(id, case.start, "a refused create makes nothing")
            .await;
        let all = fields(0..most);
        case.done(create.with_writes(&all), "as many as are allowed")
            .await;
        let keep = case.commit(id, used()).with_max_fields(Some(most));
        let writes = [set("f000", "x"), set("new", "1"), add_to("sum", one())];
        let refused = case.apply(keep.with_writes(&writes)).await;
        too_many(refused, most + 2, "fields are not added beyond the bound");
        let found = case.named(id, &["f000", "new", "sum"], case.start).await;
        assert_eq!(
            found,
            [Some(b"v".as_slice().into()), None, None],
            "a commit that is refused changes no field"
        );
        let renewed = case.renewed(id);
        let renew = case.commit(id, case.renew(renewed));
        let refused = case
            .apply(renew.with_max_fields(Some(most)).with_writes(&writes))
            .await;
        too_many(refused, most + 2, "nor by a renewal");
        case.live(id, case.start).await;
        let others = [
            set("f000", "y"),
            remove("absent"),
            remove("f001"),
            set("new", "1"),
        ];
        case.done(keep.with_writes(&others), "one is removed, and one added")
            .await;
        assert_eq!(count(&case, id).await, most, "the bound is reached");
        let anew = fields(500..500 + most);
        let cleared = keep.with_clear(Clear::Everything);
        let refused = case
            .apply(cleared.with_writes(&fields(500..501 + most)))
            .await;
        too_many(refused, most + 1, "cleared fields make room for as many");
        case.done(cleared.with_writes(&anew), "as many other fields")
            .await;
        let unbound = case.commit(id, used()).with_writes(&beyond);
        case.done(unbound, "a commit without a bound").await;
    }
}

fn one() -> crate::Add {
    crate::Add {
        delta: 1,
        range: crate::value::CounterRange { min: 0, max: 9 },
        base: 0,
        expires: None,
    }
}

/// Prevents a lowered bound from locking users out: their sessions can be read and changed, and may shrink.
pub async fn a_session_with_too_many_fields_may_change_and_shrink(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&fields(0..100)).await;
    let keep = case.commit(id, used()).with_max_fields(Some(10));
    let change = [set("f007", "x")];
    case.done(keep.with_writes(&change), "a field that is there changes")
        .await;
    let swap = [remove("f001"), set("new", "1")];
    case.done(keep.with_writes(&swap), "one is removed, and one added")
        .await;
    let refused = case.apply(keep.with_writes(&[set("another", "1")])).await;
    too_many(refused, 101, "it may not grow");
    let shrink: Vec<_> = (2..90).map(|n| remove(&format!("f{n:03}"))).collect();
    case.done(keep.with_writes(&shrink), "it may shrink").await;
    assert_eq!(count(&case, id).await, 12, "it has shrunk");
    case.done(keep, "a use is recorded").await;
}

/// Prevents two requests that each add a field from adding one too many: the count is checked in the step that adds.
pub async fn fields_stay_within_their_bound_under_races(store: Subject) {
    const MOST: usize = 10;
    let case = Case::new(store);
    let id = case.session(&[]).await;
    let start = case.start;
    let stored = case
        .race(4, move |store, thread| async move {
            let mut stored = 0;
            for n in 0..MOST {
                let writes = [set(&format!("t{thread}n{n}"), "v")];
                let commit = crate::Commit::new(id, start, used());
                let commit = commit.with_writes(&writes).with_max_fields(Some(MOST));
                match store.commit(commit).await {
                    Ok(Outcome::Done(_)) => stored += 1,
                    Ok(Outcome::TooMany(_)) => {}
                    other => panic!("a field is added or refused, not {other:?}"),
                }
                if let Ok(crate::Loaded::Live(snapshot)) = store.load(id, Select::All, start).await
                {
                    let all = snapshot.fields.into_all().unwrap_or_default();
                    assert!(all.len() <= MOST, "a reader sees no more than are allowed");
                }
            }
            stored
        })
        .await;
    assert_eq!(stored.iter().sum::<usize>(), MOST, "so many were stored");
    assert_eq!(count(&case, id).await, MOST, "and no more are there");
}
