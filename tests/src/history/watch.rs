//! The watched events, in their order: the calls of the store, and their results.

use super::{
    data::{Field, Held, held},
    model::{End, Found, Live, Model, Stored},
    unit::{Answer, Unit, Who},
    wants::Wants,
};
use level_session::{
    Clock, EndReason, Event, Timestamp, Value,
    store::{Answer as Shown, Bytes, Digest, Loaded, Select, Snapshot},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How long after a renewal a sign-out by the former id is rejected.
const LATELY_MILLIS: u64 = 60_000;

/// The state of the watch: the model, the requests, and the violations.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) model: Model,
    pub(super) units: Vec<Unit>,
    /// The request that has the turn.
    pub(super) current: usize,
    pub(super) clock: Clock,
    /// The next calls belong to a worker and not to a request.
    pub(super) worker: bool,
    pub(super) fault: Fault,
    /// The current call of the store.
    pub(super) asked: Question,
    pub(super) violation: Option<String>,
    /// A counter has left its range: later events are not checked.
    pub(super) overflown: bool,
    /// The log, if it is requested.
    pub(super) told: Option<Vec<String>>,
    pub(super) told_events: Vec<Event>,
    /// The events that must be reported, each with the number of its unit.
    pub(super) due_events: Vec<(usize, Due)>,
    /// The index entries of users, as the store was told.
    pub(super) entries: HashMap<u64, Bytes>,
    /// The number of operations of handlers and calls of the store.
    pub(super) operations: u64,
    pub(super) refused: u64,
}

/// An event that must be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Created(Digest),
    Renewed(Digest, Digest),
    Ended(Digest, EndReason),
}

impl Due {
    pub(super) fn is(self, event: &Event) -> bool {
        match (self, event) {
            (Self::Created(a), Event::Created { session, .. }) => a == session.digest(),
            (
                Self::Ended(a, why),
                Event::Ended {
                    session, reason, ..
                },
            ) => (a, why) == (session.digest(), *reason),
            (Self::Renewed(a, b), Event::Renewed { from, to, .. }) => {
                (a, b) == (from.digest(), to.digest())
            }
            _ => false,
        }
    }
}

/// The time of a call, and its purpose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Question {
    /// The epoch of the request at the call.
    pub(super) epoch: u64,
    /// A commit asks why its session is not live.
    pub(super) looks: bool,
    /// A renewal asks, before it is sent, whether its session is live.
    pub(super) first: bool,
}

/// A failure mode of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// The store works.
    #[default]
    Nothing,
    /// Reads fail.
    Loads,
    /// Commits fail and are not applied.
    Commits,
    /// Commits are applied, but their results are lost.
    Answers,
    /// All calls wait.
    Hang,
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

