//! Random commits with a stepped clock, compared with a model that is too simple to have the same bugs.
//!
//! This finds unforeseen failures: a sequence of create, renew, clear, limit, sweep and reopen after which
//! a store and the contract disagree.
//!
//! A sequence is a list of words, each of which encodes an action: any list of words is valid, and so is any part of
//! it. So a property-testing library can generate sequences as a vector of `u64`, and shrink them; without one, use
//! [`words`].
//!
//! ```
//! use level_session_store::{MemoryStore, conformance::model};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! for seed in 0..10 {
//!     let words = model::words(seed, 40);
//!     model::run(&mut MemoryStore::new(), &words, model::Sweeps::Exact, async |_| {}).await;
//! }
//! # });
//! ```

use super::kit::Case;
use crate::{
    Add, Bytes, Clear, Clock, Commit, Digest, Done, ENDED_IS_REMEMBERED, ErrorKind, FieldName,
    Guard, Lease, Lifetime, Limit, Loaded, Meta, Op, Outcome, Select, Step, Store, Timeouts,
    Timestamp, Use, WhenFull, Write, value::CounterRange,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const IDS: u64 = 5;
const FIELDS: [&str; 4] = ["", "a", "ab", "level-session:r"];
const ENTRIES: [&str; 2] = ["x", ""];
/// The approximate unit of the times of a sequence: long compared with the duration of a test.
const UNIT: Duration = Duration::from_secs(120);
const FOREVER: u64 = 1_000_000;

/// The sessions that a [`sweep`](Store::sweep) removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a sweep is exact or not")]
pub enum Sweeps {
    /// All that are dead by the caller's clock, and dead sessions are kept until then: for a store that belongs to one
    /// process.
    Exact,
    /// As many of them as the store chooses, by its server's clock for example; it may also remove expired sessions at
    /// any other time.
    AsItSeesFit,
}

/// This many words of a pseudo-random sequence: the same for the same seed.
#[must_use]
pub fn words(seed: u64, count: usize) -> Vec<u64> {
    let mut dice = Dice(seed);
    (0..count).map(|_| dice.next()).collect()
}

/// Prevents unforeseen failures: after any sequence of commits the store and the model of the contract
/// agree.
///
/// For a store that can be reopened, or that sweeps exactly, call [`run`] itself, which tests more.
pub async fn the_store_agrees_with_the_model(store: Arc<dyn Store>) {
    let mut store = store;
    for seed in 0..8 {
        let words = words(seed, 50);
        run(&mut store, &words, Sweeps::AsItSeesFit, async |_| {}).await;
    }
}

/// Applies the same actions to a store and to the model, and compares results and contents after each word. `reopen`
/// may replace the store by another handle of it.
///
/// The store may hold other sessions; with [`Sweeps::Exact`] they should be few, since all are listed.
///
/// # Panics
/// If they disagree: the message has the number of the word.
pub async fn run<S: Store>(
    store: &mut S,
    words: &[u64],
    sweeps: Sweeps,
    mut reopen: impl AsyncFnMut(&mut S),
) {
    let mut model = Model::new(&*store, sweeps);
    for (n, word) in words.iter().enumerate() {
        let mut dice = Dice(*word);
        let what = match dice.roll(18) {
            0..13 => model.commit(&*store, &mut dice, n).await,
            13..16 => {
                let millis = UNIT.as_millis() as u64;
                let wait = match dice.roll(6) {
                    0..3 => dice.roll(10) * millis,
                    3 => dice.roll(10) * millis + millis - 1,
                    4 => 50 * millis,
                    _ => ENDED_IS_REMEMBERED.as_millis() as u64,
                };
                model.now = model.now.after(Duration::from_millis(wait));
                "time passes".to_owned()
            }
            16 => {
                let swept = async || store.sweep(model.now, 100).await;
                while swept().await.expect("a sweep").more {}
                model.sweep();
                "a sweep".to_owned()
            }
            _ => {
                reopen(store).await;
                "the store is reopened".to_owned()
            }
        };
        if let Err(difference) = model.compare(&*store).await {
            panic!("after word {n}, {what}: {difference}");
        }
    }
}

/// A small generator of pseudo-random numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    /// Whether an event with a chance of one in this many occurs.
    fn one_in(&mut self, many: u64) -> bool {
        self.roll(many) == 0
    }

    fn units(&mut self, most: u64) -> Duration {
        UNIT * u32::try_from(self.roll(most)).unwrap_or_default()
    }

    fn timeouts(&mut self) -> Timeouts {
        let idle = match self.roll(4) {
            0 => UNIT * 100,
            1 => UNIT * u32::try_from(FOREVER).unwrap_or_default(),
            _ => self.units(20),
        };
        Timeouts::new(idle).with_absolute(match self.one_in(4) {
            true => Some(self.units(100)),
            false => None,
        })
    }
}

