//! Turns pending changes into a commit.

use super::{
    CookieAction, Known, Owner, Phase, Rules, State, Taking,
    terms::{Intent, Named, Wants},
};
use crate::{
    changes::{Change, Update},
    error::{Error, ErrorKind, Result},
    runtime::{EndReason, Event, Kind, Runtime},
    store::{
        Bytes, Clear, Commit, Digest, FieldName, Guard, Lease, Lifetime, Limit, Op, Step,
        Timestamp, Use, WhenFull, Write,
    },
    value,
};

/// A commit that is ready for the store, with the pending changes that it includes. It is large and is moved often, so
/// it is boxed.
pub(crate) struct Plan {
    pub(crate) id: Digest,
    /// The id of a session that is created or renewed.
    pub(super) new: Option<Named>,
    pub(crate) step: Step,
    guards: Vec<Guard>,
    pub(super) writes: Vec<Write>,
    /// The updates among the writes.
    pub(super) updates: Vec<(FieldName, Box<Update>)>,
    /// Fields that it writes unchanged, for the sake of their index entries.
    kept: Vec<FieldName>,
    /// The field that this commit takes, and its former pending change.
    pub(super) claim: Option<(FieldName, Option<Change>)>,
    pub(super) wants: Wants,
    /// Whether the store was not asked yet whether the session is live.
    pub(super) is_blind: bool,
}

impl Plan {
    fn new(id: Digest, step: Step) -> Box<Self> {
        Box::new(Self {
            id,
            new: None,
            step,
            guards: Vec::new(),
            writes: Vec::new(),
            updates: Vec::new(),
            kept: Vec::new(),
            claim: None,
            wants: Wants::default(),
            is_blind: false,
        })
    }

