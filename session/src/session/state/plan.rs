//! From what is wanted to a commit, and back.

use super::{CookieAction, Intent, Known, Named, Phase, Rules, State, Who};
use crate::{
    changes::{Change, Cleared, Update},
    error::{Error, ErrorKind, Result},
    expiry::Expiry,
    id::SessionId,
    runtime::Event,
    store::FieldName,
    store::Timestamp,
    store::{Clear, Digest, Done, Guard, Op, Step, Use, Write},
};

/// A commit, ready to be handed to the store.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) id: Digest,
    /// For a session that is made or renewed.
    pub(crate) new: Option<Named>,
    pub(crate) step: Step,
    pub(crate) clear: Clear,
    pub(crate) guards: Vec<Guard>,
    pub(crate) writes: Vec<Write>,
    intent: Intent,
    touch: bool,
}

impl Plan {
    /// Whether all it does is to note that the session was read.
    pub(crate) fn is_refresh(&self) -> bool {
        matches!(self.step, Step::Keep { .. })
            && self.clear == Clear::Nothing
            && !self.touch
            && self.writes.is_empty()
    }

    /// Refuses a value of more bytes than this.
    pub(crate) fn fits(&self, most: usize) -> Result<()> {
        for write in &self.writes {
            if let Op::Set(bytes) = &write.op
                && bytes.len() > most
            {
                return Err(Error::too_many_bytes(bytes.len(), most).on(write.field.clone()));
            }
        }
        Ok(())
    }