struct Model {
    digests: Vec<Digest>,
    known: BTreeMap<Digest, Known>,
    entries: [Vec<u8>; 2],
    sweeps: Sweeps,
    start: Timestamp,
    now: Timestamp,
}

struct Known {
    is: Is,
    /// A sweep may have removed it.
    swept: bool,
}

enum Is {
    Live(Session),
    Ended {
        at: Timestamp,
        forget: Timestamp,
        to: Option<Digest>,
    },
}

#[derive(Clone)]
struct Session {
    created: Timestamp,
    lease: Lease,
    former: Option<(Digest, Timestamp)>,
    fields: BTreeMap<&'static str, Field>,
}

#[derive(Clone)]
struct Field {
    value: Bytes,
    entry: Option<Bytes>,
}

impl Session {
    fn lives(&self, now: Timestamp) -> bool {
        let lease = &self.lease;
        now < lease.idle_deadline && lease.absolute_deadline.is_none_or(|end| now < end)
    }

    fn has(&self, field: &str, entry: &[u8]) -> bool {
        let found = self.fields.get(field);
        found.is_some_and(|field| field.entry.as_deref() == Some(entry))
    }

    fn meta(&self, now: Timestamp) -> Meta {
        let works = self.former.is_some_and(|(_, until)| now < until);
        Meta::new(self.created, self.lease).with_former_id_works(works)
    }

    /// The rule of [`Lease::after_use`], implemented a second time.
    fn use_at(&mut self, usage: &Use, now: Timestamp) {
        let old = self.lease;
        let timeouts = match old.lifetime {
            Some(own) => cut(own.timeouts, usage.max_lifetime),
            None => usage.timeouts,
        };
        let last = match usage.tells_client {
            true => old.told,
            false => old.seen,
        };
        let waited = now.as_millis().checked_sub(last.as_millis());
        let due_after = usage.due_after.as_millis() as u64;
        let due = waited.is_some_and(|waited| waited > 0 && (usage.forced || waited >= due_after));
        let absolute = timeouts
            .absolute
            .map(|absolute| old.started.after(absolute));
        let changed =
            old.seen.after(timeouts.idle) != old.idle_deadline || absolute != old.absolute_deadline;
        if due || changed {
            let lease = &mut self.lease;
            lease.seen = old.seen.max(now);
            if usage.tells_client {
                lease.told = lease.seen;
            }
            lease.idle_deadline = lease.seen.after(timeouts.idle);
            lease.absolute_deadline = absolute;
        }
    }
}

impl Model {
    fn new(store: &dyn Store, sweeps: Sweeps) -> Self {
        let case = Case::new(Arc::new(crate::MemoryStore::new()));
        let first = super::kit::fresh();
        let home = store.home(first);
        let mut digests = vec![first];
        while digests.len() < IDS as usize {
            let id = super::kit::fresh();
            if store.home(id) == home {
                digests.push(id);
            }
        }
        let start = Clock::system().now();
        Self {
            digests,
            known: BTreeMap::new(),
            entries: ENTRIES.map(|text| case.entry(text)),
            sweeps,
            start,
            now: start,
        }
    }

    fn session(&self, id: Digest) -> Option<&Session> {
        match &self.known.get(&id)?.is {
            Is::Live(session) => Some(session),
            Is::Ended { .. } => None,
        }
    }

