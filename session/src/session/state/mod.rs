//! The knowledge and the pending changes of a unit of work: no I/O, no waiting, no user code. All of it runs under one
//! short lock.

mod flight;
mod plan;
mod settle;
mod slots;
mod terms;

pub(crate) use flight::{Execution, Flight, Flown, Landed, Landing, Waiting};
pub(crate) use plan::Plan;
pub(crate) use terms::{
    CookieAction, Jar, Known, Lasts, Look, LookAt, Owner, Phase, Question, Rules, Taking,
};

use crate::{
    changes::{Change, Seen, Setting, Slot, UpdateStep},
    cookie::Presented,
    error::{Error, ErrorKind, Result},
    id::SessionId,
    store::{
        Add, Answer, Bytes, Clear, Digest, FieldName, Fields, Lifetime, Loaded, Snapshot, Timestamp,
    },
};
use slots::Slots;
use terms::{Arrival, Intent, Wants};

/// A unit of work: the known state, the pending changes, and the cookie action for the response.
pub(crate) struct State {
    pub(crate) jar: Jar,
    pub(crate) who: Owner,
    slots: Slots,
    wants: Wants,
    /// The handler has used the session in any way.
    pub(crate) used: bool,
    pub(crate) phase: Phase,
    cookie: CookieAction,
    came: Arrival,
    /// The commit in flight.
    pub(crate) flight: Option<Flight>,
    /// The number of commits that were begun.
    flown: u64,
    /// The error of a dropped commit that may be stored all the same: the next commit returns it.
    pub(crate) owed: Option<Box<Error>>,
    /// The number of sessions that this unit has destroyed.
    pub(crate) destroyed: u64,
}

impl State {
    /// The state when a unit of work begins: the session's owner, or cookies that will identify it.
    #[inline] // so that it is constructed in place
    pub(crate) fn new(jar: Jar, who: Owner, create: bool) -> Self {
        Self {
            jar,
            who,
            slots: Slots::default(),
            wants: Wants {
                create,
                ..Wants::default()
            },
            used: create,
            phase: Phase::Open,
            cookie: CookieAction::Leave,
            came: Arrival::default(),
            flight: None,
            flown: 0,
            owed: None,
            destroyed: 0,
        }
    }

    /// Records the result of the request's next cookie, replacing the previous owner.
    pub(crate) fn present(&mut self, presented: Presented) {
        self.who = match presented {
            Presented::Id(verified) => Owner::Presented(verified.into()),
            Presented::Nothing => Owner::Nobody,
            Presented::BadSignature => {
                self.cookie = CookieAction::Unsign;
                Owner::Nobody
            }
        };
    }

    /// The entry point of every use of the session that can change it.
    pub(crate) fn begin_use(&mut self) -> Result<&mut Self> {
        self.is_open()?;
        self.used = true;
        Ok(self)
    }

    /// The entry point of every other use: reading is possible after the request has ended, while its response body
    /// streams.
    pub(crate) fn begin_read(&mut self) -> Result<&mut Self> {
        match self.phase {
            Phase::Closed => Ok(self),
            Phase::Open | Phase::Gone => self.begin_use(),
        }
    }

