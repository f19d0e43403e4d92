//! Random commits at a stepped clock, against a model that is too simple to be wrong in the same way.
//!
//! The failure this prevents is the one that nobody thought of: a sequence of create, renew, clear, sweep, reopen
//! after which a store and the contract disagree.

use crate::{
    Timestamp,
    store::{
        Add, Bytes, Commit, Digest, ENDED_IS_REMEMBERED, FieldName, Fields, Guard, Lease, Loaded,
        Op, Outcome, Range, Select, Step, Store, Write,
    },
};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

const IDS: u8 = 4;
const FIELDS: [&str; 3] = ["", "a", "ab"];
const ENTRIES: [&[u8]; 2] = [b"x", b""];
const FOREVER: u64 = 1_000_000_000;

/// What is done to a store, in numbers that a generator can make.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Commit(Shape),
    /// Time passes, in milliseconds.
    Wait(u64),
    Sweep,
    Reopen,
}

#[derive(Clone, Debug)]
pub(super) struct Shape {
    id: u8,
    step: u8,
    to: u8,
    grace: Option<u64>,
    clear: bool,
    lease: Option<(i64, u64)>,
    /// Field, and whether the guard expects what is there.
    guards: Vec<(usize, bool)>,
    writes: Vec<(u8, u8, Option<usize>)>,
}

pub(super) fn actions() -> impl Strategy<Value = Vec<Action>> {
    let times = prop_oneof![Just(0), 1..20_u64, Just(100), Just(FOREVER)];
    let write = (0..5_u8, any::<u8>(), proptest::option::of(0..ENTRIES.len()));
    let shape = (
        (
            0..IDS,
            0..10_u8,
            0..IDS,
            proptest::option::of(0..30_u64),
            prop::bool::weighted(0.15),
        ),
        proptest::option::of((-5..5_i64, times)),
        prop::collection::vec((0..FIELDS.len(), prop::bool::weighted(0.8)), 0..2),
        prop::collection::vec(write, FIELDS.len()),
    )
        .prop_map(
            |((id, step, to, grace, clear), lease, guards, writes)| Shape {
                id,
                step,
                to,
                grace,
                clear,
                lease,
                guards,
                writes,
            },
        );
    let action = prop_oneof![
        12 => shape.prop_map(Action::Commit),
        4 => prop_oneof![1..10_u64, Just(50), Just(3_600_000)].prop_map(Action::Wait),
        1 => Just(Action::Sweep),
        1 => Just(Action::Reopen),
    ];
    prop::collection::vec(action, 1..60)
}

/// Does the same to a store and to the model, and compares answers and contents after each action.
pub(super) async fn run<S: Store>(
    store: &mut S,
    actions: &[Action],
    mut reopen: impl AsyncFnMut(&mut S),
) {
    let digests: Vec<_> = (0..IDS).map(|_| fresh()).collect();
    let mut now = Timestamp::from_millis(1_000_000);
    let mut model = Model::default();
    for action in actions {
        match action {
            Action::Wait(millis) => now = now.after(Duration::from_millis(*millis)),
            Action::Reopen => reopen(store).await,
            Action::Sweep => {
                while store.sweep(now, 100).await.unwrap().more {}
                model.sweep(now);
            }
            Action::Commit(shape) => {
                let (expected, outcome) = commit(store, &mut model, &digests, shape, now).await;
                assert_eq!(expected, outcome, "{shape:?} at {now:?}");
            }
        }
        compare(store, &model, &digests, now).await;
    }
}

