//! Limits: how many sessions may have an entry (requirement L09).

use super::kit::*;
use crate::{
    Add, Clear, Digest, ErrorKind, Lease, Limit, Loaded, Outcome, Step, WhenFull, Write,
    value::CounterRange,
};
use std::collections::BTreeSet;

/// The field that a user's sign-in sets, and its limit.
struct SignIn {
    entry: Vec<u8>,
    writes: [Write; 1],
    limits: [Limit; 1],
}

impl SignIn {
    fn new(case: &Case, most: usize, when_full: WhenFull) -> Self {
        // One of several users of a test.
        let entry = [case.entry("user"), random(8)].concat();
        Self {
            writes: [set_indexed("user", "7", &entry)],
            limits: [limit("user", &entry, most, when_full)],
            entry,
        }
    }

    /// Creates a session of the user that signed in at this second.
    async fn create(&self, case: &Case, second: u64) -> (Digest, Outcome) {
        let id = fresh();
        (id, self.create_as(id, case, second).await)
    }

    async fn create_as(&self, id: Digest, case: &Case, second: u64) -> Outcome {
        let lease = Lease {
            started: case.at(second),
            ..case.lease(0)
        };
        let commit = case.commit(id, Step::create(case.start, lease));
        let commit = commit.with_writes(&self.writes).with_limits(&self.limits);
        case.apply(commit).await
    }

    async fn found(&self, case: &Case) -> Vec<Digest> {
        case.found("user", &self.entry, case.start).await
    }
}

/// Prevents a user from having more sessions than the application allows: a commit that would exceed the limit is
/// refused and changes nothing. Sessions that have ended or expired do not count.
pub async fn a_full_limit_refuses(store: Subject) {
    let case = Case::new(store);
    let user = SignIn::new(&case, 2, WhenFull::Refuse);
    let (first, outcome) = user.create(&case, 0).await;
    let first_done = done(outcome, "the first of two sessions");
    assert!(first_done.ended.is_empty(), "nothing is ended to refuse");
    let (second, outcome) = user.create(&case, 1).await;
    done(outcome, "the second of two sessions");
    let (third, outcome) = user.create(&case, 2).await;
    assert_eq!(outcome, Outcome::Full(0), "a third session of two");
    let loaded = case.load(third, crate::Select::All, case.start).await;
    assert_eq!(loaded, Loaded::Missing, "a refused create leaves nothing");

    // The same by a write to a session, and by a renewal.
    let other = case.session(&[set("a", "1")]).await;
    let new = case.renewed(other);
    for step in [used(), Step::renew(new, case.lease(9), Some(case.at(60)))] {
        let commit = case
            .commit_at(9, other, step)
            .with_clear(Clear::Everything)
            .with_writes(&user.writes)
            .with_limits(&user.limits);
        assert_eq!(
            case.apply(commit).await,
            Outcome::Full(0),
            "a session that would be the third"
        );
        assert_eq!(
            case.fields(other, case.start).await,
            map([("a", "1")]),
            "a commit that is refused changes no field"
        );
        assert_eq!(
            case.lease_of(other, case.start).await,
            case.lease(0),
            "and no time"
        );
    }
    case.assert_dead(new, case.start, "nor does it renew").await;
    let mut both = vec![first, second];
    both.sort_unstable();
    assert_eq!(user.found(&case).await, both, "two sessions are two");

    case.done(case.commit(first, Step::Destroy), "a sign-out")
        .await;
    let (_, outcome) = user.create(&case, 3).await;
    done(outcome, "a session in the place of one that has ended");
    let mut limits = user.limits.clone();
    limits[0].most = 3;
    let short = case.commit(fresh(), Step::create(case.start, case.ending(60)));
    let short = short.with_writes(&user.writes).with_limits(&limits);
    case.done(short, "a third session of three").await;
    for (seconds, fits) in [(59, false), (60, true)] {
        let id = fresh();
        let create = case.commit_at(
            seconds,
            id,
            Step::create(case.at(seconds), case.lease(seconds)),
        );
        let create = create.with_writes(&user.writes).with_limits(&limits);
        assert_eq!(
            case.apply(create).await.is_done(),
            fits,
            "a session that has expired does not count, at second {seconds}"
        );
    }
}

