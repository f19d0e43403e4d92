//! What one request knows and wants, as the contract says it.

use super::{
    data::Field,
    model::{Fields, Stored},
    wants::Wants,
};
use level_session::{Timestamp, store::Digest};
use std::collections::{BTreeMap, BTreeSet};

/// A unit of work on a session: a request's, or one that was detached from it.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) who: Who,
    /// When it began, in the order of everything.
    pub(super) began: u64,
    /// Its session ended under it.
    pub(super) gone: bool,
    /// The last use of its session that it knows of.
    pub(super) known_use: Timestamp,
    /// It may be told that it ended, because another session was being ended when it began.
    pub(super) may_be_gone: bool,
    /// An end was about to be stored when it began.
    pub(super) began_at_an_end: bool,
    /// What its handler does at once.
    tasks: [Task; 2],
    /// Which of them has a turn.
    pub(super) at: usize,
    pub(super) wants: Wants,
    /// What a commit or a claim that is under way takes with it.
    pub(super) planned: Option<Planned>,
    /// Until when the former id of its session works, if it has renewed it, or what it was detached from has.
    pub(super) named_here: Option<Timestamp>,
    /// Counts the beginnings and ends of its commits: what was asked before one is not noted after it.
    pub(super) epoch: u64,
    seen: BTreeMap<Field, Option<Stored>>,
    all_read: bool,
    /// The store has shown it all fields, and it may look at them again without asking, while they are what is stored.
    pub(super) viewing: bool,
    /// What it has changed before.
    touched: BTreeSet<Field>,
    pub(super) cookie: Cookie,
    /// The handler has used the session.
    pub(super) used: bool,
    /// It has renewed or ended its session.
    pub(super) ended: bool,
    /// When the store has ended an id for it, in the order of everything.
    pub(super) has_ended: Option<u64>,
    /// Its client went away: nobody is told how it ended.
    pub(super) cancelled: bool,
    /// It has no response.
    pub(super) detached: bool,
}

/// One of the things that a handler does at once.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) phase: Phase,
    /// What the store answered to commits in this phase.
    pub(super) answered: Vec<Answer>,
    /// The store failed since the task's last step.
    pub(super) failed: bool,
    /// The answer to the commit that is under way will be lost.
    pub(super) lost: bool,
    /// Of which epoch its last read is.
    pub(super) asked: u64,
    /// What was claimed by a `take`.
    pub(super) claimed: Option<Option<Stored>>,
}

/// What a commit takes with it.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) wants: Wants,
    pub(super) who: Who,
    pub(super) known_use: Timestamp,
    /// The store has it, though the request does not know it yet.
    pub(super) applied: bool,
    /// What it adds to and was read with that in it.
    included: BTreeSet<Field>,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Gone,
    /// The store failed: it may be stored, or not.
    Failed,
    /// Of a commit that did nothing but refresh.
    RefreshGone,
    RefreshFailed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    Presented(Digest),
    Known { id: Digest, by_former: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    AtWork,
    Taking(Field),
    Committing,
    /// The handler is done, and all it wants may be stored, or nothing.
    Ending {
        commits: bool,
    },
    Closed,
}

/// What the response must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    Leave,
    Set(Digest),
    Remove,
}

impl Unit {
    pub(super) fn new(presented: Option<Digest>, began: u64) -> Self {
        Self {
            who: presented.map_or(Who::Nobody, Who::Presented),
            began,
            gone: false,
            known_use: Timestamp::default(),
            may_be_gone: false,
            began_at_an_end: false,
            tasks: [Task::new(), Task::new()],
            at: 0,
            wants: Wants::default(),
            planned: None,
            named_here: None,
            epoch: 0,
            seen: BTreeMap::new(),
            all_read: false,
            viewing: false,
            touched: BTreeSet::new(),
            cookie: Cookie::Leave,
            used: false,
            ended: false,
            has_ended: None,
            cancelled: false,
            detached: false,
        }
    }

    /// A unit of its own on the same session.
    pub(super) fn detach(&self, began: u64) -> Self {
        Self {
            who: self.who,
            known_use: self.known_use,
            named_here: self.named_here,
            detached: true,
            ..Self::new(None, began)
        }
    }

    /// The task that has a turn.
    pub(super) fn task(&mut self) -> &mut Task {
        &mut self.tasks[self.at]
    }

    /// Whether it is, or may be, about to store an end.
    pub(super) fn is_ending(&self) -> bool {
        let at_it = |task: &Task| matches!(task.phase, Phase::Committing | Phase::Ending { .. });
        let ends = |wants: &Wants| wants.renew || wants.destroy;
        let planned = self.planned.iter().map(|planned| &planned.wants);
        self.tasks.iter().any(at_it) && (planned.chain([&self.wants]).any(ends) || self.ended)
    }

