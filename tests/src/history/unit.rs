//! The state and pending changes of one request, according to the contract.

use super::{
    data::Field,
    model::{Fields, Stored},
    wants::Wants,
};
use level_session::{Timestamp, store::Digest};
use std::collections::{BTreeMap, BTreeSet};

/// A unit of work on a session: of a request, or detached from one.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) who: Who,
    /// The time at which it began, in the order of all steps.
    pub(super) began: u64,
    /// The time at which it began, by the clock.
    pub(super) came: Timestamp,
    /// Its session ended during the unit of work.
    pub(super) gone: bool,
    /// Its handler has returned after it was told so.
    pub(super) gone_at_the_end: bool,
    /// It may be told that its session ended, because another session was being ended when it began.
    pub(super) may_be_gone: bool,
    /// An end was about to be stored when it began.
    pub(super) began_at_an_end: bool,
    /// The concurrent tasks of its handler.
    tasks: [Task; 2],
    /// The task that has the turn.
    pub(super) at: usize,
    pub(super) wants: Wants,
    /// The commit or claim in flight.
    pub(super) planned: Option<Planned>,
    /// The time until which the former id of its session works, if this unit or its parent has renewed it.
    pub(super) named_here: Option<Timestamp>,
    /// The number of its commits: the result of a read that was sent before a commit is not recorded after it.
    pub(super) epoch: u64,
    seen: BTreeMap<Field, Option<Stored>>,
    all_read: bool,
    /// The store has returned all fields, so the unit may read them again without asking, as long as they are current.
    pub(super) viewing: bool,
    /// The fields that it has changed before.
    touched: BTreeSet<Field>,
    pub(super) cookie: Cookie,
    /// The handler has used the session.
    pub(super) used: bool,
    /// The handler has renewed or ended the session.
    pub(super) ended: bool,
    /// The session of its cookie was renewed shortly before it began.
    pub(super) renewed_lately: bool,
    /// The request came with a cookie.
    pub(super) presented: bool,
    /// Its client went away, so no one receives its outcome.
    pub(super) cancelled: bool,
    /// It has no response.
    pub(super) detached: bool,
    /// Its sign-in may end other sessions.
    pub(super) limited: bool,
}

/// One of the concurrent tasks of a handler.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) phase: Phase,
    /// The results of the store for commits in this phase.
    pub(super) answered: Vec<Answer>,
    /// The store has failed since the last step of the task.
    pub(super) failed: bool,
    /// The value that a `take` has claimed.
    pub(super) claimed: Option<Option<Stored>>,
}

/// The changes in a commit.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) wants: Wants,
    pub(super) who: Who,
    /// The task that started the commit; another task may see its outcome.
    pub(super) of: usize,
    /// The claimed field, if this is a claim.
    pub(super) claims: Option<Field>,
    /// Its result will be lost.
    pub(super) lost: bool,
}

/// The outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Gone,
    /// A limit has refused the commit.
    Full,
    /// The store failed: the commit may or may not be stored.
    Failed,
    /// The outcome of a commit that only refreshed the session.
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
    /// The handler has returned, and all of its changes may be stored, or none.
    Ending {
        commits: bool,
    },
    Closed,
}

/// The expected response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    Leave,
    Set(Digest),
    Remove,
}

impl Unit {
    pub(super) fn new(presented: Option<Digest>, began: u64, came: Timestamp) -> Self {
        Self {
            who: presented.map_or(Who::Nobody, Who::Presented),
            began,
            came,
            gone: false,
            gone_at_the_end: false,
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
            renewed_lately: false,
            presented: presented.is_some(),
            cancelled: false,
            detached: false,
            limited: false,
        }
    }

    /// Creates a separate unit on the same session.
    pub(super) fn detach(&self, began: u64, came: Timestamp) -> Self {
        Self {
            who: self.who,
            presented: self.presented,
            renewed_lately: self.renewed_lately,
            named_here: self.named_here,
            detached: true,
            limited: self.limited,
            ..Self::new(None, began, came)
        }
    }

    /// Whether the request came with the cookie of a session, or has ended a session.
    pub(super) fn had_a_session(&self) -> bool {
        self.presented || self.ended || self.cookie == Cookie::Remove
    }

    /// Whether it is creating a session, whose id is not known yet.
    pub(super) fn makes_one(&self, now: Timestamp) -> bool {
        self.who == Who::Nobody && (self.planned.is_some() || self.wants.leaves_something(now))
    }

    /// The task that has the turn.
    pub(super) fn task(&mut self) -> &mut Task {
        &mut self.tasks[self.at]
    }