/// Prevents a user who has a session from being refused in it: a session that has the entry already is never refused,
/// and counts once, also when it is renewed.
pub async fn a_session_within_a_limit_is_never_refused(store: Subject) {
    let case = Case::new(store);
    for when_full in [WhenFull::Refuse, WhenFull::EndOldest] {
        let user = SignIn::new(&case, 1, when_full);
        let (mut id, outcome) = user.create(&case, 0).await;
        done(outcome, "the first session");
        for second in 1..4 {
            let new = case.renewed(id);
            let grace = (second % 2 == 0).then(|| case.at(60));
            for (step, now_at) in [
                (Step::keep(None), id),
                (used(), id),
                (Step::renew(new, case.lease(second), grace), new),
            ] {
                let commit = case.commit_at(second, id, step);
                let commit = commit.with_writes(&user.writes).with_limits(&user.limits);
                let done = case.done(commit, "a commit of the session that has the entry");
                assert!(done.await.ended.is_empty(), "it ends nothing");
                assert_eq!(user.found(&case).await, [now_at], "and counts once");
            }
            id = new;
        }
        // More sessions than a limit that was lowered since.
        let unlimited = case.commit(fresh(), case.create());
        case.done(unlimited.with_writes(&user.writes), "another session")
            .await;
        let commit = case.commit(id, Step::keep(None));
        let commit = commit.with_writes(&user.writes).with_limits(&user.limits);
        let done = case.done(commit, "a commit above a limit that was lowered");
        let ended: &[Digest] = match when_full {
            WhenFull::Refuse => &[],
            WhenFull::EndOldest => &[unlimited.id],
        };
        assert_eq!(
            done.await.ended,
            ended,
            "the surplus sessions are ended, if the limit ends sessions"
        );
    }
}

/// Prevents a session that was ended by a sign-in elsewhere from being mistaken for a renewed one: sessions that a
/// limit ends are marked with the time that the commit gives for them, for any step, and the commit's own id with
/// its own time.
pub async fn what_a_limit_ends_has_a_time_of_its_own(store: Subject) {
    let case = Case::new(store);
    let user = SignIn::new(&case, 1, WhenFull::EndOldest);
    let (mut over, outcome) = user.create(&case, 0).await;
    done(outcome, "the first session");
    for (second, grace) in [(10, None), (20, Some(60)), (30, None)] {
        let (own, others) = (case.at(second).after(TICK), case.at(second).after(3 * TICK));
        let old = case.session(&[set("a", "1")]).await;
        let new = case.renewed(old);
        let until = grace.map(|seconds| case.at(seconds));
        let (step, is) = match second {
            30 => (used(), old),
            _ => (Step::renew(new, case.lease(second), until), new),
        };
        let commit = case.commit_at(second, old, step);
        let commit = commit.with_ended_at(own).with_others_ended_at(others);
        let commit = commit.with_writes(&user.writes).with_limits(&user.limits);
        let promise = "a sign-in beyond a limit";
        assert_eq!(case.done(commit, promise).await.ended, [over], "{promise}");
        let now = case.at(70);
        case.assert_ended(over, others, now, "the sessions ended by the limit")
            .await;
        if second != 30 {
            case.assert_ended(old, own, now, "the session renewed by the step")
                .await;
        }
        over = is;
    }
    let (_, outcome) = user.create(&case, 80).await;
    assert_eq!(done(outcome, "a sign-in").ended, [over]);
    case.assert_ended(
        over,
        case.start,
        case.start,
        "by default it is the commit's time",
    )
    .await;
}