    pub(crate) fn commit(&self, now: Timestamp) -> Commit<'_> {
        Commit::new(self.id, now, self.step)
            .with_clear(self.clear())
            .with_guards(&self.guards)
            .with_writes(&self.writes)
            .with_ends_others(!self.wants.end_others().is_empty())
    }

    pub(super) fn clear(&self) -> Clear {
        match self.step {
            Step::Keep { .. } | Step::Renew { .. } => self.wants.clear,
            _ => Clear::Nothing,
        }
    }

    /// Other sessions of the visitor, which end as well.
    pub(crate) fn others(&self) -> Vec<Digest> {
        self.wants.others.clone()
    }

    /// The reason for which it ended other sessions.
    pub(super) fn ends_for(&self) -> EndReason {
        match self.wants.end_others() {
            [] => EndReason::Limit,
            _ => EndReason::OtherSession,
        }
    }

    /// The limits of the entries that it sets.
    pub(crate) fn limits(&self, runtime: &Runtime) -> Vec<Limit> {
        let mut limits = Vec::new();
        for Write { field, index, .. } in &self.writes {
            let Some(entry) = index else { continue };
            let others = self.wants.end_others().iter();
            let limit = match others.map(|(other, _)| other).any(|other| other == field) {
                true => Some((1, WhenFull::EndOldest)),
                false => runtime.limit(field),
            };
            limits.extend(
                limit.map(|(most, full)| Limit::new(field.clone(), entry.clone(), most, full)),
            );
        }
        limits
    }

    /// Whether it renews and keeps a session that was not loaded yet.
    pub(crate) fn renews_blindly(&self) -> bool {
        self.is_blind && matches!(self.step, Step::Renew { .. }) && !self.destroys()
    }

    /// Keeps the chosen lifetime of a session that is renewed, unless a new one was chosen.
    pub(crate) fn keep_lifetime(&mut self, lifetime: Option<Lifetime>, rules: Rules<'_>) {
        if let (Step::Renew { lease, .. }, None, Some(_)) =
            (&mut self.step, self.wants.lifetime(), lifetime)
        {
            *lease = rules.lifetimes().lease(lifetime, rules.now);
        }
    }

    /// Whether it has guards: such commits take turns.
    pub(crate) fn compares(&self) -> bool {
        !self.guards.is_empty()
    }

    pub(crate) fn is_claim(&self) -> bool {
        self.claim.is_some()
    }

    pub(crate) fn makes_an_id(&self) -> bool {
        self.new.is_some()
    }

    /// Whether the session is destroyed, even if a new one begins in the same step.
    pub(crate) fn destroys(&self) -> bool {
        self.wants.intent == Intent::Destroy && !matches!(self.step, Step::Create { .. })
    }

    /// Whether the store's record of a session that is not live matters.
    pub(crate) fn looks_into_an_end(&self) -> bool {
        self.is_blind || self.destroys()
    }

    /// Whether all it does is record that the session was read.
    pub(super) fn is_refresh(&self) -> bool {
        matches!(self.step, Step::Keep { .. })
            && !self.is_blind
            && self.wants.clear == Clear::Nothing
            && !self.wants.touch
            && self.writes.is_empty()
    }

    /// Returns an error for a value of more bytes than this.
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

    /// The kind of end of the commit's id, if the commit ends it.
    pub(crate) fn ends_its_id(&self) -> Option<Kind> {
        match self.step {
            Step::Destroy => Some(Kind::Destroyed),
            Step::Renew { .. } if self.destroys() => Some(Kind::Destroyed),
            Step::Renew { .. } => Some(Kind::Renewed),
            _ => None,
        }
    }

    /// The events to report once it is stored.
    pub(super) fn events(&self, at: Timestamp) -> [Option<Event>; 2] {
        let (from, to) = (self.id, self.new.as_ref().map_or(self.id, |new| new.digest));
        let ended = |id| Event::ended(id, EndReason::SignedOut, at);
        match (self.step, self.destroys()) {
            (Step::Create { .. }, _) => [Some(Event::created(from, at)), None],
            (Step::Destroy, _) => [Some(ended(from)), None],
            (Step::Renew { .. }, true) => [Some(ended(from)), Some(Event::created(to, at))],
            (Step::Renew { .. }, false) => [Some(Event::renewed(from, to, at)), None],
            _ => [None, None],
        }
    }

    /// Draws another id, since this one is taken already.
    pub(crate) fn rename(&mut self, rules: Rules<'_>) -> Result<()> {
        let new = match self.step {
            Step::Renew {
                lease,
                former_works_until,
                ..
            } => {
                let new = rules.draw(Some(self.id))?;
                self.step = Step::renew(new.digest, lease, former_works_until);
                new
            }
            _ => {
                let new = rules.draw(None)?;
                self.id = new.digest;
                new
            }
        };
        self.new = Some(new);
        Ok(())
    }

    /// Runs the updates again, on the stored values: user code, so no lock is held except the session's turn.
    pub(crate) fn rerun(&mut self, current: &[Option<Bytes>], now: Timestamp) -> Result<()> {
        if let (Some((_, change)), [bytes]) = (&mut self.claim, current) {
            return match change {
                Some(Change::Update(update)) => update.rerun(bytes.clone(), now),
                _ => Ok(()),
            };
        }
        // Guards and updates are in the same order: sorted by name.
        let kept = self.guards.iter().zip(current).skip(self.updates.len());
        if let Some((guard, _)) = kept
            .clone()
            .find(|(guard, bytes)| guard.expected != **bytes)
        {
            return Err(changed_owner(&guard.field));
        }
        let guards = self.guards.iter_mut().zip(&mut self.updates);
        for ((guard, (name, update)), bytes) in guards.zip(current) {
            update.rerun(bytes.clone(), now)?;
            *guard = update.guard(name);
            let mut writes = self.writes.iter_mut();
            if let Some(write) = writes.find(|write| write.field == *name) {
                *write = update.write(name);
            }
        }
        Ok(())
    }

    /// The changes that it includes, to be pending again.
    pub(super) fn into_changes(self: Box<Self>) -> impl Iterator<Item = (FieldName, Change)> {
        let Self {
            claim,
            mut writes,
            mut updates,
            kept,
            ..
        } = *self;
        writes.retain(|write| !kept.contains(&write.field));
        let claimed = match claim {
            Some((field, change)) => (Vec::new(), change.map(|change| (field, change))),
            None => (writes, None),
        };
        let changes = claimed.0.into_iter().map(move |write| {
            let at = updates.iter().position(|(name, _)| *name == write.field);
            match at.map(|at| updates.swap_remove(at)) {
                Some((name, update)) => (name, Change::Update(update)),
                None => (write.field.clone(), Change::of(write)),
            }
        });
        changes.chain(claimed.1)
    }

    /// Adds the entries whose other sessions are to end to the commit, unless it sets them anyway.
    fn keep_entries(&mut self) -> Result<()> {
        for (field, stored) in self.wants.end_others() {
            let is_set = self.writes.iter().any(|write| write.field == *field);
            if is_set || self.wants.clear.removes(field) {
                continue;
            }
            let entry = value::index_entry(stored).map_err(|e| e.on_field(field.clone()))?;
            self.guards
                .push(Guard::new(field.clone(), Some(stored.clone())));
            self.writes
                .push(Write::set(field.clone(), stored.clone()).with_index(Some(entry)));
            self.kept.push(field.clone());
        }
        Ok(())
    }

    fn take(&mut self, name: &FieldName, change: Change, seen: Option<&Option<Bytes>>) {
        let write = change.write(name, seen);
        if let Change::Update(update) = change {
            self.guards.push(update.guard(name));
            self.updates.push((name.clone(), update));
        }
        self.writes.push(write);
    }
}