    /// The current id of the session that an id works for.
    fn resolve(&self, id: Digest, now: Timestamp) -> Option<Digest> {
        let at = match &self.known.get(&id)?.is {
            Is::Ended { to, .. } => (*to)?,
            Is::Live(_) => id,
        };
        let session = self.session(at)?;
        let former = session.former;
        let works = at == id || former.is_some_and(|(it, until)| it == id && now < until);
        (session.lives(now) && works).then_some(at)
    }

    fn sweep(&mut self) {
        let (now, exact) = (self.now, self.sweeps == Sweeps::Exact);
        self.known.retain(|_, known| {
            let dead = match &known.is {
                Is::Live(session) => !session.lives(now),
                Is::Ended { forget, .. } => *forget <= now,
            };
            known.swept |= dead;
            !(dead && exact)
        });
    }

    /// Whether the store may have forgotten a digest that the model knows.
    fn may_be_missing(&self, id: Digest, now: Timestamp) -> bool {
        self.known.get(&id).is_none_or(|known| {
            let expired = matches!(&known.is, Is::Live(session) if !session.lives(now));
            known.swept || (expired && self.sweeps == Sweeps::AsItSeesFit)
        })
    }

    /// Generates a commit, and applies it to both. Returns a description.
    async fn commit(&mut self, store: &dyn Store, dice: &mut Dice, n: usize) -> String {
        let id = self.digests[dice.roll(IDS) as usize];
        let to = self.digests[dice.roll(IDS) as usize];
        // Some clocks are behind.
        let now = match dice.one_in(8) {
            true => Timestamp::from_millis(self.now.as_millis() - dice.units(3).as_millis() as u64),
            false => self.now,
        };
        let now = now.max(self.start);
        // No two sessions sign in at the same time.
        let started = self.start.after(Duration::from_millis(n as u64));
        let mut lease = dice.timeouts().lease(started, now);
        if dice.one_in(3) {
            let own = Lifetime::new(dice.timeouts()).with_transient(dice.one_in(2));
            lease.lifetime = Some(own);
        }
        let step = match dice.roll(10) {
            0..3 => Step::create(now, lease),
            3..7 => Step::keep(match dice.one_in(2) {
                true => None,
                false => Some(
                    Use::new(dice.timeouts(), dice.units(4))
                        .with_max_lifetime(dice.one_in(2).then(|| dice.timeouts()))
                        .with_forced(dice.one_in(4))
                        .with_tells_client(!dice.one_in(3)),
                ),
            }),
            7..9 => {
                let grace = dice.units(30);
                let until = dice.one_in(2).then(|| now.after(grace));
                Step::renew(to, lease, until)
            }
            _ => Step::Destroy,
        };
        let clear = match dice.roll(8) {
            0 => Clear::Fields,
            1 => Clear::Everything,
            _ => Clear::Nothing,
        };
        let guards = self.guards(dice, id, now);
        let (writes, limits) = match step {
            Step::Destroy => (Vec::new(), Vec::new()),
            _ => self.writes(dice, now),
        };
        let commit = Commit::new(id, now, step)
            .with_ended_at(now.after(Duration::from_millis(dice.roll(2))))
            .with_others_ended_at(now.after(Duration::from_millis(dice.roll(3))))
            .with_clear(match step {
                Step::Destroy => Clear::Nothing,
                _ => clear,
            })
            .with_guards(&guards)
            .with_writes(&writes)
            .with_limits(&limits);
        let what = format!("{commit:?}");
        let answer = store.commit(commit).await.map_err(|error| error.kind());
        let answer = answer.map(|outcome| match outcome {
            Outcome::Done(mut done) => {
                done.ended.sort_unstable();
                Outcome::Done(done)
            }
            other => other,
        });
        let new = match step {
            Step::Create { .. } => Some(id),
            Step::Renew { to, .. } => Some(to),
            _ => None,
        };
        // The store has forgotten it.
        if let Some(new) = new
            && !matches!(answer, Ok(Outcome::Exists | Outcome::Gone))
            && self.may_be_missing(new, now)
        {
            self.known.remove(&new);
        }
        let expected = self.apply(&commit);
        assert_eq!(
            answer, expected,
            "word {n}: the store and the model disagree on {what}"
        );
        what
    }

