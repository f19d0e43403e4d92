//! Commits whose result is lost: dropped by a client that went away, or cut off by a broken connection.

use super::{grace::with_grace, kit::*};
use crate::{
    Add, Bytes, Clear, Commit, Error, Loaded, Outcome, Select, Step, Store, StoreFuture, Wrapper,
    value::CounterRange,
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// The number of steps after which a commit is dropped, at most.
const STEPS: usize = 12;

/// Prevents half a commit of a cancelled request (requirement F06): a future that is dropped, after any number of
/// steps, has applied its commit whole or not at all.
pub async fn a_dropped_commit_is_whole_or_not_at_all(store: Subject) {
    let case = Case::new(store);
    let names = ["a", "b", "old"];
    let id = case.session(&[set("a", "0"), set("b", "0")]).await;
    for n in 1..4 * STEPS {
        let value = n.to_string();
        let writes = [set("a", &value), set("b", &value), add_to("n", one())];
        let clear = [Clear::Nothing, Clear::Fields][n % 2];
        let commit = case.commit_at(n as u64, id, used()).with_clear(clear);
        polled(n % STEPS, case.store.commit(commit.with_writes(&writes))).await;
        // A single read: the commit may still be in flight, and apply between two.
        let values = case.named(id, &names, case.start).await;
        assert!(
            values[0].is_some() && values[0] == values[1],
            "a dropped commit is whole or not at all"
        );
    }
    done(
        case.write(id, &[set("c", "end")]).await,
        "a commit after dropped ones",
    );
    let values = case.named(id, &names, case.start).await;
    assert_eq!(values[0], values[1], "the session works on");
}

/// Prevents a cancelled request from leaving a session half created, half renewed or half ended.
pub async fn a_dropped_step_is_whole_or_not_at_all(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("user");
    let fields = map([("a", "1"), ("b", "2")]);
    let writes = [set_indexed("a", "1", &entry), set("b", "2")];
    for steps in 0..STEPS {
        let create = case.commit(fresh(), case.create()).with_writes(&writes);
        polled(steps, case.store.commit(create)).await;
        let half = "a dropped create is whole or not at all";
        match case.load(create.id, Select::All, case.start).await {
            Loaded::Missing => {}
            Loaded::Live(_) => {
                assert_eq!(case.fields(create.id, case.start).await, fields, "{half}");
                let found = case.found("a", &entry, case.start).await;
                assert!(found.contains(&create.id), "{half}");
            }
            other @ Loaded::Ended(_) => panic!("{half}: it is {other:?}"),
        }

        let old = case.session(&writes).await;
        let new = case.renewed(old);
        polled(steps, case.store.commit(case.commit(old, case.renew(new)))).await;
        let half = "a dropped renewal is whole or not at all";
        // An end is permanent: later reads may see it although this one does not.
        match case.load(old, Select::All, case.start).await {
            Loaded::Live(snapshot) => {
                let all = snapshot.fields.into_all().map(|all| all.len());
                assert_eq!(all, Some(2), "{half}");
            }
            Loaded::Ended(_) => {
                assert_eq!(case.fields(new, case.start).await, fields, "{half}");
                let found = case.found("a", &entry, case.start).await;
                assert!(found.contains(&new) && !found.contains(&old), "{half}");
            }
            Loaded::Missing => panic!("{half}: the session is lost"),
        }

        let id = case.session(&writes).await;
        polled(steps, case.store.commit(case.commit(id, Step::Destroy))).await;
        let half = "a dropped destroy is whole or not at all";
        match case.load(id, Select::All, case.start).await {
            Loaded::Live(snapshot) => {
                let all = snapshot.fields.into_all().map(|all| all.len());
                assert_eq!(all, Some(2), "{half}");
            }
            Loaded::Ended(_) => {
                let found = case.found("a", &entry, case.start).await;
                assert!(!found.contains(&id), "{half}");
            }
            Loaded::Missing => panic!("{half}: its end is not remembered"),
        }
    }
}

/// Prevents one request that is held up elsewhere from holding up the others: a commit whose future is not dropped, but
/// not polled any more either, blocks no other call. A store may wait for it for a moment.
pub async fn a_held_commit_blocks_no_other_call(store: Subject) {
    const PATIENCE: Duration = Duration::from_secs(100);
    let case = Case::new(store);
    let entry = case.entry("user");
    let other = case.session(&[set_indexed("a", "1", &entry)]).await;
    let writes = [add_to("n", one()), set("b", "2")];
    let mut held = Vec::new();
    for steps in 0..STEPS {
        let (old, new) = with_grace(&case, 30).await;
        let late = case.commit(old, Step::keep(None)).with_writes(&writes);
        let mut commit = case.store.commit(late);
        if polled(steps, &mut commit).await.is_none() {
            held.push(commit);
        }
        let calls = async {
            let all = [(old, Step::keep(None)), (new, used()), (other, used())];
            for (id, step) in all {
                let commit = case.commit(id, step).with_writes(&writes);
                case.done(commit, "a commit beside a held one").await;
                case.live(id, case.start).await;
            }
            let found = case.found("a", &entry, case.start).await;
            assert_eq!(found, [other], "a look-up beside a held commit");
        };
        let over = timeout(PATIENCE, calls).await;
        over.expect("a held commit blocks other calls");
    }
}

/// Stores every commit, and loses every result.
struct LostAnswers(Subject);

impl Wrapper for LostAnswers {
    fn inner(&self) -> &dyn Store {
        &self.0
    }
    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::boxed(async move {
            self.0.commit(commit).await?;
            Err(Error::uncertain("waiting for a commit", "a lost answer"))
        })
    }
}

