//! What a unit of work knows and wants: no I/O, no waiting, no user code. Everything here runs under one short lock.

mod plan;
mod slots;
mod taking;
mod terms;
mod waiting;

pub(crate) use plan::Plan;
pub(crate) use terms::{
    CookieAction, Epoch, Intent, Known, Look, LookAt, Named, Phase, Rules, Taking, Who,
};

use crate::{
    changes::{Change, Cleared, Seen, Setting, Slot, Step as UpdateStep},
    cookie::{Lines, Presented},
    error::{Error, ErrorKind, Result},
    id::SessionId,
    store::Digest,
    store::FieldName,
    store::Timestamp,
    store::{Answer, Bytes, Fields, Loaded, Meta, Snapshot},
};
use slots::Slots;
use std::task::Waker;
use terms::Came;

/// A unit of work: what is known, what is wanted, and what the response will say.
pub(crate) struct State {
    /// The cookies that came, until somebody uses the session: [`who`](Self::who) is not known before they are read.
    pub(crate) unread: Option<Lines>,
    pub(crate) who: Who,
    slots: Slots,
    all_read: bool,
    cleared: Cleared,
    intent: Intent,
    touch: bool,
    /// Make the session even if nothing is written into it.
    create: bool,
    /// The cookie was signed by a key that is no longer the first.
    resign: bool,
    /// A signature came that fits nothing.
    unsign: bool,
    /// The handler has used the session in any way.
    pub(crate) used: bool,
    pub(crate) phase: Phase,
    pub(crate) cookie: CookieAction,
    /// Counts the beginnings and ends of commits: what was asked before one is not to be noted after it.
    epoch: u64,
    /// The commit that is under way gives the session an id, or takes it away.
    moving: bool,
    /// Who waits for the end of a commit.
    waiting: Vec<Waker>,
    /// Counts the sessions that this unit has destroyed.
    pub(crate) destroyed: u64,
    /// Counts what empties every field at once.
    clears: u64,
    /// The id of the session that this unit will make, if a token was bound to it already.
    next: Option<SessionId>,
    came: Came,
    /// Without a response of its own: it cannot send a cookie.
    pub(crate) detached: bool,
}

impl State {
    /// What is known when a unit of work begins: whose session it is, or cookies that will tell.
    #[inline] // so that it is made in its place
    pub(crate) fn new(unread: Option<Lines>, who: Who, create: bool) -> Self {
        Self {
            unread,
            who,
            slots: Slots::default(),
            all_read: false,
            cleared: Cleared::default(),
            intent: Intent::Keep,
            touch: false,
            create,
            resign: false,
            unsign: false,
            used: create,
            phase: Phase::Open,
            cookie: CookieAction::Leave,
            epoch: 0,
            came: Came::default(),
            moving: false,
            waiting: Vec::new(),
            destroyed: 0,
            clears: 0,
            next: None,
            detached: false,
        }
    }

    /// Notes what the request's cookies came to.
    pub(crate) fn present(&mut self, presented: Presented) {
        match presented {
            Presented::Nothing => {}
            Presented::BadSignature => self.unsign = true,
            Presented::Id(verified) => {
                self.resign = verified.needs_resigning();
                self.who = Who::Presented(verified.into_id().into());
            }
        }
    }