/// Prevents a sign-in from ending the wrong session: the sessions that signed in first are ended, whenever they were
/// created or used, in the same step. They are marked as ended, under all their ids.
pub async fn a_full_limit_ends_those_that_signed_in_first(store: Subject) {
    let case = Case::new(store);
    let user = SignIn::new(&case, 3, WhenFull::EndOldest);
    let mut ids = Vec::new();
    for second in [20, 5, 10] {
        let (id, outcome) = user.create(&case, second).await;
        assert!(
            done(outcome, "one of three").ended.is_empty(),
            "three of three end nothing"
        );
        ids.push(id);
    }
    let [twenty, five, ten] = ids[..] else {
        unreachable!("three were made");
    };
    // It was created first, and signs in again last.
    let old = five;
    let renewed = case.renewed(old);
    let lease = Lease {
        started: case.at(30),
        ..case.lease(30)
    };
    let step = Step::renew(renewed, lease, Some(case.at(600)));
    let commit = case.commit_at(30, old, step).with_limits(&user.limits);
    case.done(commit.with_writes(&user.writes), "a renewal")
        .await;
    case.done(case.commit_at(90, ten, used()), "a use of the oldest")
        .await;

    case.warm(ten).await;
    let ended_at = case.at(100).after(TICK);
    let id = fresh();
    let lease = Lease {
        started: case.at(100),
        ..case.lease(100)
    };
    let create = case
        .commit_at(100, id, Step::create(case.at(100), lease))
        .with_others_ended_at(ended_at)
        .with_writes(&user.writes)
        .with_limits(&user.limits);
    let created = case.done(create, "a fourth of three").await;
    assert_eq!(
        created.ended,
        [ten],
        "the session that signed in first is ended, though it was used last"
    );
    let promise = "a session that a limit ends is `Ended`, at the time given by the commit";
    case.assert_ended(ten, ended_at, case.at(100), promise)
        .await;
    gone(
        case.apply(case.commit_at(100, ten, used())).await,
        "a commit on a session that a limit has ended",
    );
    exists(
        case.apply(case.commit_at(100, ten, case.create())).await,
        "a create under the id of a session that a limit has ended",
    );
    let mut expected = vec![twenty, renewed, id];
    expected.sort_unstable();
    assert_eq!(user.found(&case).await, expected, "three of three are left");
    for id in expected {
        case.live(id, case.start).await;
    }

    // A lowered limit ends as many as needed, and a former id ends with its session.
    let mut limits = user.limits.clone();
    limits[0].most = 1;
    let keep = case.commit_at(101, id, Step::keep(None));
    let keep = keep.with_writes(&user.writes).with_limits(&limits);
    let kept = case.done(keep, "a write within a lower limit").await;
    let mut ended = kept.ended;
    ended.sort_unstable();
    let mut expected = vec![twenty, renewed];
    expected.sort_unstable();
    assert_eq!(ended, expected, "a lowered limit ends as many as needed");
    for id in [twenty, renewed, old] {
        let promise = "a limit ends a session under all its ids";
        case.assert_ended(id, case.at(101), case.at(101), promise)
            .await;
    }
    assert_eq!(user.found(&case).await, [id], "one of one is left");
}

/// Prevents a store from ending the first sessions of its index: sessions end in the order of their sign-ins, not of
/// their digests or of their storage.
pub async fn a_limit_ends_in_the_order_of_the_sign_ins(store: Subject) {
    let case = Case::new(store);
    for (ascending, backwards) in [(true, true), (true, false), (false, true), (false, false)] {
        let user = SignIn::new(&case, 4, WhenFull::EndOldest);
        let mut ids = [(); 4].map(|()| fresh());
        ids.sort_unstable();
        if !ascending {
            ids.reverse();
        }
        // They signed in in the order of `ids`.
        let mut stored: Vec<_> = ids.iter().zip(10..).collect();
        if backwards {
            stored.reverse();
        }
        for (id, second) in stored {
            done(user.create_as(*id, &case, second).await, "one of four");
        }
        for id in ids {
            let (_, outcome) = user.create(&case, 20).await;
            assert_eq!(
                done(outcome, "a fifth of four").ended,
                [id],
                "a limit ends those that signed in first"
            );
        }
    }
}

/// Prevents a limit of one user from affecting another's sessions, and one of two limits from being skipped.
pub async fn limits_count_their_own_entries(store: Subject) {
    let case = Case::new(store);
    let (user, device) = (case.entry("user"), case.entry("device"));
    let other = case
        .session(&[set_indexed("user", "8", case.entry("other"))])
        .await;
    let same_bytes = case.session(&[set_indexed("role", "8", &user)]).await;
    let first = case
        .session(&[
            set_indexed("user", "7", &user),
            set_indexed("device", "d", &device),
        ])
        .await;
    let writes = [
        set_indexed("user", "7", &user),
        set_indexed("device", "d", &device),
    ];
    let refused = [
        limit("user", &user, 2, WhenFull::Refuse),
        limit("device", &device, 1, WhenFull::Refuse),
    ];
    let create = case.commit(fresh(), case.create()).with_writes(&writes);
    assert_eq!(
        case.apply(create.with_limits(&refused)).await,
        Outcome::Full(1),
        "the limit that is reached is identified by its index"
    );
    let ending = [
        limit("user", &user, 1, WhenFull::EndOldest),
        limit("device", &device, 1, WhenFull::Refuse),
    ];
    let reversed = [ending[1].clone(), ending[0].clone()];
    assert_eq!(
        case.apply(create.with_limits(&reversed)).await,
        Outcome::Full(0),
        "a session that one limit would end still counts for a limit before it"
    );
    case.live(first, case.start).await;
    let ending = [
        limit("user", &user, 1, WhenFull::EndOldest),
        limit("device", &device, 1, WhenFull::EndOldest),
    ];
    let created = case
        .done(create.with_limits(&ending), "a create within two limits")
        .await;
    assert_eq!(
        created.ended,
        [first],
        "a session that two limits end is reported once"
    );
    for id in [other, same_bytes, create.id] {
        case.live(id, case.start).await;
    }
}