    fn guards(&self, dice: &mut Dice, id: Digest, now: Timestamp) -> Vec<Guard> {
        let mut guards = Vec::new();
        for _ in 0..dice.roll(3) {
            let field = FIELDS[dice.roll(FIELDS.len() as u64) as usize];
            let session = self.resolve(id, now).and_then(|at| self.session(at));
            let stored = session.and_then(|session| session.fields.get(field));
            let expected = match dice.one_in(5) {
                true => Some(Bytes::from(b"never")),
                false => stored.map(|field| field.value.clone()),
            };
            guards.push(Guard::new(FieldName::from_static(field), expected));
        }
        guards
    }

    fn writes(&self, dice: &mut Dice, now: Timestamp) -> (Vec<Write>, Vec<Limit>) {
        let (mut writes, mut limits) = (Vec::new(), Vec::new());
        for field in FIELDS {
            let name = FieldName::from_static(field);
            let add = Add {
                delta: i128::from(dice.roll(256)) - 20,
                range: CounterRange { min: 0, max: 300 },
                base: 30,
                expires: dice.one_in(5).then(|| now.after(dice.units(10))),
            };
            let bytes = add.apply(None, now).expect("it is in range");
            let write = match dice.roll(7) {
                0..2 => Write::set(name.clone(), bytes),
                2 => Write::remove(name.clone()),
                3 => Write::add(name.clone(), add),
                4 => {
                    let seen = Some(dice.one_in(2).then_some(bytes));
                    Write::new(name.clone(), Op::Add { add, seen })
                }
                _ => continue,
            };
            let entry = match field {
                // Many have this value, so that limits are reached.
                "a" => (!dice.one_in(4)).then_some(&self.entries[0]),
                _ => dice.one_in(2).then(|| &self.entries[dice.roll(2) as usize]),
            };
            let entry = entry.filter(|_| matches!(write.op, Op::Set(_)));
            if let Some(entry) = entry
                && dice.one_in(2)
            {
                let most = 1 + dice.roll(2) as usize;
                let when_full = match dice.one_in(2) {
                    true => WhenFull::Refuse,
                    false => WhenFull::EndOldest,
                };
                if limits.is_empty() {
                    limits.push(Limit::new(name, Bytes::from(&entry[..]), most, when_full));
                }
            }
            writes.push(write.with_index(entry.map(|entry| Bytes::from(&entry[..]))));
        }
        (writes, limits)
    }

