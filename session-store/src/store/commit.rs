//! A commit, and its outcome.

use super::lease::{Lease, Use};
use crate::{
    bytes::Bytes, clock::Timestamp, digest::Digest, name::FieldName, schema::WhenFull, value::Add,
};

/// Changes to be stored in one atomic step.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Commit<'a> {
    /// The session.
    pub id: Digest,
    /// The time.
    pub now: Timestamp,
    /// For [`Step::Destroy`] and [`Step::Renew`]: the time of the end, which [`Loaded::Ended`](crate::Loaded::Ended) returns
    /// later. It may be a little later than [`now`](Self::now): the core keeps a request that began before an end distinct from
    /// one that began after it, even within one millisecond.
    pub ended_at: Timestamp,
    /// The same for the sessions that a [`Limit`] ends. This time is separate because a renewal that ends other sessions
    /// does not renew them, and the core distinguishes ends by their times.
    pub others_ended_at: Timestamp,
    /// The effect on the session itself.
    pub step: Step,
    /// Which stored fields are removed before [`writes`](Self::writes) are applied.
    pub clear: Clear,
    /// The conditions of the commit: each is compared byte by byte with the stored value before the commit
    /// ([`clear`](Self::clear) included), even if its TTL has passed.
    pub guards: &'a [Guard],
    /// The changes. No field occurs twice.
    pub writes: &'a [Write],
    /// How many sessions may have an entry that this commit sets.
    pub limits: &'a [Limit],
    /// How many fields the session may have once the commit is applied, reserved fields included. A commit that does not raise
    /// the number is never refused: a session that has too many fields can still be changed and reduced.
    pub max_fields: Option<usize>,
    /// Whether it is made to end the sessions that its limits end. A store that is out of room, and lets
    /// [`Step::Destroy`] pass all the same, lets such a commit pass as well. A hint: it changes nothing else.
    pub ends_others: bool,
}

impl<'a> Commit<'a> {
    /// A commit with this step and no change of fields.
    #[must_use]
    pub const fn new(id: Digest, now: Timestamp, step: Step) -> Self {
        Self {
            id,
            now,
            ended_at: now,
            others_ended_at: now,
            step,
            clear: Clear::Nothing,
            guards: &[],
            writes: &[],
            limits: &[],
            max_fields: None,
            ends_others: false,
        }
    }

    /// The same, with another time of the end.
    #[must_use]
    pub const fn with_ended_at(mut self, at: Timestamp) -> Self {
        self.ended_at = at;
        self
    }

    /// The same, with another time of the end of those that a limit ends.
    #[must_use]
    pub const fn with_others_ended_at(mut self, at: Timestamp) -> Self {
        self.others_ended_at = at;
        self
    }

    /// The same, with these fields removed first.
    #[must_use]
    pub const fn with_clear(mut self, clear: Clear) -> Self {
        self.clear = clear;
        self
    }

    /// The same, with these guards.
    #[must_use]
    pub const fn with_guards(mut self, guards: &'a [Guard]) -> Self {
        self.guards = guards;
        self
    }

    /// The same, with these changes.
    #[must_use]
    pub const fn with_writes(mut self, writes: &'a [Write]) -> Self {
        self.writes = writes;
        self
    }

    /// The same, within these limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: &'a [Limit]) -> Self {
        self.limits = limits;
        self
    }

    /// The same, for a session of at most so many fields.
    #[must_use]
    pub const fn with_max_fields(mut self, most: Option<usize>) -> Self {
        self.max_fields = most;
        self
    }

    /// The same, made to end others or not: see [`ends_others`](Self::ends_others).
    #[must_use]
    pub const fn with_ends_others(mut self, ends: bool) -> Self {
        self.ends_others = ends;
        self
    }
}

