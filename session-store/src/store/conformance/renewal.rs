//! A new id for the same session.

use super::kit::*;
use crate::{Lease, Step};

/// Prevents an id from working on after a change of privilege (requirement L01): a renewal gives the session another id
/// and keeps its contents, and the old id is dead in the same step.
pub async fn renew_moves_a_session_whole_and_ends_its_id(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("entry");
    let old = case
        .session(&[set("a", "1"), set_indexed("b", "2", &entry), set("c", "3")])
        .await;
    let new = case.renewed(old);
    let writes = [set("a", "x"), remove("c"), set("d", "4")];
    let lease = case.lease(5);
    case.warm(old).await;
    let renewal = case.commit_at(5, old, Step::renew(new, lease, None));
    case.done(renewal.with_writes(&writes), "a session can be renewed")
        .await;
    assert_eq!(
        case.fields(new, case.at(5)).await,
        map([("a", "x"), ("b", "2"), ("d", "4")]),
        "a renewed session has its fields, with the writes of the same commit"
    );
    let snapshot = case.live(new, case.at(5)).await;
    assert_eq!(
        snapshot.meta.created, case.start,
        "a renewed session keeps its time of creation"
    );
    assert_eq!(
        snapshot.meta.lease, lease,
        "a renewed session has the new lease"
    );
    assert!(
        !snapshot.meta.former_id_works,
        "without a grace the former id does not work"
    );
    let promise = "the id of a renewed session is `Ended`";
    case.assert_ended(old, case.at(5), case.at(5), promise)
        .await;
    for step in [
        Step::keep(None),
        used(),
        Step::Destroy,
        case.renew(case.renewed(old)),
    ] {
        gone(
            case.apply(case.commit_at(6, old, step)).await,
            "a commit by the id that a session had",
        );
    }
    assert_eq!(
        case.fields(new, case.at(6)).await.len(),
        3,
        "commits by the old id change nothing"
    );
}

/// Prevents a sign-in from leaving the deadlines where they were (requirement L05): a renewal restarts them, even if
/// the caller's clock is behind the last use.
pub async fn renew_always_brings_its_lease(store: Subject) {
    let case = Case::new(store);
    let old = case.session(&[]).await;
    case.done(case.commit_at(10, old, used()), "a use").await;
    let new = case.renewed(old);
    let lease = Lease {
        started: case.at(9),
        absolute_deadline: Some(case.at(500)),
        ..case.lease(9)
    };
    let renewal = case.commit_at(9, old, Step::renew(new, lease, None));
    case.done(renewal, "a session can be renewed").await;
    assert_eq!(
        case.lease_of(new, case.at(10)).await,
        lease,
        "the lease of a renewal always counts"
    );
}

/// Prevents a renewal from landing on another session: a renewal to a digest that is known already is refused, and
/// changes nothing (requirement S07).
pub async fn renew_never_overwrites(store: Subject) {
    let case = Case::new(store);
    let id = case.session(&[set("a", "1")]).await;
    // With the home of the first: a sharded store need not support any other.
    let [other, ended, expired] = [(); 3].map(|()| case.renewed(id));
    for (id, lease) in [
        (other, case.lease(0)),
        (ended, case.lease(0)),
        (expired, case.ending(5)),
    ] {
        let writes = [set("a", "2")];
        let create = case.commit(id, Step::create(case.start, lease));
        case.done(create.with_writes(&writes), "a session").await;
    }
    case.done(case.commit(ended, Step::Destroy), "a destroy")
        .await;
    let writes = [set("a", "3")];
    for (to, what) in [
        (other, "a live session"),
        (ended, "an ended session"),
        (expired, "a session that has expired and was not removed"),
        (id, "itself"),
    ] {
        let renewal = case.commit_at(6, id, case.renew(to)).with_writes(&writes);
        let outcome = case.apply(renewal).await;
        exists(outcome, &format!("renewing onto {what}"));
    }
    assert_eq!(
        case.fields(id, case.start).await,
        map([("a", "1")]),
        "a refused renewal changes nothing"
    );
    assert_eq!(
        case.fields(other, case.start).await,
        map([("a", "2")]),
        "a refused renewal overwrites nothing"
    );
    let promise = "a refused renewal revives nothing";
    case.assert_ended(ended, case.start, case.start, promise)
        .await;
}

/// Prevents half a renewal: if its guard fails, it did not happen.
pub async fn a_renewal_with_a_failed_guard_did_not_happen(store: Subject) {
    let case = Case::new(store);
    let old = case.session(&[set("a", "1")]).await;
    let new = case.renewed(old);
    let guards = [guard("a", Some(b"other"))];
    let renewal = case.commit(old, case.renew(new)).with_guards(&guards);
    let outcome = case.apply(renewal).await;
    assert!(
        matches!(outcome, crate::Outcome::Conflict(_)),
        "a renewal with a failed guard is a conflict, not {outcome:?}"
    );
    assert_eq!(
        case.fields(old, case.start).await,
        map([("a", "1")]),
        "the session is where it was"
    );
    case.assert_dead(new, case.start, "nothing is under the new id")
        .await;
}

/// Prevents a sharded store from losing a session: the home of a digest never changes, and a session stays at home
/// through any number of renewals.
pub async fn a_session_stays_at_home(store: Subject) {
    let case = Case::new(store);
    for _ in 0..8 {
        let mut id = case.session(&[set("a", "1")]).await;
        let home = case.store.home(id);
        for _ in 0..3 {
            let new = case.renewed(id);
            case.done(case.commit(id, case.renew(new)), "a renewal at home")
                .await;
            assert_eq!(case.store.home(new), home, "a home never changes");
            assert_eq!(
                case.store.home(id),
                home,
                "whatever happened to the session"
            );
            id = new;
        }
        assert_eq!(
            case.fields(id, case.start).await,
            map([("a", "1")]),
            "a session is found at home"
        );
    }
}