    /// What has happened when it is stored.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> + use<> {
        let (from, to) = (self.id, self.new.as_ref().map_or(self.id, |new| new.digest));
        let (first, second) = match (self.step, self.intent) {
            (Step::Create { .. }, _) => (Some(Event::Created(from)), None),
            (Step::Destroy, _) => (Some(Event::Destroyed(from)), None),
            (Step::Renew { .. }, Intent::Destroy) => {
                (Some(Event::Destroyed(from)), Some(Event::Created(to)))
            }
            (Step::Renew { .. }, _) => (Some(Event::Renewed { from, to }), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl State {
    /// Whether a commit would have to know if the session lives.
    pub(crate) fn must_identify(&self) -> Option<Digest> {
        match &self.who {
            Who::Presented(named) if self.used => Some(named.digest),
            _ => None,
        }
    }

    /// Whether a commit would do anything, if it only to say why it cannot.
    #[cfg(feature = "tower")]
    pub(crate) fn wants_commit(&self, expiry: &Expiry, now: impl FnOnce() -> Timestamp) -> bool {
        if self.phase != Phase::Open {
            return true;
        }
        match &self.who {
            Who::Presented(_) => self.used,
            Who::Nobody => self.leaves_something(),
            Who::Known(known) => {
                self.intent != Intent::Keep
                    || self.cleared.asked
                    || self.is_changed()
                    || self.refreshes(known, expiry, now)
            }
        }
    }

    fn is_changed(&self) -> bool {
        self.slots.iter().any(|(_, slot)| slot.is_changed())
    }

    fn leaves_something(&self) -> bool {
        self.create || self.slots.iter().any(|(_, slot)| slot.leaves_something())
    }

    /// Refuses to make a session where nobody could be told its id: what is written into it would be lost.
    pub(crate) fn makes_no_session(&mut self) -> Result<()> {
        match (&self.who, self.intent) {
            _ if !self.leaves_something() => Ok(()),
            (Who::Nobody, _) => self.is_gone(),
            (_, Intent::Destroy) => Err(Error::new(
                ErrorKind::Config,
                "a detached handle has no response that could carry the cookie of a new session: \
                 write nothing after its `destroy`",
            )),
            _ => Ok(()),
        }
    }

    /// The use that a commit by which the session is kept notes, if it is due.
    fn usage(&self, known: &Known, expiry: &Expiry, now: Timestamp) -> Option<Use> {
        // To note it ends the former id, which the client may still come with until it has shown the new one.
        let former_id_works = known.meta.former_id_works && !known.by_former_id;
        let client_knows = known
            .named_here
            .is_none_or(|until| !former_id_works || until <= now);
        (self.touch || client_knows).then(|| {
            expiry
                .usage()
                .with_forced(self.touch)
                .with_tells_client(!self.detached)
        })
    }

    /// Whether a use of a session that is kept is to be noted even if nothing else is stored.
    fn refreshes(&self, known: &Known, expiry: &Expiry, now: impl FnOnce() -> Timestamp) -> bool {
        let now = now();
        let ends_former_id = known.meta.former_id_works && !known.by_former_id;
        self.usage(known, expiry, now).is_some_and(|usage| {
            self.touch || ends_former_id || known.meta.lease.after_use(&usage, now).is_some()
        })
    }

    /// Makes a plan of everything that is wanted, and moves it aside; `None` if there is nothing to do. `draw` draws
    /// an id, for a session that is to be made or renewed.
    pub(crate) fn plan(
        &mut self,
        rules: &Rules,
        draw: impl FnOnce() -> Result<SessionId>,
    ) -> Result<Option<Plan>> {
        // Another task may have ended the request, or found out that the session ended, since the commit began.
        match self.phase {
            Phase::Gone => return Err(Error::gone()),
            Phase::Closed => return Err(Error::closed()),
            Phase::Interrupted => return Err(Self::interrupted()),
            Phase::Open | Phase::Committing => {}
        }
        // The commit will outdate the view, and one that nobody holds need not be kept as it was.
        self.slots.hide();
        let leaves_something = self.leaves_something();
        let (id, step, new) = match &self.who {
            Who::Presented(_) => return Ok(None), // never used, or it would have been identified
            Who::Nobody if !leaves_something => return Ok(None),
            Who::Nobody => {
                let new = Named::from(self.next.take().map_or_else(draw, Ok)?);
                let lease = rules.expiry.timeouts().lease(rules.now, rules.now);
                (new.digest, Step::create(rules.now, lease), Some(new))
            }
            Who::Known(known) => {
                let digest = known.named.digest;
                match self.intent {
                    Intent::Destroy if !leaves_something => (digest, Step::Destroy, None),
                    // What is written after a `destroy` begins a new session, and the old one ends in the same step.
                    Intent::Destroy | Intent::Renew => {
                        let new = Named::from(self.next.take().map_or_else(draw, Ok)?);
                        let former_works_until = (self.intent == Intent::Renew
                            && !rules.grace.is_zero())
                        .then(|| rules.now.after(rules.grace));
                        let lease = rules.expiry.timeouts().lease(rules.now, rules.now);
                        let step = Step::renew(new.digest, lease, former_works_until);
                        (digest, step, Some(new))
                    }
                    Intent::Keep => {
                        let refresh = self.refreshes(known, &rules.expiry, || rules.now);
                        if !self.is_changed() && !self.cleared.asked && !refresh {
                            return Ok(None);
                        }
                        let usage = self.usage(known, &rules.expiry, rules.now);
                        (digest, Step::keep(usage), None)
                    }
                }
            }
        };
        let mut plan = Plan {
            id,
            new,
            step,
            clear: match (step, self.intent) {
                (Step::Renew { .. }, Intent::Destroy) => Clear::Everything,
                (Step::Keep { .. } | Step::Renew { .. }, _) if self.cleared.asked => Clear::Fields,
                _ => Clear::Nothing,
            },
            guards: Vec::new(),
            writes: Vec::with_capacity(self.slots.len()),
            intent: std::mem::take(&mut self.intent),
            touch: std::mem::take(&mut self.touch),
        };
        self.cleared = Cleared {
            asked: false,
            committing: self.cleared.asked,
        };
        for (name, slot) in self.slots.iter_mut() {
            slot.begin_commit();
            if let (Some(change), false) = (&slot.committing, step == Step::Destroy) {
                plan.guards.extend(change.guard(name));
                plan.writes.push(change.write(name));
            }
        }
        self.phase = Phase::Committing;
        self.moving = !matches!(step, Step::Keep { .. });
        self.epoch += 1;
        Ok(Some(plan))
    }

    /// Another id for a plan whose id is taken already.
    pub(crate) fn replan(plan: &mut Plan, id: SessionId) {
        let new = Named::from(id);
        match plan.step {
            Step::Create { .. } => plan.id = new.digest,
            Step::Renew {
                lease,
                former_works_until,
                ..
            } => plan.step = Step::renew(new.digest, lease, former_works_until),
            _ => {}
        }
        plan.new = Some(new);
    }

    /// Lends the updates of a plan, to be run again outside the lock. Meanwhile the request goes on seeing their
    /// former results.
    pub(crate) fn lend_updates(&mut self) -> Vec<(FieldName, Box<Update>)> {
        let mut updates = Vec::new();
        for (name, slot) in self.slots.iter_mut() {
            updates.extend(slot.lend_update().map(|update| (name.clone(), update)));
        }
        updates
    }

    /// Takes the updates back and makes the plan's guards and writes anew.
    pub(crate) fn return_updates(
        &mut self,
        plan: &mut Plan,
        updates: Vec<(FieldName, Box<Update>)>,
    ) {
        for (name, update) in updates {
            self.slot(&name).committing = Some(Change::Update(update));
        }
        plan.guards.clear();
        plan.writes.clear();
        for (name, slot) in self.slots.iter() {
            if let Some(change) = &slot.committing {
                plan.guards.extend(change.guard(name));
                plan.writes.push(change.write(name));
            }
        }
    }

    /// The plan is stored.
    pub(crate) fn settle(&mut self, plan: Plan, done: Done, rules: &Rules) {
        let is_kept = matches!(plan.step, Step::Keep { .. });
        let cleared = plan.clear != Clear::Nothing || plan.step == Step::Destroy;
        self.slots.hide(); // another task may have been shown one meanwhile
        let mut all_known = true;
        for (_, slot) in self.slots.iter_mut() {
            slot.committed(cleared);
            all_known &= slot.is_read();
        }
        // What was cleared, or just made, holds what was written and nothing else. A sum was made in the store: it
        // must be read again.
        let nothing_else = cleared || matches!(plan.step, Step::Create { .. });
        self.all_read = (self.all_read || nothing_else) && all_known;
        self.cleared.committing = false;
        self.create = false;
        self.epoch += 1;
        self.moving = false;
        self.destroyed += u64::from(plan.intent == Intent::Destroy);
        // Another task may have ended the request meanwhile: that stays so.
        if self.phase != Phase::Closed {
            self.phase = Phase::Open;
        }
        if !is_kept {
            self.leaves_its_id();
        }
        let Some(meta) = done.meta else {
            self.who = Who::Nobody;
            self.resign = false;
            self.cookie = CookieAction::Remove;
            return;
        };
        if let Some(named) = plan.new {
            self.resign = false;
            self.cookie = CookieAction::Set(named.id.clone(), meta.lease.deadline());
            let former_works_until = match plan.step {
                Step::Renew {
                    former_works_until, ..
                } => former_works_until,
                _ => None,
            };
            self.who = Who::Known(Known {
                named,
                meta,
                by_former_id: false,
                named_here: former_works_until,
            });
        } else if let Who::Known(known) = &mut self.who {
            known.meta = meta;
            known.by_former_id = done.by_former_id;
            let tells =
                matches!(plan.step, Step::Keep { usage: Some(usage), .. } if usage.tells_client);
            if tells && !done.by_former_id && meta.lease.told >= rules.now {
                self.cookie = CookieAction::Set(known.named.id.clone(), meta.lease.deadline());
            }
        }
    }

    /// The plan is not stored: everything is wanted as before.
    pub(crate) fn unsettle(&mut self, plan: &Plan, now: Timestamp) -> Result<()> {
        let cleared_since = self.cleared.asked;
        self.epoch += 1;
        self.moving = false;
        self.cleared = Cleared {
            asked: cleared_since || self.cleared.committing,
            committing: false,
        };
        self.intent = match self.intent {
            Intent::Keep => plan.intent,
            since => since,
        };
        self.touch |= plan.touch;
        // Another task may have found out meanwhile that the session ended: that stays so.
        if self.phase == Phase::Committing {
            self.phase = Phase::Open;
        }
        let mut result = Ok(());
        for (name, slot) in self.slots.iter_mut() {
            let back = slot.not_committed(name, cleared_since, now);
            result = result.and(back);
        }
        result
    }
}