/// The result of a read, delivered at its next turn.
pub(super) struct Seen {
    live: Option<(Digest, bool, Live)>,
    ended: Option<End>,
    names: Option<Vec<Field>>,
    view: bool,
    asked: Question,
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
        if self.overflown {
            return;
        }
        self.tell(|_| format!("  VIOLATION: {what}"));
        self.violation.get_or_insert(what);
    }

    /// Whether further events are not checked.
    pub(super) fn is_over(&self) -> bool {
        self.violation.is_some() || self.overflown
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

    /// Whether the error is the valid overflow of a counter.
    pub(super) fn overflows(&mut self, is_overflow: bool) -> bool {
        let unit = self.unit();
        let planned = unit.planned.iter().map(|planned| &planned.wants);
        let may = planned.chain([&unit.wants]).any(Wants::may_overflow);
        self.overflown |= may && is_overflow;
        self.overflown
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
            _ => None,
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
            view: false,
            asked: self.asked,
        };
        match (found, loaded) {
            (Found::Live { id, by_former }, Loaded::Live(snapshot)) => {
                let live = self.model.live(id).cloned();
                if let Some(live) = live {
                    let shown = snapshot.fields.clone().into_answer();
                    // A store may return all fields if it was asked for some: the request has then seen all of them.
                    if matches!(shown, Shown::All(_)) {
                        seen.names = None;
                    }
                    seen.view = matches!(shown, Shown::View(_));
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
        let found: BTreeMap<Field, Stored> = match snapshot.fields.clone().into_answer() {
            Shown::Nothing => return,
            Shown::All(all) => all
                .iter()
                .filter_map(|(name, bytes)| Some((Field::of(name)?, stored(bytes)?)))
                .collect(),
            _ => {
                let asked = names.unwrap_or_default();
                let names: Vec<&str> = asked.iter().map(|field| field.key()).collect();
                let values = snapshot.fields.values(&names).unwrap_or_default();
                asked
                    .iter()
                    .zip(values)
                    .filter_map(|(field, bytes)| Some((*field, stored(bytes.as_deref()?)?)))
                    .collect()
            }
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

    /// The request has read a field. If it did not ask the store, it has used the fields that the store returned before,
    /// whose values must still be the stored ones.
    pub(super) fn looked(&mut self, field: Field) {
        let now = self.clock.now();
        if self.unit().sees(field, now).is_none()
            && let Some(live) = self.shown()
        {
            self.unit().read(&live.fields, Some(&[field]));
        }
    }

    /// The stored fields of the request's session, if the store has returned all of them.
    pub(super) fn shown(&mut self) -> Option<Live> {
        let now = self.clock.now();
        let unit = self.unit();
        let Who::Known {
            id,
            by_former: false,
        } = unit.who
        else {
            return None;
        };
        let live = unit.viewing.then(|| self.model.live(id).cloned())?;
        live.filter(|live| live.lease.is_live(now))
    }

    /// The result arrives at the request.
    pub(super) fn absorb(&mut self, seen: Seen) {
        let now = self.clock.now();
        let unit = self.unit();
        if seen.asked.looks {
            return self.looked_into(&seen);
        }
        if unit.planned.is_some() || seen.asked.epoch != unit.epoch {
            return; // a commit came between, so the read is repeated
        }
        match seen.live.filter(|(_, _, live)| live.lease.is_live(now)) {
            // In the meantime, another task has found that the request has no session.
            _ if unit.who == Who::Nobody => {}
            Some((id, by_former, live)) => {
                if let Who::Presented(presented) = unit.who {
                    unit.who = Who::Known {
                        id: if by_former { presented } else { id },
                        by_former,
                    };
                }
                unit.read(&live.fields, seen.names.as_deref());
                unit.viewing |= seen.view;
            }
            None if matches!(unit.who, Who::Known { .. }) => unit.gone = true,
            None => self.is_a_stranger(seen.ended),
        }
    }

    /// The cookie of a request has no session. The request is told of an end that happened after it began.
    fn is_a_stranger(&mut self, ended: Option<End>) {
        let unit = self.unit();
        match ended {
            Some(end) if end.moment > unit.began => unit.gone = true,
            _ => {
                unit.may_be_gone = unit.began_at_an_end && ended.is_some();
                unit.renewed_lately |= ended.is_some_and(|end| end.is_lately_renewed(unit.came));
                unit.who = Who::Nobody;
            }
        }
    }

    /// A commit has found no session, and learns the reason.
    fn looked_into(&mut self, seen: &Seen) {
        let unit = self.unit();
        let destroys = unit
            .planned
            .as_ref()
            .is_some_and(|planned| planned.wants.destroy);
        if seen.live.is_some() && seen.asked.first {
            return; // and is renewed now
        }
        if seen.live.is_some() {
            unit.gone = true; // it would be renewed by its former id
            return unit.not_stored(Some(Answer::Gone));
        }
        unit.not_stored(None);
        if destroys {
            // An ended session counts as destroyed.
            unit.renewed_lately |= seen
                .ended
                .is_some_and(|end| end.is_lately_renewed(unit.came));
            unit.who = Who::Nobody;
        } else {
            self.is_a_stranger(seen.ended);
        }
    }
}

impl End {
    fn is_lately_renewed(&self, came: Timestamp) -> bool {
        self.renewed
            .is_some_and(|at| came.as_millis() < at.as_millis() + LATELY_MILLIS)
    }
}

pub(super) fn stored(bytes: &[u8]) -> Option<Stored> {
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
        _ => "live",
    }
}