    /// The outcome of a commit according to the contract.
    fn apply(&mut self, commit: &Commit<'_>) -> Result<Outcome, ErrorKind> {
        let (now, id) = (commit.now, commit.id);
        let renews = matches!(commit.step, Step::Renew { .. });
        let (at, mut session) = match commit.step {
            Step::Create { created, lease } => {
                if self.known.contains_key(&id) {
                    return Ok(Outcome::Exists);
                }
                let session = Session {
                    created,
                    lease,
                    former: None,
                    fields: BTreeMap::new(),
                };
                (id, session)
            }
            _ => match self.resolve(id, now) {
                Some(at) if at == id || !renews => {
                    let session = self.session(at).expect("it was found");
                    if has_outlived(&session.lease, commit) {
                        return Ok(Outcome::Gone);
                    }
                    (at, session.clone())
                }
                _ => return Ok(Outcome::Gone),
            },
        };
        if let Step::Renew { to, .. } = commit.step
            && self.known.contains_key(&to)
        {
            return Ok(Outcome::Exists);
        }
        let stored = |guard: &Guard| Some(session.fields.get(&*guard.field)?.value.clone());
        let found: Vec<_> = commit.guards.iter().map(stored).collect();
        let holds = |(guard, found): (&Guard, &Option<Bytes>)| guard.expected == *found;
        if !commit.guards.iter().zip(&found).all(holds) {
            return Ok(Outcome::Conflict(found));
        }
        let mut ended = Vec::new();
        for (n, limit) in commit.limits.iter().enumerate() {
            let with_entry = |id: &&Digest| {
                let session = self.session(**id);
                session.is_some_and(|it| it.lives(now) && it.has(&limit.field, &limit.entry))
            };
            let mut others: Vec<Digest> = self.digests.iter().filter(with_entry).copied().collect();
            let has_it = others.contains(&at) && !matches!(commit.step, Step::Create { .. });
            others.retain(|id| *id != at);
            if others.len() < limit.most {
                continue;
            }
            match limit.when_full {
                WhenFull::Refuse if has_it => {}
                WhenFull::Refuse => return Ok(Outcome::Full(n)),
                WhenFull::EndOldest => {
                    others.sort_by_key(|id| self.session(*id).map(|it| it.lease.started));
                    others.truncate(others.len() + 1 - limit.most);
                    ended.extend(others);
                }
            }
        }
        match commit.clear {
            Clear::Nothing => {}
            Clear::Fields => session
                .fields
                .retain(|name, _| name.starts_with("level-session:")),
            Clear::Everything => session.fields.clear(),
        }
        for write in commit.writes {
            let known = FIELDS.into_iter().find(|name| *name == &*write.field);
            let name = known.expect("it is one of these");
            match &write.op {
                Op::Set(value) => {
                    let (value, entry) = (value.clone(), write.index.clone());
                    session.fields.insert(name, Field { value, entry });
                }
                Op::Remove => drop(session.fields.remove(name)),
                Op::Add { add, .. } => {
                    let before = session.fields.remove(name);
                    let sum = add.apply(before.as_ref().map(|it| &*it.value), now);
                    let field = Field {
                        value: sum.map_err(|error| error.kind())?,
                        entry: before.and_then(|it| it.entry),
                    };
                    session.fields.insert(name, field);
                }
            }
        }
        ended.sort_unstable();
        for id in &ended {
            self.end(*id, commit.others_ended_at, None);
        }
        let by_former_id = at != id;
        let meta = match commit.step {
            Step::Destroy => {
                self.end(at, commit.ended_at, None);
                None
            }
            Step::Renew {
                to,
                lease,
                former_works_until,
            } => {
                let until = former_works_until.filter(|until| now < *until);
                session.lease = lease;
                session.former = until.map(|until| (id, until));
                self.end(id, commit.ended_at, until.map(|until| (to, until)));
                Some(self.put(to, session, now))
            }
            Step::Keep { usage } => {
                if let Some(usage) = &usage {
                    if !by_former_id {
                        session.former = None;
                    }
                    session.use_at(usage, now);
                }
                Some(self.put(at, session, now))
            }
            Step::Create { .. } => Some(self.put(at, session, now)),
        };
        let done = Done::new(meta).with_by_former_id(by_former_id);
        Ok(Outcome::Done(done.with_ended(ended)))
    }

    fn put(&mut self, id: Digest, session: Session, now: Timestamp) -> Meta {
        let meta = session.meta(now);
        let is = Is::Live(session);
        self.known.insert(id, Known { is, swept: false });
        meta
    }

    fn end(&mut self, id: Digest, at: Timestamp, to: Option<(Digest, Timestamp)>) {
        let forget = to.map_or(at, |(_, until)| until).after(ENDED_IS_REMEMBERED);
        let to = to.map(|(to, _)| to);
        let is = Is::Ended { at, forget, to };
        self.known.insert(id, Known { is, swept: false });
    }

