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
    /// The time at which it is made: deadlines, grace periods and TTLs are judged by it.
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
    /// The stored fields that are removed before [`writes`](Self::writes) are applied.
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
    /// Whether the commit's purpose is to end sessions through its limits. A store that is out of room, but still
    /// applies [`Step::Destroy`], applies such a commit as well. This is a hint: it has no other effect.
    pub ends_others: bool,
}

impl<'a> Commit<'a> {
    /// A commit with this step that changes no field.
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

    /// Sets the time of the end.
    #[must_use]
    pub const fn with_ended_at(mut self, at: Timestamp) -> Self {
        self.ended_at = at;
        self
    }

    /// Sets the time of the end of sessions that a limit ends.
    #[must_use]
    pub const fn with_others_ended_at(mut self, at: Timestamp) -> Self {
        self.others_ended_at = at;
        self
    }

    /// Sets the fields that are removed first.
    #[must_use]
    pub const fn with_clear(mut self, clear: Clear) -> Self {
        self.clear = clear;
        self
    }

    /// Sets the guards.
    #[must_use]
    pub const fn with_guards(mut self, guards: &'a [Guard]) -> Self {
        self.guards = guards;
        self
    }

    /// Sets the changes.
    #[must_use]
    pub const fn with_writes(mut self, writes: &'a [Write]) -> Self {
        self.writes = writes;
        self
    }

    /// Sets the limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: &'a [Limit]) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how many fields the session may have.
    #[must_use]
    pub const fn with_max_fields(mut self, most: Option<usize>) -> Self {
        self.max_fields = most;
        self
    }

    /// Sets whether its purpose is to end other sessions: see [`ends_others`](Self::ends_others).
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
        /// Its deadlines, which are restarted.
        lease: Lease,
        /// The moment until which the old id still works; `None` if it ends at once.
        former_works_until: Option<Timestamp>,
    },
    /// Ends the session and removes every field; `writes` is empty.
    Destroy,
}

impl Step {
    /// Creates a session whose time of creation is `created`.
    #[must_use]
    pub const fn create(created: Timestamp, lease: Lease) -> Self {
        Self::Create { created, lease }
    }

    /// Changes fields, and records a use if one is given.
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

/// The stored fields that a commit removes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clear {
    /// None.
    #[default]
    Nothing,
    /// All but the library's own fields: see [`FieldName::is_reserved`].
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
    /// Its expected bytes; `None` if the field must be absent.
    pub expected: Option<Bytes>,
}

impl Guard {
    /// A guard that holds if the field has these bytes, or is absent for `None`.
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
    /// The operation.
    pub op: Op,
    /// The new index entry, for [`Op::Set`] of an indexed field: it replaces the field's former entry. Without it, a
    /// field that is set or removed has no entry. [`Op::Add`] leaves the entry as it is.
    pub index: Option<Bytes>,
}

impl Write {
    /// Sets a field to these bytes.
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

    /// A change of a field that is not indexed.
    #[must_use]
    pub const fn new(field: FieldName, op: Op) -> Self {
        Self {
            field,
            op,
            index: None,
        }
    }

    /// Sets the index entry.
    #[must_use]
    pub fn with_index(mut self, entry: Option<Bytes>) -> Self {
        self.index = entry;
        self
    }
}

/// The operation on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Sets the field to these bytes.
    Set(Bytes),
    /// Removes the field; not an error if it is absent.
    Remove,
    /// Adds a number to the stored value when the commit is applied.
    #[non_exhaustive]
    Add {
        /// The addition.
        add: Add,
        /// The value that the core has read, if it has read the field: `Some(None)` for an absent field. It is a hint
        /// for a store that cannot calculate: such a store can add to this value, and compare and set in one step.
        seen: Option<Option<Bytes>>,
    },
}

impl Op {
    /// Adds to a counter that the core has read as `seen`.
    #[must_use]
    pub const fn add(add: Add, seen: Option<Option<Bytes>>) -> Self {
        Self::Add { add, seen }
    }
}

/// How many sessions may have one index entry.
///
/// Of the sessions that are live at [`Commit::now`], at most `most` have the entry once the commit is applied, this
/// session included. A session that has the entry already is never refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The indexed field: one that the commit sets.
    pub field: FieldName,
    /// The entry.
    pub entry: Bytes,
    /// How many sessions may have it: at least 1.
    pub most: usize,
    /// What happens if more would have it: [`WhenFull::Refuse`] returns [`Outcome::Full`]; [`WhenFull::EndOldest`] ends
    /// the sessions that signed in first ([`Lease::started`]), in the same step, and marks them as ended at
    /// [`Commit::others_ended_at`].
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

/// The outcome of a commit. If several apply, the store returns the first of `Gone`, `Exists`, `Conflict`, `Full` and
/// `TooMany`; an error of [`Add::apply`] comes after all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The commit is stored.
    Done(Done),
    /// The session is not live: it has passed its deadlines, or the timeouts of the committing deployment
    /// ([`rules::Life::is_live_for`](super::rules::Life::is_live_for)). Nothing is changed.
    Gone,
    /// [`Step::Create`] or [`Step::Renew`]: the new digest is known already, possibly as an expired session that was
    /// not removed yet. Nothing is changed.
    Exists,
    /// A guard does not hold: the stored values of the guarded fields, in the guards' order. Nothing is changed.
    Conflict(Vec<Option<Bytes>>),
    /// The limit at this index in [`Commit::limits`] is reached. Nothing is changed.
    Full(usize),
    /// The session would have this many fields: more than [`Commit::max_fields`] and more than it has. Nothing is
    /// changed.
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
    /// Whether the commit was made with the former id of a renewed session.
    pub by_former_id: bool,
    /// The sessions that a [`Limit`] ended.
    pub ended: Vec<Digest>,
}

impl Done {
    /// The session has these times now, or was ended.
    #[must_use]
    pub const fn new(meta: Option<Meta>) -> Self {
        Self {
            meta,
            by_former_id: false,
            ended: Vec::new(),
        }
    }

    /// Sets whether the commit was made with a former id.
    #[must_use]
    pub fn with_by_former_id(mut self, by_former_id: bool) -> Self {
        self.by_former_id = by_former_id;
        self
    }

    /// Sets the sessions that a limit ended.
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
    /// When it was created; a renewal of the id does not change it.
    pub created: Timestamp,
    /// Its last recorded use, and its deadlines.
    pub lease: Lease,
    /// Whether a former id of it still works: the next use by the current id should end the former one.
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