    /// Every use of the session passes here.
    pub(crate) fn use_it(&mut self) -> Result<&mut Self> {
        match self.phase {
            Phase::Open | Phase::Committing | Phase::Interrupted => {
                self.used = true;
                Ok(self)
            }
            Phase::Gone => Err(Error::gone()),
            Phase::Closed => Err(Error::closed()),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    fn cleared(&self) -> Cleared {
        match self.who {
            // Nothing is stored for nobody.
            Who::Nobody => Cleared {
                committing: true,
                ..self.cleared
            },
            _ => self.cleared,
        }
    }

    // ---- reading

    /// What the request sees of a field, or whom to ask.
    pub(crate) fn look(&mut self, field: &FieldName, now: Timestamp) -> Result<Look> {
        self.use_it()?;
        let untouched = self.slots.get(field).is_none() && !self.knows_all();
        if !untouched && let Seen::Known(bytes) = self.see(field, now)? {
            return Ok(Look::Seen(bytes));
        }
        let Some(digest) = self.digest() else {
            return Ok(Look::Seen(None));
        };
        if self.must_wait_for(std::slice::from_ref(field))? {
            return Ok(Look::Wait);
        }
        Ok(match self.slots.read_in_view(field, now) {
            Some(bytes) if untouched => Look::Seen(bytes),
            // Its own changes lie over what is stored.
            Some(_) => Look::Seen(self.see(field, now)?.known()),
            None => Look::Load(digest, self.epoch()),
        })
    }

    /// What the request sees of these fields, or which of them to ask for: those are of one moment.
    pub(crate) fn look_at(&mut self, fields: &[FieldName], now: Timestamp) -> Result<LookAt> {
        let digest = self.use_it()?.digest();
        let mut missing = Vec::new();
        if let Some(digest) = digest {
            for field in fields {
                if matches!(self.see(field, now)?, Seen::Unknown) {
                    missing.push(field.clone());
                }
            }
            if !missing.is_empty() && self.must_wait_for(&missing)? {
                return Ok(LookAt::Wait);
            }
            if !missing.is_empty() && !self.slots.read_all_in_view(&missing, now) {
                return Ok(LookAt::Load(digest, self.epoch(), missing));
            }
        }
        let seen = fields.iter().map(|field| Ok(self.see(field, now)?.known()));
        seen.collect::<Result<_>>().map(LookAt::Seen)
    }

    fn see(&self, field: &FieldName, now: Timestamp) -> Result<Seen> {
        let cleared = self.cleared();
        match self.slots.get(field) {
            Some(slot) if slot.is_read() || !self.all_read => slot.seen(field, cleared, now),
            // Everything was read, and it was not among it.
            Some(slot) => slot.seen(
                field,
                Cleared {
                    committing: true,
                    ..cleared
                },
                now,
            ),
            None if self.all_read || cleared != Cleared::default() => Ok(Seen::Known(None)),
            None => Ok(match self.slots.viewed(field) {
                Some(bytes) => Seen::Known(Some(bytes.clone())),
                None => Seen::Unknown,
            }),
        }
    }

    /// Every field that the request sees, for `get_all` and for whole structs; all of them must have been read.
    pub(crate) fn see_all(&self, now: Timestamp) -> Result<Vec<(FieldName, Bytes)>> {
        let mut all = Vec::with_capacity(self.slots.len());
        for (name, _) in self.slots.iter() {
            if let Seen::Known(Some(bytes)) = self.see(name, now)? {
                all.push((name.clone(), bytes));
            }
        }
        Ok(all)
    }

    /// Whether everything that is stored was read, or nothing is.
    pub(crate) fn knows_all(&self) -> bool {
        self.all_read || self.cleared() != Cleared::default()
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        match &self.who {
            Who::Nobody => None,
            Who::Presented(named) | Who::Known(Known { named, .. }) => Some(named.digest),
        }
    }

    /// Notes what the store answered. `began` is when the unit of work began: a session that was ended since then was
    /// ended under it.
    pub(crate) fn absorb(
        &mut self,
        names: &[FieldName],
        loaded: Loaded,
        asked: Epoch,
        began: Timestamp,
        rules: &Rules,
    ) -> Result<()> {
        if asked != self.epoch() {
            return Ok(()); // a commit began or ended meanwhile: whoever asked looks again
        }
        match loaded {
            Loaded::Live(snapshot) if self.accepts(&snapshot.meta, rules) => {
                let Snapshot {
                    meta,
                    by_former_id,
                    fields,
                    ..
                } = snapshot;
                self.who = Who::Known(match std::mem::replace(&mut self.who, Who::Nobody) {
                    Who::Nobody => return Ok(()),
                    Who::Known(known) => Known { meta, ..known },
                    Who::Presented(named) => Known {
                        named,
                        meta,
                        by_former_id,
                        named_here: None,
                    },
                });
                self.note(names, fields, rules.expiry.deadline(&meta.lease))
            }
            Loaded::Ended(at) if at >= began => self.is_gone(),
            _ => match self.who {
                Who::Known(_) => self.is_gone(),
                Who::Presented(_) | Who::Nobody => {
                    self.who = Who::Nobody;
                    Ok(())
                }
            },
        }
    }

    /// The store holds to the deadlines that it was given; timeouts that were shortened since hold as well.
    fn accepts(&self, meta: &Meta, rules: &Rules) -> bool {
        rules.now < rules.expiry.deadline(&meta.lease)
    }

    pub(crate) fn is_gone<T>(&mut self) -> Result<T> {
        self.phase = Phase::Gone;
        Err(Error::gone())
    }

    /// Notes what was read of a session that lives until then.
    fn note(&mut self, names: &[FieldName], fields: Fields, until: Timestamp) -> Result<()> {
        if self.all_read {
            return Ok(()); // by another task of the request meanwhile: what was read before stays
        }
        match fields.into_answer() {
            Answer::Nothing => {}
            Answer::Named(values) => {
                for (name, bytes) in names.iter().zip(values) {
                    self.slots.slot(name).read(bytes);
                }
            }
            Answer::View(view) => self.slots.show(view, until, names).map_err(|name| {
                let what = "the store has answered with a view that does not show this field";
                Error::new(ErrorKind::Store, what).on(name.clone())
            })?,
            Answer::All(all) => {
                self.slots.read_all(all);
                self.all_read = true;
            }
        }
        Ok(())
    }

    // ---- wanting

    fn slot(&mut self, field: &FieldName) -> &mut Slot {
        self.slots.slot(field)
    }

    pub(crate) fn change(&mut self, field: &FieldName, change: Change) -> Result<()> {
        self.use_it()?.slot(field).set(change);
        Ok(())
    }

    pub(crate) fn add(
        &mut self,
        field: &FieldName,
        add: crate::store::Add,
        now: Timestamp,
    ) -> Result<()> {
        let cleared = self.use_it()?.cleared();
        self.slot(field).add(field, add, cleared, now)
    }

    pub(crate) fn version(&self, field: &str) -> u64 {
        self.clears + self.slots.get(field).map_or(0, Slot::version)
    }

    /// See [`Slot::update`]; the step was run on what was seen at `version`. Gives it back if something else has changed
    /// that meanwhile.
    pub(crate) fn update(
        &mut self,
        field: &FieldName,
        version: u64,
        step: UpdateStep,
        result: Option<Setting>,
    ) -> Result<Result<(), UpdateStep>> {
        let cleared = self.use_it()?.cleared();
        if self.version(field) != version {
            return Ok(Err(step));
        }
        self.slot(field).update(field, cleared, step, result);
        Ok(Ok(()))
    }

    pub(crate) fn clear(&mut self) -> Result<()> {
        self.use_it()?;
        self.cleared.asked = true;
        self.clears += 1;
        for (_, slot) in self.slots.iter_mut() {
            slot.drop_change();
        }
        Ok(())
    }

    pub(crate) fn renew(&mut self) -> Result<()> {
        let state = self.use_it()?;
        if state.intent == Intent::Keep {
            state.intent = Intent::Renew;
        }
        Ok(())
    }

    pub(crate) fn destroy(&mut self) -> Result<()> {
        self.clear()?;
        self.intent = Intent::Destroy;
        Ok(())
    }

    pub(crate) fn touch(&mut self) -> Result<()> {
        self.use_it()?.touch = true;
        Ok(())
    }

    /// The id that the session has by the end of the request, for a token that is bound to it. A session that is to be
    /// made or renewed gets its id now; one that nobody asked for is asked for.
    pub(crate) fn id_to_be(
        &mut self,
        draw: impl FnOnce() -> Result<SessionId>,
    ) -> Result<SessionId> {
        self.use_it()?;
        if let (Who::Known(known), Intent::Keep) = (&self.who, self.intent) {
            return Ok(known.named.id.clone());
        }
        self.create = true;
        let next = self.next.take().map_or_else(draw, Ok)?;
        self.next = Some(next.clone());
        Ok(next)
    }

    /// The id that the request came with, if its session lived.
    pub(crate) fn id_that_came(&self) -> Option<&SessionId> {
        match (&self.came, &self.who) {
            (Came::With(id), _) => Some(id),
            (Came::AsItIs, Who::Known(known)) => Some(&known.named.id),
            (Came::AsItIs, Who::Nobody | Who::Presented(_)) | (Came::Without, _) => None,
        }
    }

    /// The session gets another id, or ends: notes the one that the request came with.
    fn leaves_its_id(&mut self) {
        self.came = match self.id_that_came() {
            Some(id) => Came::With(Box::new(id.clone())),
            None => Came::Without,
        };
    }

    pub(crate) fn reread(&mut self, field: &FieldName, bytes: Option<Bytes>) {
        self.slot(field).reread(bytes);
    }

    /// Ends the unit of work: what is wanted and was not stored is dropped. Gives what the response is to say, and
    /// whether the session was used in any way.
    pub(crate) fn close(&mut self) -> (CookieAction, bool) {
        let action = self.last_word();
        (action, self.used)
    }

    fn last_word(&mut self) -> CookieAction {
        self.phase = Phase::Closed;
        self.unread = None;
        self.slots.clear();
        match std::mem::take(&mut self.cookie) {
            CookieAction::Leave => match &self.who {
                Who::Known(known) if self.resign && !known.by_former_id => {
                    CookieAction::Set(known.named.id.clone(), known.meta.lease.deadline())
                }
                _ if self.unsign && self.used => CookieAction::Unsign,
                _ => CookieAction::Leave,
            },
            action => action,
        }
    }
}