async fn commit<S: Store>(
    store: &S,
    model: &mut Model,
    digests: &[Digest],
    shape: &Shape,
    now: Timestamp,
) -> (String, String) {
    let lease = |(seen, life): (i64, u64)| {
        let seen = Timestamp::from_millis(now.as_millis().saturating_add_signed(seen));
        let end = now.after(Duration::from_millis(life));
        Lease {
            started: now,
            seen,
            idle_deadline: end,
            absolute_deadline: (life % 2 == 1).then_some(end),
        }
    };
    let step = match shape.step {
        0..=2 => Step::Create { created: now },
        3..=6 => Step::Keep,
        7..=8 => Step::Renew {
            to: digests[usize::from(shape.to)],
            former_works_until: shape
                .grace
                .map(|grace| now.after(Duration::from_millis(grace))),
        },
        _ => Step::Destroy,
    };
    let required = matches!(step, Step::Create { .. } | Step::Renew { .. });
    let guards: Vec<_> = shape
        .guards
        .iter()
        .map(|(field, holds)| {
            let there = model.resolve(shape.id, now).and_then(|at| {
                model
                    .live(at)?
                    .fields
                    .get(FIELDS[*field])
                    .map(|f| f.0.clone())
            });
            let expected = if *holds {
                there
            } else {
                Some(Bytes::from(*b"never"))
            };
            Guard {
                field: FieldName::Static(FIELDS[*field]),
                expected,
            }
        })
        .collect();
    let writes: Vec<_> = if step == Step::Destroy {
        Vec::new()
    } else {
        shape
            .writes
            .iter()
            .zip(FIELDS)
            .filter_map(|((op, value, entry), field)| {
                let add = Add {
                    delta: i128::from(*value),
                    range: Range { min: 0, max: 300 },
                    base: 0,
                    expires: None,
                };
                let op = match op {
                    0 | 1 => Op::Set(add.apply(None, now).unwrap()),
                    2 => Op::Remove,
                    3 => Op::Add(add),
                    _ => return None,
                };
                let index = entry
                    .filter(|_| matches!(op, Op::Set(_)))
                    .map(|entry| Bytes::from(ENTRIES[entry]));
                Some(Write {
                    field: FieldName::Static(field),
                    op,
                    index,
                })
            })
            .collect()
    };
    let commit = Commit {
        id: digests[usize::from(shape.id)],
        now,
        ended_at: now,
        step,
        clear: shape.clear && step != Step::Destroy,
        lease: shape
            .lease
            .map(lease)
            .or_else(|| required.then(|| lease((0, FOREVER)))),
        guards: &guards,
        writes: &writes,
    };
    let expected = model.commit(shape, &commit);
    let outcome = match store.commit(commit).await {
        Ok(outcome) => format!("{outcome:?}"),
        Err(error) => format!("{:?}", error.kind()),
    };
    (expected, outcome)
}

async fn compare<S: Store>(store: &S, model: &Model, digests: &[Digest], now: Timestamp) {
    let mut live = Vec::new();
    for (n, digest) in (0..IDS).zip(digests) {
        let loaded = store.load(*digest, Select::All, now).await.unwrap();
        match (model.resolve(n, now), loaded) {
            (Some(at), Loaded::Live(snapshot)) => {
                let session = model.live(at).unwrap();
                assert_eq!(snapshot.by_former_id, at != n);
                assert_eq!(snapshot.meta.created, session.created);
                assert_eq!(snapshot.meta.lease, session.lease);
                assert_eq!(
                    snapshot.meta.former_id_works,
                    session.former.is_some_and(|(_, until)| now < until)
                );
                let Fields::All(fields) = snapshot.fields else {
                    panic!("all fields")
                };
                let fields: BTreeMap<_, _> = fields
                    .into_iter()
                    .map(|(name, bytes)| (name.to_string(), bytes))
                    .collect();
                let expected: BTreeMap<_, _> = session
                    .fields
                    .iter()
                    .map(|(name, field)| ((*name).to_owned(), field.0.clone()))
                    .collect();
                assert_eq!(fields, expected);
                if at == n {
                    live.push((session.created, *digest));
                }
            }
            (None, Loaded::Missing) => assert!(
                !matches!(model.0.get(&n), Some(Known::Ended { .. })),
                "{n} is remembered"
            ),
            (None, Loaded::Ended(time)) => match model.0.get(&n) {
                Some(Known::Ended { at, to, .. }) => {
                    // A former id ends once more with its session.
                    let end = match to.and_then(|to| model.0.get(&to)) {
                        Some(Known::Ended { at: end, .. }) => *end.max(at),
                        _ => *at,
                    };
                    assert_eq!(time, end);
                }
                _ => panic!("{n} never ended"),
            },
            (expected, loaded) => panic!("{n} is {loaded:?}, expected {expected:?}"),
        }
    }
    for field in FIELDS {
        for entry in ENTRIES {
            let mut expected: Vec<_> = live
                .iter()
                .copied()
                .filter(|(_, digest)| {
                    let n = digests.iter().position(|d| d == digest).unwrap() as u8;
                    model
                        .live(n)
                        .unwrap()
                        .fields
                        .get(field)
                        .is_some_and(|f| f.1.as_deref() == Some(entry))
                })
                .collect();
            expected.sort_unstable();
            let found = store.find(field, entry, now).await.unwrap();
            let found: Vec<_> = found
                .into_iter()
                .filter(|(id, _)| digests.contains(id))
                .map(|(id, meta)| (meta.created, id))
                .collect();
            assert_eq!(found, expected, "found by {field:?}");
        }
    }
    let mut expected: Vec<_> = live.iter().map(|(_, id)| *id).collect();
    expected.sort_unstable();
    let mut page = store.page(None, usize::MAX, now).await.unwrap();
    page.retain(|id| digests.contains(id));
    assert_eq!(page, expected);
}

