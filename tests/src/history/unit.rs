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
    /// And by the clock.
    pub(super) came: Timestamp,
    /// Its session ended under it.
    pub(super) gone: bool,
    /// And its handler has answered knowing that.
    pub(super) gone_at_the_end: bool,
    /// It may be told that it ended, because another session was being ended when it began.
    pub(super) may_be_gone: bool,
    /// An end was about to be stored when it began.
    pub(super) began_at_an_end: bool,
    /// What its handler does at once.
    tasks: [Task; 2],
    /// Which of them has a turn.
    pub(super) at: usize,
    pub(super) wants: Wants,
    /// The commit or claim that is under way.
    pub(super) planned: Option<Planned>,
    /// Until when the former id of its session works, if it has renewed it, or what it was detached from has.
    pub(super) named_here: Option<Timestamp>,
    /// Counts its commits: what was asked before one is not noted after it.
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
    /// The session of its cookie was renewed a moment before it began.
    pub(super) renewed_lately: bool,
    /// It came with a cookie.
    pub(super) presented: bool,
    /// Its client went away: nobody is told how it ended.
    pub(super) cancelled: bool,
    /// It has no response.
    pub(super) detached: bool,
    /// Its sign-in may end other sessions.
    pub(super) limited: bool,
}

/// One of the things that a handler does at once.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) phase: Phase,
    /// What the store answered to commits in this phase.
    pub(super) answered: Vec<Answer>,
    /// The store failed since the task's last step.
    pub(super) failed: bool,
    /// What was claimed by a `take`.
    pub(super) claimed: Option<Option<Stored>>,
}

/// What a commit takes with it.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) wants: Wants,
    pub(super) who: Who,
    /// The task that began it: another one may see its end.
    pub(super) of: usize,
    /// What it claims, if it is a claim.
    pub(super) claims: Option<Field>,
    /// Its answer will be lost.
    pub(super) lost: bool,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Gone,
    /// A limit has refused it.
    Full,
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

    /// A unit of its own on the same session.
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

    /// Whether it came with a session's cookie, or has ended a session.
    pub(super) fn had_a_session(&self) -> bool {
        self.presented || self.ended || self.cookie == Cookie::Remove
    }

    /// Whether it is making a session, so that nobody knows yet which one.
    pub(super) fn makes_one(&self, now: Timestamp) -> bool {
        self.who == Who::Nobody && (self.planned.is_some() || self.wants.leaves_something(now))
    }

    /// The task that has a turn.
    pub(super) fn task(&mut self) -> &mut Task {
        &mut self.tasks[self.at]
    }

    /// The task that began the commit that is under way, or else the one that has a turn.
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

    /// Whether storing this may end an id.
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

    /// Forgets what was read.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
        self.touched.clear();
        self.all_read = false;
        self.viewing = false;
    }

    /// What it must see of a field; `None` if it cannot know. No commit is under way.
    pub(super) fn sees(&self, field: Field, now: Timestamp) -> Option<Option<Stored>> {
        let base = match self.seen.get(&field) {
            _ if self.wants.clear || self.who == Who::Nobody => None,
            Some(stored) => stored.clone(),
            None if self.all_read || self.wants.hides(field) => None,
            None => return None,
        };
        Some(self.wants.fold(field, base, now))
    }

    /// Whether what it is about to hand to the store renews a session that it has not looked at.
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

    /// A commit is about to be handed to the store: what is wanted goes with it.
    pub(super) fn plan(&mut self) {
        if self.planned.is_none() {
            let wants = std::mem::take(&mut self.wants);
            self.plan_for(wants, None);
        }
    }

    /// A claim is about to be handed to the store: what is wanted of the field goes with it.
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

    /// Nothing is known to be stored: all of it is wanted as before. The answer is for the task that began it.
    pub(super) fn not_stored(&mut self, answer: Option<Answer>) {
        self.committing_task().answered.extend(answer);
        if let Some(planned) = self.planned.take() {
            planned.wants.not_stored(&mut self.wants);
        }
    }

    /// Everything that was planned is stored, and left this.
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
        // A sum is made in the store: it is read anew.
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

    /// Begins with something else.
    pub(super) fn begins(&mut self, phase: Phase) {
        *self = Self {
            phase,
            ..Self::new()
        };
    }
}