/// Prevents a commit from being applied twice (requirement F11): if its result is lost and it is repeated all the same,
/// a create finds the existing session, a guard finds the new value, an end finds an ended session, and a `set` has no
/// further effect.
pub async fn a_commit_that_is_repeated_is_not_applied_twice(store: Subject) {
    let case = Case::new(store);
    let lossy = LostAnswers(Arc::clone(&case.store));
    let lost = async |commit: Commit<'_>| {
        let error = Store::commit(&lossy, commit)
            .await
            .expect_err("the result is lost");
        assert!(error.may_be_stored(), "it may be stored");
    };
    let writes = [set("a", "1"), add_to("n", one())];
    let counter = add_to("n", one());
    let create = case.commit(fresh(), case.create()).with_writes(&writes);
    lost(create).await;
    let id = create.id;
    let before = case.fields(id, case.start).await;
    assert_eq!(before.len(), 2, "it was stored whole");
    exists(case.apply(create).await, "a create that is repeated");
    assert_eq!(
        case.fields(id, case.start).await,
        before,
        "a create that is repeated changes nothing"
    );

    let stored = Bytes::from(&before["n"][..]);
    let guards = [guard("n", Some(&stored))];
    let keep = case.commit(id, Step::keep(None)).with_guards(&guards);
    let adding = [counter];
    let guarded = keep.with_writes(&adding);
    lost(guarded).await;
    let after = case.fields(id, case.start).await;
    let added = Bytes::from(&after["n"][..]);
    assert_ne!(stored, added, "it was stored");
    assert_eq!(
        case.apply(guarded).await,
        Outcome::Conflict(vec![Some(added)]),
        "a guarded commit that is repeated"
    );
    let setting = [set("a", "2"), remove("b")];
    let set = case.commit_at(5, id, used()).with_writes(&setting);
    lost(set).await;
    let after = (
        case.fields(id, case.start).await,
        case.lease_of(id, case.start).await,
    );
    case.done(set, "a `set` that is repeated").await;
    assert_eq!(
        (
            case.fields(id, case.start).await,
            case.lease_of(id, case.start).await,
        ),
        after,
        "a `set` and a use that are repeated are as they were"
    );

    let new = case.renewed(id);
    let renewal = case.commit(id, case.renew(new));
    lost(renewal).await;
    gone(case.apply(renewal).await, "a renewal that is repeated");
    assert_eq!(case.fields(new, case.start).await, after.0, "it was stored");
    let grace = Step::renew(case.renewed(new), case.lease(0), Some(case.at(60)));
    let renewal = case.commit(new, grace);
    lost(renewal).await;
    let again = case.apply(renewal).await;
    gone(again, "a renewal by an id that still works is repeated");
    let destroy = case.commit(new, Step::Destroy);
    lost(destroy).await;
    gone(case.apply(destroy).await, "a destroy that is repeated");
    case.assert_ended(new, case.start, case.start, "it has ended")
        .await;
}

fn one() -> Add {
    Add {
        delta: 1,
        range: CounterRange { min: 0, max: 200 },
        base: 0,
        expires: None,
    }
}