#[derive(Default)]
struct Model(BTreeMap<u8, Known>);

enum Known {
    Live(Session),
    Ended {
        at: Timestamp,
        forget: Timestamp,
        to: Option<u8>,
    },
}

#[derive(Clone)]
struct Session {
    created: Timestamp,
    lease: Lease,
    former: Option<(u8, Timestamp)>,
    fields: BTreeMap<&'static str, (Bytes, Option<Bytes>)>,
}

impl Model {
    fn live(&self, n: u8) -> Option<&Session> {
        match self.0.get(&n)? {
            Known::Live(session) => Some(session),
            Known::Ended { .. } => None,
        }
    }

    /// The session that an id works for.
    fn resolve(&self, n: u8, now: Timestamp) -> Option<u8> {
        let at = match self.0.get(&n)? {
            Known::Ended { to, .. } => (*to)?,
            Known::Live(_) => n,
        };
        let session = self.live(at)?;
        let lives = now < session.lease.idle_deadline
            && session.lease.absolute_deadline.is_none_or(|end| now < end);
        let by = at == n
            || session
                .former
                .is_some_and(|(id, until)| id == n && now < until);
        (lives && by).then_some(at)
    }

    fn sweep(&mut self, now: Timestamp) {
        let dead = |known: &Known| match known {
            Known::Live(session) => session.lease.deadline() <= now,
            Known::Ended { forget, .. } => *forget <= now,
        };
        self.0.retain(|_, known| !dead(known));
    }

    fn commit(&mut self, shape: &Shape, commit: &Commit<'_>) -> String {
        let (now, n) = (commit.now, shape.id);
        let create = matches!(commit.step, Step::Create { .. });
        let renew = matches!(commit.step, Step::Renew { .. });
        if create && self.0.contains_key(&n) {
            return "Exists".to_owned();
        }
        let at = if create {
            n
        } else {
            match self.resolve(n, now) {
                Some(at) if at == n || !renew => at,
                _ => return "Gone".to_owned(),
            }
        };
        if renew && self.0.contains_key(&shape.to) {
            return "Exists".to_owned();
        }
        let mut session = self.live(at).cloned().unwrap_or(Session {
            created: now,
            lease: commit.lease.unwrap_or(Lease {
                started: now,
                seen: now,
                idle_deadline: now,
                absolute_deadline: None,
            }),
            former: None,
            fields: BTreeMap::new(),
        });
        let found: Vec<_> = commit
            .guards
            .iter()
            .map(|guard| session.fields.get(&*guard.field).map(|f| f.0.clone()))
            .collect();
        if commit
            .guards
            .iter()
            .zip(&found)
            .any(|(guard, found)| guard.expected != *found)
        {
            return format!("{:?}", Outcome::Conflict(found));
        }
        if commit.clear {
            session.fields.clear();
        }
        for write in commit.writes {
            let name = FIELDS
                .into_iter()
                .find(|name| *name == &*write.field)
                .unwrap();
            match &write.op {
                Op::Set(bytes) => drop(
                    session
                        .fields
                        .insert(name, (bytes.clone(), write.index.clone())),
                ),
                Op::Remove => drop(session.fields.remove(name)),
                Op::Add(add) => {
                    let there = session.fields.get(name).cloned();
                    let Ok(bytes) = add.apply(there.as_ref().map(|f| &*f.0), now) else {
                        return "Overflow".to_owned();
                    };
                    session
                        .fields
                        .insert(name, (bytes, there.and_then(|f| f.1)));
                }
            }
        }
        if let Some(lease) = commit.lease {
            if renew || lease.seen >= session.lease.seen {
                session.lease = lease;
            }
            if at == n {
                session.former = None;
            }
        }
        let ended = |at: Timestamp, until: Timestamp, to| Known::Ended {
            at,
            forget: until.after(ENDED_IS_REMEMBERED),
            to,
        };
        match commit.step {
            Step::Destroy => drop(self.0.insert(at, ended(now, now, None))),
            Step::Renew {
                former_works_until, ..
            } => {
                let until = former_works_until.filter(|until| now < *until);
                session.former = until.map(|until| (n, until));
                self.0
                    .insert(n, ended(now, until.unwrap_or(now), until.map(|_| shape.to)));
                self.0.insert(shape.to, Known::Live(session));
            }
            Step::Create { .. } | Step::Keep => drop(self.0.insert(at, Known::Live(session))),
        }
        "Done".to_owned()
    }
}

fn fresh() -> Digest {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    Digest::from_bytes(bytes)
}