impl State {
    /// Whether a commit at the end of the request would do anything, even if it only returned an error. If the session
    /// has ended, a handler that used it got the error and has responded: nothing is left to store.
    pub(crate) fn wants_commit(&self, rules: Rules<'_>) -> bool {
        if self.phase != Phase::Open {
            return false;
        }
        if self.flight.is_some() || self.owed.is_some() {
            return true;
        }
        match &self.who {
            Owner::Presented(_) => self.used,
            Owner::Nobody => self.writes_anything() || self.wants.intent == Intent::Destroy,
            Owner::Known(known) => self.changes(known, rules),
        }
    }

    /// The deadlines of a new session, or of one with a new id: by the lifetime chosen for it, now or before.
    fn lease(&self, known: Option<&Known>, rules: Rules<'_>) -> Lease {
        let before = || known.and_then(|known| known.meta.lease.lifetime);
        let lifetime = self.wants.lifetime().unwrap_or_else(before);
        rules.lifetimes().lease(lifetime, rules.now)
    }

    fn writes_anything(&self) -> bool {
        self.wants.create || self.slots.leave_something()
    }

    /// Whether there is no session, and none has ended during the request.
    pub(crate) fn is_nobody_s(&self) -> bool {
        matches!(self.who, Owner::Nobody)
            && self.destroyed == 0
            && !matches!(self.cookie, CookieAction::Remove)
    }

    /// Whether a session will be created, so that its id is not known yet.
    pub(crate) fn makes_one(&self) -> bool {
        matches!(self.who, Owner::Nobody) && (self.flight.is_some() || self.writes_anything())
    }

    /// Whether a live session will be changed in any way, even if only to record its use.
    fn changes(&self, known: &Known, rules: Rules<'_>) -> bool {
        self.wants.intent != Intent::Keep
            || self.wants.clear != Clear::Nothing
            || self.slots.is_changed()
            || !self.wants.end_others().is_empty()
            || self.refreshes(known, rules)
    }