    /// Compares the store's contents with the model's.
    async fn compare(&self, store: &dyn Store) -> Result<(), String> {
        let now = self.now;
        for (n, id) in self.digests.iter().enumerate() {
            let loaded = store.load(*id, Select::All, now).await.expect("a load");
            let seen = format!("digest {n} is {loaded:?}");
            let agrees = match (self.resolve(*id, now), loaded) {
                (Some(at), Loaded::Live(snapshot)) => {
                    let session = self.session(at).expect("it lives");
                    let stored = snapshot.fields.into_all().unwrap_or_default();
                    let fields: BTreeMap<_, _> = stored
                        .iter()
                        .map(|(name, value)| (&**name, value))
                        .collect();
                    let expected: BTreeMap<_, _> = session
                        .fields
                        .iter()
                        .map(|(name, field)| (*name, &field.value))
                        .collect();
                    snapshot.by_former_id == (at != *id)
                        && snapshot.meta == session.meta(now)
                        && fields == expected
                        && stored.len() == expected.len()
                }
                (None, Loaded::Missing) => {
                    let remembered = matches!(
                        self.known.get(id),
                        Some(Known {
                            is: Is::Ended { .. },
                            swept: false
                        })
                    );
                    !remembered
                }
                (None, Loaded::Ended(time)) => match self.known.get(id).map(|known| &known.is) {
                    Some(Is::Ended { at, to, .. }) => {
                        // The former id of an ended session ends with it.
                        let end = to.and_then(|to| match &self.known.get(&to)?.is {
                            Is::Ended { at: end, .. } => Some(*end.max(at)),
                            Is::Live(_) => None,
                        });
                        time == *at || Some(time) == end
                    }
                    _ => false,
                },
                _ => false,
            };
            if !agrees {
                return Err(format!("{seen}, which the model does not have"));
            }
        }
        for field in FIELDS {
            for entry in &self.entries {
                let mut expected: Vec<_> = self.live().collect();
                expected.retain(|(_, session)| session.has(field, entry));
                let expected: Vec<_> = expected
                    .iter()
                    .map(|(id, it)| (*id, it.meta(now)))
                    .collect();
                let found = found(store, field, entry, now).await;
                if found != expected {
                    return Err(format!("by {field:?} it finds {found:?}, not {expected:?}"));
                }
            }
        }
        if self.sweeps == Sweeps::Exact {
            let mut listed = listed(store, now).await;
            listed.retain(|id| self.digests.contains(id));
            let live: Vec<_> = self.live().map(|(id, _)| id).collect();
            if listed != live {
                return Err(format!("{listed:?} are listed, not {live:?}"));
            }
        }
        Ok(())
    }

    /// The live sessions, in the order of their digests.
    fn live(&self) -> impl Iterator<Item = (Digest, &Session)> {
        self.known.iter().filter_map(|(id, known)| match &known.is {
            Is::Live(session) if session.lives(self.now) => Some((*id, session)),
            _ => None,
        })
    }
}

/// The sessions with an entry, in the order of their digests.
async fn found(
    store: &dyn Store,
    field: &str,
    entry: &[u8],
    now: Timestamp,
) -> Vec<(Digest, Meta)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = store.find(field, entry, after.as_ref(), 3, now).await;
        let page = page.expect("a look-up by index");
        all.extend(page.items.iter().map(|found| (found.id, found.meta)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    all.sort_unstable_by_key(|(id, _)| *id);
    all.dedup();
    all
}

/// Every session, in the order of their digests.
async fn listed(store: &dyn Store, now: Timestamp) -> Vec<Digest> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = store.page(after.as_ref(), 1_000, now).await;
        let page = page.expect("a page is listed");
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Chosen timeouts within the deployment's maximum.
fn cut(own: Timeouts, most: Option<Timeouts>) -> Timeouts {
    let most = most.unwrap_or(Timeouts::new(Duration::MAX));
    let absolutes = [own.absolute, most.absolute].into_iter().flatten();
    Timeouts::new(own.idle.min(most.idle)).with_absolute(absolutes.min())
}

/// Whether the session is dead by the timeouts of the committing deployment, although it is live by its own deadlines.
fn has_outlived(lease: &Lease, commit: &Commit<'_>) -> bool {
    let timeouts = match (commit.step, lease.lifetime) {
        (
            Step::Keep {
                usage: Some(usage), ..
            },
            Some(own),
        ) => cut(own.timeouts, usage.max_lifetime),
        (
            Step::Keep {
                usage: Some(usage), ..
            },
            None,
        ) => usage.timeouts,
        (Step::Renew { lease: new, .. }, Some(own)) if new.lifetime.is_none() => own.timeouts,
        (Step::Renew { lease: new, .. }, None) if new.lifetime.is_none() => {
            let absolute = new.absolute_deadline;
            Timeouts::new(new.idle_deadline.since(new.seen))
                .with_absolute(absolute.map(|absolute| absolute.since(new.started)))
        }
        _ => return false,
    };
    let idle = lease.seen.after(timeouts.idle);
    let absolute = timeouts.absolute.map(|after| lease.started.after(after));
    idle <= commit.now || absolute.is_some_and(|absolute| absolute <= commit.now)
}