    pub(crate) fn is_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Gone => Err(Error::gone()),
            Phase::Closed => Err(Error::closed()),
        }
    }

    /// A commit with this number begins.
    pub(crate) fn begins(&mut self, flight: Flight) -> u64 {
        self.flown += 1;
        self.flight = Some(flight);
        self.flown
    }

    /// The commit in flight, if it has this number; for `None`, with any number.
    pub(crate) fn flight(&mut self, number: Option<u64>) -> Option<&mut Flight> {
        let is_it = number.is_none_or(|number| number == self.flown);
        self.flight.as_mut().filter(|_| is_it)
    }

    /// Whether a pending clear hides the stored value of a field.
    fn is_cleared(&self, field: &FieldName) -> bool {
        matches!(self.who, Owner::Nobody) || self.wants.clear.removes(field)
    }

    // ---- reading

    /// The value of a field that the request sees, or what to do first.
    pub(crate) fn look(&mut self, field: &FieldName, now: Timestamp) -> Result<Look> {
        self.begin_read()?;
        if self.flight.is_some() {
            return Ok(Look::Wait);
        }
        let untouched = self.slots.get(field).is_none() && !self.knows_all();
        if !untouched && let Seen::Known(bytes) = self.see(field, now)? {
            return Ok(Look::Seen(bytes));
        }
        let Some(question) = self.question() else {
            return Ok(Look::Seen(None));
        };
        Ok(match self.slots.read_in_view(field, now) {
            Some(bytes) if untouched => Look::Seen(bytes),
            // Pending changes hide stored values.
            Some(_) => Look::Seen(self.see(field, now)?.known()),
            None => Look::Load(question),
        })
    }

    /// The values of these fields that the request sees, or the fields to load: those are read at one moment.
    pub(crate) fn look_at(&mut self, fields: &[FieldName], now: Timestamp) -> Result<LookAt> {
        if self.begin_read()?.flight.is_some() {
            return Ok(LookAt::Wait);
        }
        if let Some(question) = self.question() {
            let mut missing = Vec::new();
            for field in fields {
                if matches!(self.see(field, now)?, Seen::Unknown) {
                    missing.push(field.clone());
                }
            }
            if !missing.is_empty() && !self.slots.read_all_in_view(&missing, now) {
                return Ok(LookAt::Load(question, missing));
            }
        }
        let seen = fields.iter().map(|field| Ok(self.see(field, now)?.known()));
        seen.collect::<Result<_>>().map(LookAt::Seen)
    }

    fn see(&self, field: &FieldName, now: Timestamp) -> Result<Seen> {
        let cleared = self.is_cleared(field);
        match self.slots.get(field) {
            // If everything was read, a field that was not read is absent.
            Some(slot) => slot.seen(field, cleared || self.slots.lacks(slot), now),
            None if cleared || self.slots.all_read => Ok(Seen::Known(None)),
            None => Ok(match self.slots.viewed(field) {
                Some(bytes) => Seen::Known(Some(bytes.clone())),
                None => Seen::Unknown,
            }),
        }
    }

    /// All fields that the request sees, for `get_all`; everything must have been read.
    pub(crate) fn see_all(&self, now: Timestamp) -> Result<Vec<(FieldName, Bytes)>> {
        let mut all = Vec::with_capacity(self.slots.len());
        for (name, _) in self.slots.iter() {
            if let Seen::Known(Some(bytes)) = self.see(name, now)?
                && !name.is_reserved()
            {
                all.push((name.clone(), bytes));
            }
        }
        Ok(all)
    }

    /// Whether everything that is stored was read, or is hidden.
    pub(crate) fn knows_all(&self) -> bool {
        self.slots.all_read
            || matches!(self.who, Owner::Nobody)
            || self.wants.clear != Clear::Nothing
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        match &self.who {
            Owner::Nobody => None,
            Owner::Presented(named) | Owner::Known(Known { named, .. }) => Some(named.digest),
        }
    }

    /// The next load, if there can be a session.
    pub(crate) fn question(&self) -> Option<Question> {
        Some(Question {
            id: self.digest()?,
            first: matches!(self.who, Owner::Presented(_)),
            flown: self.flown,
        })
    }

    /// Records the result of a load.
    pub(crate) fn note_loaded(
        &mut self,
        names: &[FieldName],
        loaded: Loaded,
        asked: Question,
        rules: Rules<'_>,
    ) -> Result<()> {
        if self.flight.is_some() || asked.flown != self.flown || Some(asked.id) != self.digest() {
            return Ok(()); // the session is a different one now, or may be: the caller looks again
        }
        match loaded {
            Loaded::Live(snapshot)
                if rules.now < rules.lifetimes().deadline(&snapshot.meta.lease) =>
            {
                self.lives(names, snapshot, rules)
            }
            loaded => self.lives_not(&loaded, rules),
        }
    }

    fn lives(&mut self, names: &[FieldName], snapshot: Snapshot, rules: Rules<'_>) -> Result<()> {
        let Snapshot {
            meta,
            by_former_id,
            fields,
            ..
        } = snapshot;
        self.who = Owner::Known(match std::mem::replace(&mut self.who, Owner::Nobody) {
            Owner::Nobody => return Ok(()),
            Owner::Known(known) => Known { meta, ..known },
            Owner::Presented(named) => Known {
                named,
                meta,
                by_former_id,
                named_here: None,
            },
        });
        self.note(names, fields, rules.lifetimes().deadline(&meta.lease))
    }

    /// The session is not live. If it ended during the request, that is an error; if its cookie was dead already, the
    /// next cookie counts.
    fn lives_not(&mut self, loaded: &Loaded, rules: Rules<'_>) -> Result<()> {
        let Owner::Presented(named) = &self.who else {
            return self.is_gone();
        };
        if let Loaded::Ended(at) = loaded {
            let end = rules.runtime.end_of(named.digest, *at);
            if end.at >= rules.began {
                return self.is_gone();
            }
            self.jar.renewed_lately |= end.is_lately_renewed(rules.began);
        }
        let next = self.jar.next(rules.runtime);
        self.present(next);
        Ok(())
    }

    pub(crate) fn is_gone<T>(&mut self) -> Result<T> {
        self.drop_refreshed_cookie();
        if self.phase != Phase::Closed {
            self.phase = Phase::Gone;
        }
        Err(Error::gone())
    }

    /// The session has ended, possibly by a renewal: the cookie that the request came with is not sent again, since it
    /// could replace the new one.
    fn drop_refreshed_cookie(&mut self) {
        if let (CookieAction::Set(..), Arrival::AsItIs) = (&self.cookie, &self.came) {
            self.cookie = CookieAction::Leave;
        }
    }

    /// Records the loaded fields of a session that is live until `until`.
    fn note(&mut self, names: &[FieldName], fields: Fields, until: Timestamp) -> Result<()> {
        if self.slots.all_read {
            return Ok(()); // another task of the request has read it meanwhile: its value is kept
        }
        match fields.into_answer() {
            Answer::Nothing => {}
            Answer::Named(values) => {
                for (name, bytes) in names.iter().zip(values) {
                    self.slots.slot(name).read(bytes);
                }
            }
            Answer::View(view) => self.slots.show(view, until, names).map_err(|name| {
                let what = "the store returned a view that lacks the requested field";
                Error::new(ErrorKind::Store, what).on(name.clone())
            })?,
            Answer::All(all) => self.slots.read_all(all),
        }
        Ok(())
    }

    /// Forgets values that were read: they are loaded again when they are requested.
    pub(crate) fn reload(&mut self) -> Result<()> {
        self.begin_read()?.slots.forget();
        Ok(())
    }

    // ---- wanting

    fn slot(&mut self, field: &FieldName) -> &mut Slot {
        self.slots.slot(field)
    }

    pub(crate) fn change(&mut self, field: &FieldName, change: Change) -> Result<()> {
        self.begin_use()?.slot(field).set(change);
        Ok(())
    }

    pub(crate) fn add(&mut self, field: &FieldName, add: Add, now: Timestamp) -> Result<()> {
        self.begin_use()?.slot(field);
        let seen = match self.flight {
            None => self.see(field, now)?,
            Some(_) => Seen::Unknown,
        };
        self.slot(field).add(field, add, &seen, now)
    }

    /// Whether the request still sees this value of a field.
    fn still_sees(&self, field: &FieldName, seen: Option<&Bytes>, now: Timestamp) -> Result<bool> {
        Ok(self.flight.is_none()
            && matches!(self.see(field, now)?, Seen::Known(bytes) if bytes.as_ref() == seen))
    }

    /// Records a step of an `update`, which was run on the value `seen`. Returns the step if the request now sees a
    /// different value.
    pub(crate) fn update(
        &mut self,
        field: &FieldName,
        seen: Option<&Bytes>,
        step: UpdateStep,
        result: Option<Setting>,
        now: Timestamp,
    ) -> Result<Result<(), UpdateStep>> {
        self.begin_use()?;
        if !self.still_sees(field, seen, now)? {
            return Ok(Err(step));
        }
        let cleared = self.is_cleared(field);
        self.slot(field).update(field, cleared, step, result);
        Ok(Ok(()))
    }

    pub(crate) fn clear(&mut self) -> Result<()> {
        self.begin_use()?;
        if self.wants.clear == Clear::Nothing {
            self.wants.clear = Clear::Fields;
        }
        self.slots.drop_changes();
        Ok(())
    }

    pub(crate) fn renew(&mut self) -> Result<()> {
        let wants = &mut self.begin_use()?.wants;
        if wants.intent == Intent::Keep {
            wants.intent = Intent::Renew;
        }
        Ok(())
    }

    pub(crate) fn destroy(&mut self) -> Result<()> {
        self.clear()?;
        self.wants.clear = Clear::Everything;
        self.wants.intent = Intent::Destroy;
        self.wants.create = false; // it was requested for the session that is destroyed
        self.wants.rare = None;
        Ok(())
    }

    pub(crate) fn set_lifetime(&mut self, lifetime: Option<Lifetime>) -> Result<()> {
        self.renew()?;
        self.wants.rare().lifetime = Some(lifetime);
        Ok(())
    }

    /// Requests the end of the other sessions that have this session's stored or pending value of a field.
    pub(crate) fn end_others(&mut self, field: &FieldName, value: Bytes) -> Result<()> {
        let end_others = &mut self.begin_use()?.wants.rare().end_others;
        end_others.retain(|(other, _)| other != field);
        end_others.push((field.clone(), value));
        Ok(())
    }

    /// Drops everything that is not stored yet.
    pub(crate) fn discard(&mut self) -> Result<()> {
        self.begin_use()?.slots.drop_changes();
        let create = self.wants.create;
        self.wants = Wants {
            create,
            ..Wants::default()
        };
        Ok(())
    }

    pub(crate) fn touch(&mut self) -> Result<()> {
        self.begin_use()?.wants.touch = true;
        Ok(())
    }

    /// The id that the session will have at the end of the request, for a token that is bound to it. A session that is
    /// to be created or renewed gets its id now; a session that does not exist yet is requested.
    pub(crate) fn next_id(&mut self, rules: Rules<'_>) -> Result<SessionId> {
        self.begin_read()?;
        if let (Owner::Known(known), Intent::Keep) = (&self.who, self.wants.intent) {
            return Ok(known.named.id.clone());
        }
        self.is_open()?;
        let next = self.draw(rules)?;
        self.wants.create = true;
        let id = next.id.clone();
        self.wants.next = Some(Box::new(next));
        Ok(id)
    }

    /// The id that the request came with, if its session was live.
    pub(crate) fn id_that_came(&self) -> Option<&SessionId> {
        match (&self.came, &self.who) {
            (Arrival::With(id), _) => Some(id),
            (Arrival::AsItIs, Owner::Known(known)) => Some(&known.named.id),
            (Arrival::AsItIs, Owner::Nobody | Owner::Presented(_)) | (Arrival::Without, _) => None,
        }
    }

    // ---- the end

    /// Ends the unit of work: pending changes are dropped. Stored values can still be read if the unit is `shared` with
    /// another handle. Returns the cookie action for the response, and whether the session was used in any way.
    pub(crate) fn close(&mut self, shared: bool) -> (CookieAction, bool) {
        if shared && self.phase != Phase::Gone {
            self.forget_wants();
        } else {
            self.slots.clear();
        }
        self.phase = Phase::Closed;
        let action = match (std::mem::take(&mut self.cookie), &self.who) {
            (CookieAction::Leave, Owner::Known(known))
                if known.named.resign && !known.by_former_id =>
            {
                CookieAction::Set(known.named.id.clone(), Lasts::of(&known.meta.lease))
            }
            (CookieAction::Unsign, _) if !self.used => CookieAction::Leave,
            (action, _) => action,
        };
        (action, self.used)
    }

    /// Hides pending changes that are not stored from handles that read after the request has ended.
    fn forget_wants(&mut self) {
        self.wants = Wants::default();
        self.slots.drop_changes();
    }
}