    /// The use that is recorded by a commit that keeps the session. The store decides whether the use is due.
    fn usage(&self, known: Option<&Known>, rules: Rules<'_>) -> Option<Use> {
        // Recording the use ends the former id. The client may still send that id until it has sent the new one.
        let client_knows = known.is_none_or(|known| {
            let former_id_works = known.meta.former_id_works && !known.by_former_id;
            known
                .named_here
                .is_none_or(|until| !former_id_works || until <= rules.now)
        });
        (self.wants.touch || client_knows).then(|| {
            let lifetime = known.and_then(|known| known.meta.lease.lifetime);
            let usage = rules
                .lifetimes()
                .usage(lifetime)
                .with_forced(self.wants.touch);
            usage.with_tells_client(!rules.detached)
        })
    }

    /// Whether a use of the session is to be recorded even if nothing else is stored.
    fn refreshes(&self, known: &Known, rules: Rules<'_>) -> bool {
        let ends_former_id = known.meta.former_id_works && !known.by_former_id;
        self.usage(Some(known), rules).is_some_and(|usage| {
            let lease = &known.meta.lease;
            self.wants.touch || ends_former_id || lease.after_use(&usage, rules.now).is_some()
        })
    }

    pub(super) fn has_lifetime(&self) -> bool {
        matches!(&self.who, Owner::Known(known) if known.meta.lease.lifetime.is_some())
    }

    pub(super) fn is_to_be_refreshed(&self, rules: Rules<'_>) -> bool {
        matches!(&self.who, Owner::Known(known) if self.refreshes(known, rules))
    }

    /// Moves all pending changes out of the state into a plan; `None` if there is nothing to do.
    pub(crate) fn plan(&mut self, rules: Rules<'_>) -> Result<Option<Box<Plan>>> {
        if let Some(owed) = self.owed.take() {
            return Err(*owed);
        }
        let Some(mut plan) = self.step(rules)? else {
            if rules.detached {
                self.slots.forget(); // its unit of work ends with its commit, even if there is nothing to store
            }
            return Ok(None);
        };
        // The commit will make the view stale, and a view that has no other handle need not be kept intact.
        self.slots.hide();
        plan.wants = std::mem::take(&mut self.wants);
        if plan.destroys() {
            plan.wants.others.extend(self.jar.rest(rules.runtime));
        }
        plan.writes.reserve_exact(self.slots.len());
        for (name, slot) in self.slots.iter_mut() {
            if let Some(change) = slot.take_change()
                && plan.step != Step::Destroy
            {
                let seen = slot.stored().filter(|_| !plan.wants.clear.removes(name));
                plan.take(name, change, seen);
            }
        }
        if plan.wants.rare.is_some() && !matches!(plan.step, Step::Create { .. } | Step::Destroy) {
            plan.keep_entries()?;
        }
        Ok(Some(plan))
    }

    fn step(&mut self, rules: Rules<'_>) -> Result<Option<Box<Plan>>> {
        let writes_anything = self.writes_anything();
        if matches!(self.who, Owner::Nobody) {
            return self.step_of_nobody(writes_anything, rules);
        }
        let (known, id) = match &self.who {
            Owner::Known(known) => (Some(known), known.named.digest),
            Owner::Presented(named) if self.used => (None, named.digest),
            Owner::Presented(_) | Owner::Nobody => return Ok(None),
        };
        let mut plan = match self.wants.intent {
            Intent::Destroy if !writes_anything => Plan::new(id, Step::Destroy),
            Intent::Destroy if rules.detached => return Err(no_response()),
            // Fields written after a `destroy` begin a new session, and the old one ends in the same step.
            Intent::Destroy => Plan::new(id, Step::renew(id, self.lease(None, rules), None)),
            Intent::Renew => {
                let grace = rules.runtime.grace;
                let until = (!grace.is_zero()).then(|| rules.now.after(grace));
                Plan::new(id, Step::renew(id, self.lease(known, rules), until))
            }
            Intent::Keep => {
                if known.is_some_and(|known| !self.changes(known, rules)) {
                    return Ok(None);
                }
                Plan::new(id, Step::keep(self.usage(known, rules)))
            }
        };
        plan.is_blind = known.is_none();
        if let Step::Renew {
            lease,
            former_works_until,
            ..
        } = plan.step
        {
            let new = self.draw(rules)?;
            plan.step = Step::renew(new.digest, lease, former_works_until);
            plan.new = Some(new);
        }
        Ok(Some(plan))
    }