/// Prevents a commit that fails from ending sessions: a limit ends them in the same step, or not at all.
pub async fn what_a_limit_ends_is_atomic_with_the_commit(store: Subject) {
    let case = Case::new(store);
    let user = SignIn::new(&case, 1, WhenFull::EndOldest);
    let (oldest, _) = user.create(&case, 0).await;
    let other = case.session(&[set("a", "1"), set("n", "no number")]).await;
    let guards = [guard("a", Some(b"2"))];
    let keep = case
        .commit(other, Step::keep(None))
        .with_writes(&user.writes)
        .with_limits(&user.limits);
    let outcome = case.apply(keep.with_guards(&guards)).await;
    assert!(
        matches!(outcome, Outcome::Conflict(_)),
        "a guard that fails is a conflict, not {outcome:?}"
    );
    let blocking = case.session(&[set_indexed("a", "", &user.entry)]).await;
    let full = [
        user.limits[0].clone(),
        limit("a", &user.entry, 1, WhenFull::Refuse),
    ];
    let both = [user.writes[0].clone(), set_indexed("a", "", &user.entry)];
    assert_eq!(
        case.apply(keep.with_writes(&both).with_limits(&full)).await,
        Outcome::Full(1),
        "the second of two limits refuses"
    );
    let failing = [user.writes[0].clone(), add_to("n", one())];
    let answer = case.store.commit(keep.with_writes(&failing)).await;
    assert!(
        answer.is_err(),
        "an addition to a value that is not a number is an error, not {answer:?}"
    );
    for id in [oldest, blocking, other] {
        case.live(id, case.start).await;
    }
    assert_eq!(
        user.found(&case).await,
        [oldest],
        "a commit that failed has ended nothing"
    );
    let kept = case.done(keep, "a commit that applies").await;
    assert_eq!(kept.ended, [oldest], "one that applies has");
}

fn one() -> Add {
    Add {
        delta: 1,
        range: CounterRange { min: 0, max: 9 },
        base: 9,
        expires: None,
    }
}

/// Prevents the core from reacting wrongly to a commit that cannot be applied: if several outcomes are true, the first
/// of `Gone`, `Exists`, `Conflict`, `Full` and an addition's error is returned.
pub async fn the_first_of_several_answers_is_given(store: Subject) {
    let case = Case::new(store);
    let user = SignIn::new(&case, 1, WhenFull::Refuse);
    done(user.create(&case, 0).await.1, "the first session");
    let (dead, live) = (case.session(&[]).await, case.session(&[]).await);
    case.done(case.commit(dead, Step::Destroy), "a destroy")
        .await;
    let known = case.renewed(live);
    case.done(case.commit(known, case.create()), "a known digest")
        .await;
    let known_to_the_dead = case.renewed(dead);
    let create = case.commit(known_to_the_dead, case.create());
    case.done(create, "another known digest").await;
    let fails = [guard("a", Some(b"1"))];
    let overflows = [user.writes[0].clone(), add_to("n", one())];
    let whole = |id, step| {
        case.commit(id, step)
            .with_guards(&fails)
            .with_writes(&overflows)
            .with_limits(&user.limits)
    };
    for (id, step) in [
        (dead, Step::keep(None)),
        (dead, case.renew(known_to_the_dead)),
        (fresh(), used()),
    ] {
        gone(
            case.apply(whole(id, step)).await,
            "`Gone` is before all others",
        );
    }
    for (id, step) in [
        (live, case.renew(known)),
        (live, case.create()),
        (dead, case.create()),
    ] {
        exists(
            case.apply(whole(id, step)).await,
            "`Exists` is before `Conflict`",
        );
    }
    for (id, step) in [
        (live, Step::keep(None)),
        (live, case.renew(case.renewed(live))),
        (fresh(), case.create()),
    ] {
        let outcome = case.apply(whole(id, step)).await;
        assert_eq!(
            outcome,
            Outcome::Conflict(vec![None]),
            "`Conflict` is before `Full`"
        );
        let commit = whole(id, step).with_guards(&[]);
        assert_eq!(
            case.apply(commit).await,
            Outcome::Full(0),
            "`Full` is before an addition's error"
        );
        let error = case.store.commit(commit.with_limits(&[])).await.err();
        assert_eq!(
            error.map(|error| error.kind()),
            Some(ErrorKind::Overflow),
            "an addition's error comes last"
        );
    }
}