/// The effect of a commit on the session itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Creates the session.
    #[non_exhaustive]
    Create {
        /// When it was created: [`Commit::now`], except for a session that is copied from another store.
        created: Timestamp,
        /// Its deadlines.
        lease: Lease,
    },
    /// Changes fields, or records that the session was used.
    #[non_exhaustive]
    Keep {
        /// Records a use if it is due: see [`Lease::after_use`]. A use by the current id that is recorded, or would be if it were
        /// due, ends the former id. `None` records nothing and keeps a former id.
        usage: Option<Use>,
    },
    /// Gives the session another id and keeps its fields. The old id is dead in the same step, or still works until
    /// `former_works_until`: for reading, [`Keep`](Self::Keep) and [`Destroy`](Self::Destroy), but not for another renewal. There
    /// is at most one former id: the next renewal ends it.
    #[non_exhaustive]
    Renew {
        /// The new id: one that is not known to the store ([`Outcome::Exists`]), with the same [home](crate::Store::home) as the old
        /// one.
        to: Digest,
        /// Its deadlines: they start anew.
        lease: Lease,
        /// Until when the old id still works, if at all.
        former_works_until: Option<Timestamp>,
    },
    /// Ends the session and removes every field; `writes` is empty.
    Destroy,
}

impl Step {
    /// Makes a session at `created`.
    #[must_use]
    pub const fn create(created: Timestamp, lease: Lease) -> Self {
        Self::Create { created, lease }
    }

    /// Changes fields, and notes a use if one is given.
    #[must_use]
    pub const fn keep(usage: Option<Use>) -> Self {
        Self::Keep { usage }
    }

    /// Gives the session another id.
    #[must_use]
    pub const fn renew(to: Digest, lease: Lease, former_works_until: Option<Timestamp>) -> Self {
        Self::Renew {
            to,
            lease,
            former_works_until,
        }
    }
}

/// Which stored fields a commit removes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clear {
    /// None.
    #[default]
    Nothing,
    /// All but the library's own: see [`FieldName::is_reserved`].
    Fields,
    /// All.
    Everything,
}

impl Clear {
    /// Whether it removes this field.
    #[must_use]
    pub fn removes(self, field: &FieldName) -> bool {
        match self {
            Self::Nothing => false,
            Self::Fields => !field.is_reserved(),
            Self::Everything => true,
        }
    }
}

/// A condition on a stored field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guard {
    /// The field.
    pub field: FieldName,
    /// Its bytes; `None` for not there.
    pub expected: Option<Bytes>,
}

impl Guard {
    /// A guard that holds if the field has these bytes, or is not there.
    #[must_use]
    pub const fn new(field: FieldName, expected: Option<Bytes>) -> Self {
        Self { field, expected }
    }
}

/// A change of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Write {
    /// The field.
    pub field: FieldName,
    /// What happens to it.
    pub op: Op,
    /// For [`Op::Set`] of an indexed field, what the session is found by: it replaces the field's former entry.
    /// Without it a field that is set or removed has no entry. [`Op::Add`] leaves the entry as it is.
    pub index: Option<Bytes>,
}

impl Write {
    /// Puts these bytes into a field.
    #[must_use]
    pub const fn set(field: FieldName, value: Bytes) -> Self {
        Self::new(field, Op::Set(value))
    }

    /// Removes a field.
    #[must_use]
    pub const fn remove(field: FieldName) -> Self {
        Self::new(field, Op::Remove)
    }

    /// Adds to a counter.
    #[must_use]
    pub const fn add(field: FieldName, add: Add) -> Self {
        Self::new(field, Op::Add { add, seen: None })
    }

    /// A change of a field that is not found by its value.
    #[must_use]
    pub const fn new(field: FieldName, op: Op) -> Self {
        Self {
            field,
            op,
            index: None,
        }
    }

    /// The same, with this entry in the index.
    #[must_use]
    pub fn with_index(mut self, entry: Option<Bytes>) -> Self {
        self.index = entry;
        self
    }
}

/// What happens to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// It holds these bytes from now on.
    Set(Bytes),
    /// It is no longer there; no error if it was not.
    Remove,
    /// Adds a number to the stored value when the commit is applied.
    #[non_exhaustive]
    Add {
        /// The addition.
        add: Add,
        /// What the core has seen of the field, if it has read it: `Some(None)` for nothing. It is a hint, for a store
        /// that cannot calculate: it can apply the addition to this and compare and set in one step.
        seen: Option<Option<Bytes>>,
    },
}

