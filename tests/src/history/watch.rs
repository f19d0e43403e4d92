//! A store that writes down what it is asked, in the order in which it happens, and applies every commit to the model
//! in the same step.

use super::{
    data::{Field, Held, held},
    model::{End, Found, Live, Model, Record, Stored},
    unit::{Answer, Cookie, Phase, Unit, Who},
};
use level_session::{
    Clock, Event, Result, Timestamp, Value,
    store::{
        Bytes, Commit, Digest, ENDED_IS_REMEMBERED, Fields, Loaded, Meta, Op, Outcome, Select,
        Snapshot, Step, Store, StoreFuture, Swept,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// What is watched: the model, the requests, and what was found.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) model: Model,
    pub(super) units: Vec<Unit>,
    /// The request that has a turn.
    pub(super) current: usize,
    pub(super) clock: Clock,
    pub(super) violation: Option<String>,
    /// What happened, if it is to be told.
    pub(super) told: Option<Vec<String>>,
    pub(super) told_events: Vec<Event>,
    /// With whether its request was told how it ended.
    pub(super) due_events: Vec<(usize, Due)>,
    /// What users are found by, as the store was told.
    pub(super) entries: HashMap<u64, Bytes>,
    /// How many things handlers did and stores were asked.
    pub(super) operations: u64,
}

/// An event that must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Created(Digest),
    Renewed(Digest, Digest),
    Destroyed(Digest),
}

impl Due {
    pub(super) fn is(self, event: &Event) -> bool {
        match (self, event) {
            (Self::Created(a), Event::Created(b)) | (Self::Destroyed(a), Event::Destroyed(b)) => {
                a == *b
            }
            (Self::Renewed(a, b), Event::Renewed { from, to, .. }) => (a, b) == (*from, *to),
            _ => false,
        }
    }
}

/// Shared by the store and the handlers.
#[derive(Clone, Debug)]
pub(super) struct Watched(Arc<Mutex<Watch>>);