    pub(super) fn id(&self) -> Option<Digest> {
        match self.who {
            Who::Nobody => None,
            Who::Presented(id) | Who::Known { id, .. } => Some(id),
        }
    }

    /// What is about to be read has everything in it that is being stored.
    pub(super) fn read_applied(&mut self, names: Option<&[Field]>) {
        if let Some(planned) = &mut self.planned {
            let adds = planned.wants.adds();
            let read = adds.filter(|field| names.is_none_or(|names| names.contains(field)));
            let first = read.filter(|field| !self.seen.contains_key(field));
            planned.included.extend(first.collect::<Vec<_>>());
        }
    }

    /// Notes what was read: a field is read once.
    pub(super) fn read(&mut self, fields: &Fields, names: Option<&[Field]>) {
        if self.all_read {
            return;
        }
        for field in names.unwrap_or(&Field::ALL) {
            let stored = fields.get(field).cloned();
            if stored.is_some() || names.is_some() {
                self.seen.entry(*field).or_insert(stored);
            }
        }
        self.all_read |= names.is_none();
    }

    pub(super) fn reread(&mut self, field: Field, stored: Option<Stored>) {
        self.seen.insert(field, stored);
    }

    /// What it must see of a field; `None` if it cannot know.
    pub(super) fn sees(&self, field: Field, now: Timestamp) -> Option<Option<Stored>> {
        let planned = self.planned.as_ref();
        let included = planned.is_some_and(|planned| planned.included.contains(&field));
        let planned = planned.map(|planned| &planned.wants);
        let cleared = self.wants.clear || planned.is_some_and(|planned| planned.clear);
        let hides = self.wants.hides(field) || planned.is_some_and(|planned| planned.hides(field));
        let base = match self.seen.get(&field) {
            _ if cleared || self.who == Who::Nobody => None,
            Some(stored) => stored.clone(),
            None if self.all_read || hides => None,
            None => return None,
        };
        let base = match planned {
            Some(planned) if !included => planned.fold(field, base, now),
            _ => base,
        };
        Some(self.wants.fold(field, base, now))
    }

    /// A commit is about to be handed to the store: what is wanted goes with it.
    pub(super) fn plan(&mut self) {
        if self.planned.is_none() {
            let wants = std::mem::take(&mut self.wants);
            self.plan_for(wants);
            self.epoch += 1;
        }
    }

    /// A claim is about to be handed to the store: what is wanted of the field goes with it.
    pub(super) fn plan_claim(&mut self, field: Field) {
        let wants = self.wants.split_off(field);
        self.plan_for(wants);
    }

    fn plan_for(&mut self, wants: Wants) {
        self.planned = Some(Planned {
            wants,
            who: self.who,
            known_use: self.known_use,
            applied: false,
            included: BTreeSet::new(),
        });
    }

    /// Nothing is known to be stored: all of it is wanted as before.
    pub(super) fn not_stored(&mut self) {
        if let Some(planned) = self.planned.take() {
            planned.wants.not_stored(&mut self.wants);
            self.epoch += u64::from(!matches!(self.task().phase, Phase::Taking(_)));
        }
    }

    /// Everything that was planned is stored, and left this.
    pub(super) fn stored(&mut self, after: &Fields, nothing_else: bool) {
        let Some(planned) = self.planned.take() else {
            return;
        };
        let Planned {
            wants,
            who: planned_for,
            ..
        } = planned;
        self.touched.extend(&wants.touched);
        self.touched.extend(&self.wants.touched);
        self.ended |= wants.renew || wants.destroy;
        // What is just made holds nothing else either, but what was not read of it was not read.
        let cleared = nothing_else && planned_for != Who::Nobody;
        for field in Field::ALL {
            let changed = wants.changes.iter().any(|(of, _)| *of == field);
            let known = self.seen.contains_key(&field) || self.touched.contains(&field);
            if changed || (cleared && known) {
                self.seen.insert(field, after.get(&field).cloned());
            }
        }
        for field in wants.adds() {
            self.seen.remove(&field);
        }
        let all_known = self
            .touched
            .iter()
            .all(|field| self.seen.contains_key(field));
        self.all_read = (self.all_read || nothing_else) && all_known;
        self.epoch += 1;
        self.gone = false;
        self.viewing = false;
    }
}

impl Task {
    fn new() -> Self {
        Self {
            phase: Phase::AtWork,
            answered: Vec::new(),
            failed: false,
            lost: false,
            asked: 0,
            claimed: None,
        }
    }

    /// Begins with something else.
    pub(super) fn begins(&mut self, phase: Phase) {
        *self = Self {
            phase,
            ..Self::new()
        };
    }
}