impl Op {
    /// Adds to a counter, of which the core has seen this.
    #[must_use]
    pub const fn add(add: Add, seen: Option<Option<Bytes>>) -> Self {
        Self::Add { add, seen }
    }
}

/// How many sessions may have one index entry.
///
/// Of the sessions that live at [`Commit::now`] at most `most` have the entry once the commit is applied, this one
/// included. A session that has the entry already is never refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The indexed field: one that the commit sets.
    pub field: FieldName,
    /// The entry.
    pub entry: Bytes,
    /// How many sessions may have it: at least 1.
    pub most: usize,
    /// What happens if there were more: [`WhenFull::Refuse`] answers [`Outcome::Full`]; [`WhenFull::EndOldest`] ends those
    /// that signed in first ([`Lease::started`]), in the same step, and leaves the mark of [`Commit::others_ended_at`].
    pub when_full: WhenFull,
}

impl Limit {
    /// At most this many sessions with this entry.
    #[must_use]
    pub const fn new(field: FieldName, entry: Bytes, most: usize, when_full: WhenFull) -> Self {
        Self {
            field,
            entry,
            most,
            when_full,
        }
    }
}

/// What became of a commit. Where several are true, the first of `Gone`, `Exists`, `Conflict`, `Full` and `TooMany` is
/// answered; an error of [`Add::apply`] comes after all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is stored.
    Done(Done),
    /// The session does not live: it has passed its deadlines, or the timeouts of the deployment that commits
    /// ([`rules::Life::is_live_for`](super::rules::Life::is_live_for)). Nothing is changed.
    Gone,
    /// [`Step::Create`] or [`Step::Renew`]: the new digest is known already, be it of a session that has expired and
    /// was not removed yet. Nothing is changed.
    Exists,
    /// A guard does not hold, and nothing was changed. The stored values of the guarded fields, in the guards' order.
    Conflict(Vec<Option<Bytes>>),
    /// The limit at this place in [`Commit::limits`] is reached. Nothing is changed.
    Full(usize),
    /// The session would have so many fields, more than [`Commit::max_fields`] and more than it has. Nothing is changed.
    TooMany(usize),
}

impl Outcome {
    /// Whether the commit was stored.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// The state of a session once a commit is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// Its times; `None` after [`Step::Destroy`].
    pub meta: Option<Meta>,
    /// Whether the commit came by the former id of a session that was renewed.
    pub by_former_id: bool,
    /// The sessions that a [`Limit`] has ended.
    pub ended: Vec<Digest>,
}

impl Done {
    /// The session has these times now, or has ended.
    #[must_use]
    pub const fn new(meta: Option<Meta>) -> Self {
        Self {
            meta,
            by_former_id: false,
            ended: Vec::new(),
        }
    }

    /// Whether the commit came by a former id.
    #[must_use]
    pub fn with_by_former_id(mut self, by_former_id: bool) -> Self {
        self.by_former_id = by_former_id;
        self
    }

    /// The sessions that a limit has ended.
    #[must_use]
    pub fn with_ended(mut self, ended: Vec<Digest>) -> Self {
        self.ended = ended;
        self
    }
}

/// The times of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// When it was made; kept when the id is renewed.
    pub created: Timestamp,
    /// Its last recorded use, and its deadlines.
    pub lease: Lease,
    /// Whether a former id of it still works: the next use by the current id should end that.
    pub former_id_works: bool,
}

impl Meta {
    /// The times of a session without a former id.
    #[must_use]
    pub const fn new(created: Timestamp, lease: Lease) -> Self {
        Self {
            created,
            lease,
            former_id_works: false,
        }
    }

    /// Whether a former id of it still works.
    #[must_use]
    pub const fn with_former_id_works(mut self, works: bool) -> Self {
        self.former_id_works = works;
        self
    }
}