impl Watched {
    pub(super) fn new(watch: Watch) -> Self {
        Self(Arc::new(Mutex::new(watch)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store of a history.
pub(super) struct WatchedStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) watched: Watched,
}

/// What a read will be answered with, once it has its turn again.
pub(super) struct Seen {
    live: Option<(Digest, bool, Live)>,
    ended: Option<End>,
    names: Option<Vec<Field>>,
}

impl Watch {
    pub(super) fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.told.is_some() {
            let line = what(self);
            if let Some(told) = &mut self.told {
                told.push(line);
            }
        }
    }

    pub(super) fn violated(&mut self, what: String) {
        self.tell(|_| format!("  VIOLATION: {what}"));
        self.violation.get_or_insert(what);
    }

    pub(super) fn check(&mut self, holds: bool, what: impl FnOnce(&Self) -> String) {
        if !holds {
            let what = what(self);
            self.violated(what);
        }
    }

    pub(super) fn unit(&mut self) -> &mut Unit {
        &mut self.units[self.current]
    }

    pub(super) fn loaded(
        &mut self,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
        loaded: &Loaded,
    ) -> Seen {
        self.operations += 1;
        let found = self.model.find(id, now);
        let names = match select {
            Select::Nothing => Some(Vec::new()),
            Select::Names(names) => Some(names.iter().filter_map(|name| Field::of(name)).collect()),
            Select::All => None,
        };
        self.tell(|w| {
            format!(
                "  store: request {} reads {names:?} of {}: {}",
                w.current,
                id.short(),
                short(loaded)
            )
        });
        let mut seen = Seen {
            live: None,
            ended: None,
            names,
        };
        match (found, loaded) {
            (Found::Live { id, by_former }, Loaded::Live(snapshot)) => {
                let live = self.model.live(id).cloned();
                if let Some(live) = live {
                    self.compare(snapshot, by_former, &live, seen.names.as_deref());
                    seen.live = Some((id, by_former, live));
                }
            }
            (Found::Ended(end), Loaded::Ended(_)) => seen.ended = Some(end),
            (Found::Ended(end), Loaded::Missing) if end.remembered <= now => {}
            (Found::Nothing, Loaded::Missing) => {}
            (found, loaded) => {
                let what = format!(
                    "the store says `{}` of {}, which is {found:?}",
                    short(loaded),
                    id.short()
                );
                self.violated(what);
            }
        }
        seen
    }

    fn compare(
        &mut self,
        snapshot: &Snapshot,
        by_former: bool,
        live: &Live,
        names: Option<&[Field]>,
    ) {
        self.check(snapshot.by_former_id == by_former, |_| {
            "a former id is taken for the current one".into()
        });
        self.check(snapshot.meta.lease == live.lease, |_| {
            format!(
                "the lease is {:?} and should be {:?}",
                snapshot.meta.lease, live.lease
            )
        });
        let found: BTreeMap<Field, Stored> = match &snapshot.fields {
            Fields::Nothing => return,
            Fields::Named(values) => names
                .unwrap_or_default()
                .iter()
                .zip(values)
                .filter_map(|(field, bytes)| Some((*field, stored(bytes.as_deref()?)?)))
                .collect(),
            Fields::All(all) => all
                .iter()
                .filter_map(|(name, bytes)| Some((Field::of(name)?, stored(bytes)?)))
                .collect(),
        };
        for field in names.unwrap_or(&Field::ALL) {
            let (found, wanted) = (found.get(field), live.fields.get(field));
            self.check(found == wanted, |_| {
                format!(
                    "`{}` is stored as {found:?} and should be {wanted:?}",
                    field.key()
                )
            });
        }
    }

    /// The answer reaches the request.
    fn absorb(&mut self, seen: Seen) {
        let now = self.clock.now();
        let unit = self.unit();
        match seen.live.filter(|(_, _, live)| live.lease.is_live(now)) {
            Some((id, by_former, live)) => {
                if let Who::Presented(presented) = unit.who {
                    unit.who = Who::Known {
                        id: if by_former { presented } else { id },
                        by_former,
                    };
                }
                unit.known_use = live.lease.seen;
                unit.read(&live.fields, seen.names.as_deref());
            }
            None => {
                let ended_under_it = seen.ended.is_some_and(|end| end.moment > unit.began);
                match unit.who {
                    Who::Known { .. } => unit.gone = true,
                    _ if ended_under_it => unit.gone = true,
                    _ => {
                        unit.may_be_gone = unit.began_at_an_end && seen.ended.is_some();
                        unit.who = Who::Nobody;
                    }
                }
            }
        }
    }

    fn committed(&mut self, commit: &Commit<'_>, outcome: &Outcome) {
        self.operations += 1;
        let current = self.current;
        self.tell(|_| {
            let fields: Vec<_> = commit.writes.iter().map(|write| &*write.field).collect();
            format!(
                "  store: request {current} commits {:?} of {} at {} with {fields:?}{}: {outcome:?}",
                commit.step,
                commit.id.short(),
                commit.now.as_millis() % 10_000_000,
                if commit.guards.is_empty() { "" } else { " guarded" },
            )
        });
        for write in commit.writes {
            if let (Op::Set(bytes), Some(entry)) = (&write.op, &write.index)
                && let Some(stored) = stored(bytes)
            {
                self.entries.insert(stored.held.wide(), entry.clone());
            }
        }
        let (phase, who) = (self.unit().phase, self.unit().who);
        let allowed = matches!(
            phase,
            Phase::Committing | Phase::Taking(_) | Phase::Ending { commits: true }
        );
        if !allowed {
            return self.violated(format!(
                "a request that must not store anything commits ({phase:?})"
            ));
        }
        self.check(self.units[current].answered.is_empty(), |_| {
            "a request goes on with a commit that was answered".into()
        });
        let alive = match (commit.step, self.model.find(commit.id, commit.now)) {
            (Step::Create { .. }, _) => Some(commit.id),
            (
                Step::Renew { .. },
                Found::Live {
                    id,
                    by_former: false,
                },
            ) => Some(id),
            (Step::Keep | Step::Destroy, Found::Live { id, .. }) => Some(id),
            _ => None,
        };
        let new = match commit.step {
            Step::Create { .. } => Some(commit.id),
            Step::Renew { to, .. } => Some(to),
            _ => None,
        };
        let taken = new.is_some_and(|new| self.model.knows(new));
        match (outcome, alive) {
            (Outcome::Conflict(_), Some(id)) if !commit.guards.is_empty() => {
                // Whoever takes looks again.
                if let Phase::Taking(field) = phase {
                    let live = self.model.live(id);
                    let current = live.and_then(|live| live.fields.get(&field).cloned());
                    self.unit().reread(field, current);
                }
            }
            (Outcome::Exists, Some(_)) if taken => {}
            (Outcome::Gone, None) => {
                let refresh = commit.step == Step::Keep
                    && !commit.clear
                    && commit.writes.is_empty()
                    && !self.unit().wants.touch;
                let unit = self.unit();
                unit.gone = true;
                unit.answered.push(match refresh {
                    true => Answer::RefreshGone,
                    false => Answer::Gone,
                });
            }
            (Outcome::Done, Some(id)) if !taken => {
                self.unit().answered.push(Answer::Done);
                match phase {
                    Phase::Taking(field) => self.claim(commit, id, field),
                    _ => self.apply(commit, id, who),
                }
            }
            (outcome, alive) => {
                let what = format!(
                    "a commit is answered with `{outcome:?}` and should not be: the session {}, its new id {}",
                    if alive.is_some() { "lives" } else { "is dead" },
                    if taken { "is taken" } else { "is free" },
                );
                self.violated(what);
            }
        }
    }

    fn claim(&mut self, commit: &Commit<'_>, id: Digest, field: Field) {
        let now = commit.now;
        let before = self
            .model
            .live_mut(id)
            .and_then(|live| live.fields.remove(&field));
        let unit = self.unit();
        let value = unit.wants.fold(field, before, now);
        unit.claimed = Some(value);
        unit.wants.drop_all(field);
        unit.reread(field, None);
    }

    fn apply(&mut self, commit: &Commit<'_>, id: Digest, who: Who) {
        let now = commit.now;
        let wants = self.unit().wants.clone();
        let leaves = wants.leaves_something(now);
        let moment = self.model.next();
        let end = |until: Timestamp| End {
            moment,
            remembered: until.after(ENDED_IS_REMEMBERED),
        };
        let mut fields = self
            .model
            .live(id)
            .map(|live| live.fields.clone())
            .unwrap_or_default();
        wants.apply(&mut fields, now);
        let first = self.model.lease(now, now);
        let current = self.current;
        let nothing_else = match commit.step {
            Step::Create { .. } => {
                self.check(who == Who::Nobody && leaves, |_| {
                    format!("a session is made for {who:?}")
                });
                self.check(commit.lease == Some(first), |_| {
                    "a new session has another lease".into()
                });
                let live = Live {
                    lease: first,
                    former: None,
                    fields: fields.clone(),
                };
                self.model.put(id, Record::Live(live));
                self.unit().who = Who::Known {
                    id,
                    by_former: false,
                };
                self.unit().cookie = Cookie::Set(id);
                self.due_events.push((current, Due::Created(id)));
                true
            }
            Step::Keep => {
                self.check(!wants.renew && !wants.destroy, |_| {
                    "a renewal or a destroy is forgotten".into()
                });
                self.keep(commit, id, fields.clone());
                wants.clear
            }
            Step::Renew {
                to,
                former_works_until,
            } => {
                self.check(wants.renew || (wants.destroy && leaves), |_| {
                    "nobody asked for a renewal".into()
                });
                let grace = self.model.settings.grace;
                let until = (grace > 0 && !wants.destroy)
                    .then(|| Timestamp::from_millis(now.as_millis() + grace));
                self.check(former_works_until == until, |_| {
                    format!("the former id works until {former_works_until:?} and should until {until:?}")
                });
                self.check(commit.lease == Some(first), |_| {
                    "a renewal does not restart the lease".into()
                });
                self.model.take(id);
                let record = match until {
                    None => Record::Ended(end(now)),
                    Some(until) => Record::Moved {
                        to,
                        end: end(until),
                    },
                };
                self.model.put(id, record);
                let live = Live {
                    lease: first,
                    former: until.map(|until| (id, until)),
                    fields: fields.clone(),
                };
                self.model.put(to, Record::Live(live));
                self.unit().who = Who::Known {
                    id: to,
                    by_former: false,
                };
                self.unit().cookie = Cookie::Set(to);
                match wants.destroy {
                    true => {
                        self.due_events.push((current, Due::Destroyed(id)));
                        self.due_events.push((current, Due::Created(to)));
                    }
                    false => self.due_events.push((current, Due::Renewed(id, to))),
                }
                wants.destroy || wants.clear
            }
            Step::Destroy => {
                self.check(wants.destroy && !leaves, |_| {
                    "nobody asked for a destroy".into()
                });
                self.model.take(id);
                self.model.put(id, Record::Ended(end(now)));
                fields.clear();
                self.unit().who = Who::Nobody;
                self.unit().cookie = Cookie::Remove;
                self.due_events.push((current, Due::Destroyed(commit.id)));
                true
            }
        };
        if let Some(lease) = commit.lease {
            self.unit().known_use = lease.seen;
        }
        self.unit().stored(&fields, nothing_else);
    }

    fn keep(&mut self, commit: &Commit<'_>, id: Digest, fields: super::model::Fields) {
        let Some(live) = self.model.live(id).cloned() else {
            return;
        };
        let lease = self.model.lease(live.lease.started, commit.now);
        match commit.lease {
            None => {
                let known = self.unit().known_use;
                let due = self.model.refresh_due(known, commit.now) || self.unit().wants.touch;
                self.check(!due, |_| "a refresh is due and is forgotten".into());
            }
            // It comes by the former id, of a request that began before the renewal.
            Some(new) if new.started < live.lease.started => {
                self.check(id != commit.id, |_| {
                    "a refresh counts from an earlier sign-in".into()
                });
            }
            Some(new) => self.check(new == lease, |_| {
                format!("a refresh brings {new:?} and should bring {lease:?}")
            }),
        }
        if let Some(live) = self.model.live_mut(id) {
            live.fields = fields;
            if let Some(lease) = commit.lease {
                if lease.seen >= live.lease.seen && lease.started >= live.lease.started {
                    live.lease = lease;
                }
                if id == commit.id {
                    live.former = None;
                }
            }
        }
    }
}

fn stored(bytes: &[u8]) -> Option<Stored> {
    let (expires, value) = Value::from_stored(bytes).ok()?;
    Some(Stored {
        held: held(&value).unwrap_or(Held::Int(i64::MIN)),
        expires,
    })
}

fn short(loaded: &Loaded) -> &'static str {
    match loaded {
        Loaded::Missing => "missing",
        Loaded::Ended(_) => "ended",
        Loaded::Live(_) => "live",
    }
}