    /// The task that started the commit in flight, or otherwise the task that has the turn.
    pub(super) fn committing_task(&mut self) -> &mut Task {
        let of = self.planned.as_ref().map_or(self.at, |planned| planned.of);
        &mut self.tasks[of]
    }

    /// Whether it is, or may be, about to store an end.
    pub(super) fn is_ending(&self) -> bool {
        let at_it = |task: &Task| matches!(task.phase, Phase::Committing | Phase::Ending { .. });
        let ends = |wants: &Wants| self.may_end(wants);
        let planned = self.planned.iter().map(|planned| &planned.wants);
        self.tasks.iter().any(at_it) && (planned.chain([&self.wants]).any(ends) || self.ended)
    }

    /// Whether storing this commit may end an id.
    fn may_end(&self, wants: &Wants) -> bool {
        let signs_in = wants.touched.contains(&Field::User);
        wants.renew || wants.destroy || (self.limited && signs_in)
    }

    pub(super) fn id(&self) -> Option<Digest> {
        match self.who {
            Who::Nobody => None,
            Who::Presented(id) | Who::Known { id, .. } => Some(id),
        }
    }

    /// Records a read: a field is read only once.
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

    /// Forgets recorded reads.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
        self.touched.clear();
        self.all_read = false;
        self.viewing = false;
    }

    /// The expected value of a field, or `None` if it is unknown. No commit is in flight.
    pub(super) fn sees(&self, field: Field, now: Timestamp) -> Option<Option<Stored>> {
        let base = match self.seen.get(&field) {
            _ if self.wants.clear || self.who == Who::Nobody => None,
            Some(stored) => stored.clone(),
            None if self.all_read || self.wants.hides(field) => None,
            None => return None,
        };
        Some(self.wants.fold(field, base, now))
    }

    /// Whether the next commit renews a session that was not loaded before.
    pub(super) fn renews_blindly(&mut self) -> bool {
        let commits = matches!(
            self.task().phase,
            Phase::Committing | Phase::Ending { commits: true }
        );
        commits
            && self.planned.is_none()
            && self.wants.renew
            && !self.wants.destroy
            && matches!(self.who, Who::Presented(_))
    }

    /// Starts a commit, with all pending changes.
    pub(super) fn plan(&mut self) {
        if self.planned.is_none() {
            let wants = std::mem::take(&mut self.wants);
            self.plan_for(wants, None);
        }
    }

    /// Starts a claim, with the pending change of its field.
    pub(super) fn plan_claim(&mut self, field: Field) {
        if self.planned.is_none() {
            let wants = self.wants.split_off(field);
            self.plan_for(wants, Some(field));
        }
    }

    fn plan_for(&mut self, wants: Wants, claims: Option<Field>) {
        self.touched.extend(&wants.touched);
        self.epoch += 1;
        self.viewing = false;
        self.planned = Some(Planned {
            wants,
            who: self.who,
            of: self.at,
            claims,
            lost: false,
        });
    }

    /// The store has failed a commit.
    pub(super) fn fails(&mut self, answer: Answer) {
        self.committing_task().failed = true;
        self.not_stored(Some(answer));
    }

    /// The commit is not known to be stored: all of its changes are pending again. The error is for the task that
    /// started it.
    pub(super) fn not_stored(&mut self, answer: Option<Answer>) {
        self.committing_task().answered.extend(answer);
        if let Some(planned) = self.planned.take() {
            planned.wants.not_stored(&mut self.wants);
        }
    }

    /// All changes of the commit are stored, with this result.
    pub(super) fn stored(&mut self, after: &Fields, nothing_else: bool) {
        self.committing_task().answered.push(Answer::Done);
        let Some(Planned { wants, .. }) = self.planned.take() else {
            return;
        };
        self.touched.extend(&self.wants.touched);
        self.ended |= self.may_end(&wants);
        self.all_read |= nothing_else;
        for field in Field::ALL {
            let changed = wants.changes.iter().any(|(of, _)| *of == field);
            let known = self.seen.contains_key(&field) || self.touched.contains(&field);
            if changed || ((nothing_else || wants.clear) && known) {
                self.seen.insert(field, after.get(&field).cloned());
            }
        }
        // The store calculates sums, so the field is read again.
        for field in wants.adds() {
            self.seen.remove(&field);
        }
        self.all_read &= self
            .touched
            .iter()
            .all(|field| self.seen.contains_key(field));
    }
}

impl Task {
    fn new() -> Self {
        Self {
            phase: Phase::AtWork,
            answered: Vec::new(),
            failed: false,
            claimed: None,
        }
    }

    /// Starts another phase.
    pub(super) fn begins(&mut self, phase: Phase) {
        *self = Self {
            phase,
            ..Self::new()
        };
    }
}