/// Prevents concurrent sign-ins from exceeding a limit (requirement L09): creates, renewals and writes at once, and
/// never more sessions than are allowed. If [limits are not exact](crate::Abilities::exact_limits), they hold once all
/// commits are done.
pub async fn limits_hold_under_races(store: Subject) {
    const THREADS: usize = 8;
    const EACH: usize = 3;
    const MOST: usize = 3;
    let case = Case::new(store);
    let exact = case.store.abilities().exact_limits;
    for when_full in [WhenFull::Refuse, WhenFull::EndOldest] {
        for _ in 0..4 {
            let user = SignIn::new(&case, MOST, when_full);
            let entry = user.entry.clone();
            // Sessions that are renewed, or written to, at sign-in.
            let mut before = Vec::new();
            for _ in 0..THREADS * EACH {
                let id = case.session(&[]).await;
                before.push((id, case.renewed(id)));
            }
            let (now, lease, start) = (case.start, case.lease(0), case.start);
            let results = case.race(THREADS, move |store, thread| {
                let (entry, before) = (entry.clone(), before.clone());
                async move {
                    let mut done = Vec::new();
                    for n in 0..EACH {
                        let (old, new) = before[thread * EACH + n];
                        let (id, step, after) = match (thread + n) % 3 {
                            0 => {
                                let id = fresh();
                                (id, Step::create(start, lease), id)
                            }
                            1 => (old, Step::renew(new, lease, None), new),
                            _ => (old, used(), old),
                        };
                        let writes = [set_indexed("user", "7", &entry)];
                        let limits = [limit("user", &entry, MOST, when_full)];
                        let commit = crate::Commit::new(id, now, step)
                            .with_writes(&writes)
                            .with_limits(&limits);
                        match store.commit(commit).await {
                            Ok(Outcome::Done(it)) => done.push((after, it.ended)),
                            Ok(Outcome::Full(0)) if when_full == WhenFull::Refuse => {}
                            other => panic!("a sign-in among others is {other:?}"),
                        }
                    }
                    done
                }
            });
            let stored: Vec<_> = results.await.into_iter().flatten().collect();
            let signed_in: BTreeSet<_> = stored.iter().map(|(id, _)| *id).collect();
            let ended: Vec<_> = stored.iter().flat_map(|(_, ended)| ended).collect();
            let left: BTreeSet<_> = user.found(&case).await.into_iter().collect();
            assert!(
                left.len() <= MOST,
                "{} sessions are left where {MOST} are allowed",
                left.len()
            );
            assert!(left.is_subset(&signed_in), "those left are signed in");
            match when_full {
                WhenFull::Refuse => {
                    assert!(ended.is_empty(), "a limit that refuses ends nothing");
                    if exact {
                        assert_eq!(left, signed_in, "stored sessions are live");
                        assert_eq!(left.len(), MOST, "as many as fit are stored");
                    }
                }
                WhenFull::EndOldest => {
                    assert_eq!(
                        stored.len(),
                        THREADS * EACH,
                        "a limit that ends others refuses nothing"
                    );
                    if exact {
                        let told: BTreeSet<_> = ended.iter().map(|id| **id).collect();
                        assert_eq!(told.len(), ended.len(), "an end is reported once");
                        let expected: BTreeSet<_> = signed_in.difference(&left).copied().collect();
                        assert_eq!(told, expected, "missing sessions were reported as ended");
                        assert_eq!(left.len(), MOST, "no more are ended than necessary");
                    }
                }
            }
            for id in signed_in {
                match case.load(id, crate::Select::Nothing, now).await {
                    Loaded::Live(_) => assert!(left.contains(&id), "a live session is found"),
                    Loaded::Ended(_) => {}
                    Loaded::Missing if !exact => {}
                    Loaded::Missing => panic!("a session that a limit ended is `Ended`"),
                }
            }
        }
    }
}