    fn step_of_nobody(
        &mut self,
        writes_anything: bool,
        rules: Rules<'_>,
    ) -> Result<Option<Box<Plan>>> {
        // If the session to destroy has ended already, that is a success: the cookie is removed. The exception is a
        // session that was renewed a moment ago: it is live, and the removal could hit the new cookie, which the
        // browser may have already.
        let was_gone = self.wants.intent == Intent::Destroy && self.jar.brought_an_id();
        if was_gone && self.jar.renewed_lately {
            return self.is_gone();
        }
        if !writes_anything {
            if was_gone {
                self.cookie = CookieAction::Remove;
            }
            self.wants.intent = Intent::Keep;
            return Ok(None);
        }
        if rules.detached {
            // There is no response to send the id with.
            return match self.jar.brought_an_id() || !self.is_nobody_s() {
                true => self.is_gone(),
                false => Err(no_response()),
            };
        }
        let new = self.draw(rules)?;
        let step = Step::create(rules.now, self.lease(None, rules));
        let mut plan = Plan::new(new.digest, step);
        plan.new = Some(new);
        Ok(Some(plan))
    }

    /// The id that a token was bound to, or else a new one, with the home of the session's current id.
    pub(super) fn draw(&mut self, rules: Rules<'_>) -> Result<Named> {
        let old = self.digest();
        let store = &rules.runtime.store;
        let fits = |next: Digest| old.is_none_or(|old| store.home(old) == store.home(next));
        match self.wants.next.take().filter(|next| fits(next.digest)) {
            Some(next) => Ok(*next),
            None => rules.draw(old),
        }
    }

    /// Begins to take a field with this visible value: a pending value is taken immediately; a stored one must be
    /// claimed, in a separate commit.
    pub(crate) fn begin_take(
        &mut self,
        field: &FieldName,
        seen: &Bytes,
        now: Timestamp,
    ) -> Result<Taking<Box<Plan>>> {
        self.begin_use()?;
        if !self.still_sees(field, Some(seen), now)? {
            return Ok(Taking::Again);
        }
        if let Some(owed) = self.owed.take() {
            return Err(*owed);
        }
        self.slots.hide(); // the claim will make the view stale
        let hidden = self.is_cleared(field);
        let id = self.digest();
        let slot = self.slot(field);
        let stored = slot.stored().cloned().flatten().filter(|_| !hidden);
        Ok(match (slot.replaces(), stored, id) {
            // The pending change would have replaced the stored value; now it removes it.
            (true, ..) => {
                slot.set(Change::Remove);
                Taking::Own
            }
            (false, Some(stored), Some(id)) => {
                let mut plan = Plan::new(id, Step::keep(None));
                plan.guards.push(Guard::new(field.clone(), Some(stored)));
                plan.writes.push(Write::remove(field.clone()));
                plan.claim = Some((field.clone(), slot.take_change()));
                Taking::Claim(plan)
            }
            // The pending value had no stored one beneath: nothing is left of it.
            _ => {
                slot.drop_change();
                Taking::Own
            }
        })
    }
}

fn changed_owner(field: &FieldName) -> Error {
    Error::new(
        ErrorKind::Contended,
        "was changed by another request, so this session may no longer end the other sessions with the former value",
    )
    .on(field.clone())
}

fn no_response() -> Error {
    Error::new(
        ErrorKind::Misuse,
        "a commit of a detached session cannot create a session, since it has no response for the cookie: \
         write to the session before `detach()`, and write nothing after `destroy`",
    )
}
