//! Deadlines: exact, and enforced whether or not anything was swept.

use super::kit::*;
use crate::{Commit, Lease, Select, Step, Timestamp};

/// Prevents a session from working at or after its deadline, whether or not a clean-up has run (requirement L04): it is
/// live strictly before the earlier of its deadlines, for reads and for commits.
pub async fn a_session_lives_strictly_before_its_deadline(store: Subject) {
    let case = Case::new(store);
    let idle = case.lease(0);
    let absolute = Lease {
        absolute_deadline: Some(case.at(60)),
        ..idle
    };
    for lease in [idle, absolute] {
        let id = case.session_with(lease, &[set("a", "1")]).await;
        let end = lease.deadline();
        let last = Timestamp::from_millis(end.as_millis() - 1);
        case.live(id, last).await;
        let keep = Commit::new(id, last, Step::keep(None));
        case.done(keep, "a commit in the last millisecond before the deadline")
            .await;
        for late in [end, end.after(TICK), end.after(LIFE)] {
            for select in [Select::Nothing, Select::Names(&["a"]), Select::All] {
                let loaded = case.load(id, select, late).await;
                assert!(
                    !matches!(loaded, crate::Loaded::Live(_)),
                    "a session is dead from its deadline on, not {loaded:?}"
                );
            }
            let new = case.renewed(id);
            for step in [
                Step::keep(None),
                used(),
                Step::keep(Some(usage().with_forced(true))),
                Step::Destroy,
                Step::renew(new, case.lease(0), Some(late.after(LIFE))),
            ] {
                gone(
                    case.apply(Commit::new(id, late, step)).await,
                    "a commit at or after the deadline",
                );
            }
            case.assert_dead(new, late, "a dead session is not renewed")
                .await;
        }
        assert_eq!(
            case.lease_of(id, last).await,
            lease,
            "a commit after the deadline extends nothing"
        );
    }
}

/// Prevents a create from mixing with a session that has expired and was not removed yet: it is refused, or starts from
/// nothing.
pub async fn a_create_on_what_has_expired_is_refused_or_begins_anew(store: Subject) {
    let case = Case::new(store);
    let entry = case.entry("old");
    let id = case
        .session_with(
            case.ending(60),
            &[set("a", "1"), set_indexed("b", "2", &entry)],
        )
        .await;
    let now = case.at(61);
    let writes = [set("c", "3")];
    let step = Step::create(now, case.lease(61));
    let create = case.commit_at(61, id, step).with_writes(&writes);
    match case.apply(create).await {
        crate::Outcome::Exists => {
            case.assert_dead(id, now, "a refused create revives nothing")
                .await;
        }
        outcome => {
            done(outcome, "a create under the id of an expired session");
            assert_eq!(
                case.fields(id, now).await,
                map([("c", "3")]),
                "a new session has nothing of the old one"
            );
        }
    }
    assert!(
        case.found("b", &entry, now).await.is_empty(),
        "and is not found by an old entry"
    );
}