impl WatchedStore {
    /// Lets others go first, calls, and lets others go first again before the answer arrives. The call itself is one
    /// step, whatever threads the store may have.
    fn call<'a, T: Send + 'a, U: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
        step: impl FnOnce(&mut Watch, &Result<T>) -> U + Send + 'a,
        answered: impl FnOnce(&mut Watch, U) + Send + 'a,
    ) -> StoreFuture<'a, T> {
        StoreFuture::boxed(async move {
            turn().await;
            let answer = wait(call());
            let seen = step(&mut self.watched.lock(), &answer);
            turn().await;
            answered(&mut self.watched.lock(), seen);
            answer
        })
    }
}

impl Store for WatchedStore {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        self.call(
            move || self.inner.load(id, select, now),
            move |watch, answer| {
                answer
                    .as_ref()
                    .ok()
                    .map(|loaded| watch.loaded(id, select, now, loaded))
            },
            |watch, seen| {
                if let Some(seen) = seen {
                    watch.absorb(seen);
                }
            },
        )
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        let same = commit.clone();
        self.call(
            move || self.inner.commit(commit),
            move |watch, answer| match answer {
                Ok(outcome) => watch.committed(&same, outcome),
                Err(error) => watch.violated(format!("the store fails: {error:?}")),
            },
            |_, ()| (),
        )
    }

    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        now: Timestamp,
    ) -> StoreFuture<'a, Vec<(Digest, Meta)>> {
        self.inner.find(field, entry, now)
    }

    fn page(
        &self,
        after: Option<Digest>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Digest>> {
        self.inner.page(after, limit, now)
    }

    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        self.inner.sweep(now, limit)
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.inner.close()
    }
}

/// Ends the turn, once.
pub(super) async fn turn() {
    let mut waited = false;
    poll_fn(|_| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
