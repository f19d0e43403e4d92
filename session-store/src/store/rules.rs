//! The effect of a commit on one session, as pure functions: for stores that read, decide and write in one place.

use super::{Commit, Lease, Limit, Meta, Op, Step, Timeouts, Use, WhenFull, Write};
use crate::{
    bytes::Bytes,
    clock::Timestamp,
    digest::Digest,
    error::{Error, ErrorKind, Result},
};

/// When a session lives, and by which ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store writes all of it down")]
pub struct Life {
    /// When it was made.
    pub created: Timestamp,
    /// Its deadlines.
    pub lease: Lease,
    /// The id it had before, and until when that works. To end a former id is to forget it here: what stays under the
    /// former id only says where to look.
    pub former: Option<(Digest, Timestamp)>,
}

impl Life {
    /// Whether it lives at `now`.
    #[must_use]
    #[inline]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.lease.is_live(now)
    }

    /// Whether it lives and `former` works as an id of it.
    #[must_use]
    #[inline]
    pub fn works_by(&self, former: Digest, now: Timestamp) -> bool {
        let works = |(id, until)| id == former && now < until;
        self.is_live(now) && self.former.is_some_and(works)
    }

    /// Whether it lives for a commit: at [`Commit::now`] by its deadlines, and by the timeouts of the deployment that
    /// commits. Timeouts that were shortened hold at once (requirement L15), and a commit that is sent before its session
    /// was looked at would bring one back that has outlived them.
    #[must_use]
    #[inline]
    pub fn is_live_for(&self, commit: &Commit<'_>) -> bool {
        let (deployment, max_lifetime) = match commit.step {
            Step::Keep {
                usage: Some(usage), ..
            } => (usage.timeouts, usage.max_lifetime),
            // Those that its deadlines were made by.
            Step::Renew { lease, .. } if lease.lifetime.is_none() => {
                let absolute = lease.absolute_deadline;
                let timeouts = Timeouts::new(lease.idle_deadline.since(lease.seen))
                    .with_absolute(absolute.map(|absolute| absolute.since(lease.started)));
                (timeouts, None)
            }
            _ => return self.is_live(commit.now),
        };
        let timeouts = self.lease.timeouts(deployment, max_lifetime);
        let today = timeouts.lease(self.lease.started, self.lease.seen);
        self.is_live(commit.now) && today.is_live(commit.now)
    }

    /// Its times, as [`Loaded`](crate::Loaded) and [`Done`](crate::Done) tell them.
    #[must_use]
    #[inline]
    pub fn meta(&self, now: Timestamp) -> Meta {
        let former_id_works = self.former.is_some_and(|(_, until)| now < until);
        Meta::new(self.created, self.lease).with_former_id_works(former_id_works)
    }

    /// Does what a [`Step::Keep`](crate::Step::Keep) says. A use by the current id ends the former one.
    #[inline]
    pub fn keep(&mut self, usage: Option<&Use>, now: Timestamp, by_current_id: bool) {
        let Some(usage) = usage else { return };
        if by_current_id {
            self.former = None;
        }
        if let Some(lease) = self.lease.after_use(usage, now) {
            self.lease = lease;
        }
    }

    /// Does what a [`Step::Renew`](crate::Step::Renew) says of a session that has the id `from`. Returns until when
    /// that works on, if it does.
    pub fn renew(
        &mut self,
        from: Digest,
        lease: Lease,
        former_works_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.lease = lease;
        let until = former_works_until.filter(|until| now < *until);
        self.former = until.map(|until| (from, until));
        until
    }
}

/// What a commit's guards and writes come to, given what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Verdict {
    /// The bytes that each write leaves, in the writes' order; `None` for none.
    Apply(Vec<Option<Bytes>>),
    /// A guard does not hold: what is stored under each guard's field.
    Conflict(Vec<Option<Bytes>>),
}

/// Compares the guards and calculates the additions. `stored` reads a field as it was before the commit.
///
/// A commit with [limits](Commit::limits) asks for [`conflict`] first, then for [`over`], and for [`values`] last: so an
/// addition that fails is not told before a limit that refuses.
///
/// # Errors
/// Those of `stored`, and those of [`Add::apply`](crate::Add::apply).
pub fn judge(
    commit: &Commit<'_>,
    mut stored: impl FnMut(&str) -> Result<Option<Bytes>>,
) -> Result<Verdict> {
    match conflict(commit, &mut stored)? {
        Some(found) => Ok(Verdict::Conflict(found)),
        None => values(commit, stored).map(Verdict::Apply),
    }
}

/// What is stored under each guard's field, if one of the guards does not hold. `stored` reads a field as it was before
/// the commit.
///
/// # Errors
/// Those of `stored`.
pub fn conflict(
    commit: &Commit<'_>,
    mut stored: impl FnMut(&str) -> Result<Option<Bytes>>,
) -> Result<Option<Vec<Option<Bytes>>>> {
    let mut found = Vec::with_capacity(commit.guards.len());
    let mut holds = true;
    for guard in commit.guards {
        let bytes = stored(&guard.field)?;
        holds &= bytes == guard.expected;
        found.push(bytes);
    }
    Ok((!holds).then_some(found))
}

/// The bytes that each write leaves, in the writes' order; `None` for none. `stored` reads a field as it was before the
/// commit.
///
/// # Errors
/// Those of `stored`, and those of [`Add::apply`](crate::Add::apply).
pub fn values(
    commit: &Commit<'_>,
    mut stored: impl FnMut(&str) -> Result<Option<Bytes>>,
) -> Result<Vec<Option<Bytes>>> {
    let value = |write: &Write| {
        Ok(match &write.op {
            Op::Set(bytes) => Some(Bytes::clone(bytes)),
            Op::Remove => None,
            Op::Add { add, .. } => {
                let before = match commit.clear.removes(&write.field) {
                    true => None,
                    false => stored(&write.field)?,
                };
                let sum = add.apply(before.as_deref(), commit.now);
                Some(sum.map_err(|cause| cause.on_field(write.field.clone()))?)
            }
        })
    };
    commit.writes.iter().map(value).collect()
}

/// The sessions that have to end for the commit of the session `current` to keep a limit: those that signed in first.
/// `None` if the limit refuses the commit. `with_entry` are the sessions that live and have the limit's entry, each with
/// its [`Lease::started`]; `current` may be among them.
#[must_use]
pub fn over(
    limit: &Limit,
    current: Digest,
    with_entry: impl IntoIterator<Item = (Timestamp, Digest)>,
) -> Option<Vec<Digest>> {
    let mut others: Vec<_> = with_entry.into_iter().collect();
    let known = others.len();
    others.retain(|(_, id)| *id != current);
    let has_it = others.len() < known;
    let over = (others.len() + 1).saturating_sub(limit.most.max(1));
    match limit.when_full {
        WhenFull::Refuse if over > 0 && !has_it => None,
        WhenFull::Refuse => Some(Vec::new()),
        WhenFull::EndOldest => {
            others.sort_unstable();
            Some(others.into_iter().take(over).map(|(_, id)| id).collect())
        }
    }
}

/// How many fields the commit would leave, if it is refused for the sake of [`Commit::max_fields`]. The session has `len`
/// fields, of which the commit's [`clear`](Commit::clear) leaves `kept`; `has` tells whether it has a field.
///
/// A store that counts only what it must: a commit can be refused only where `max_fields` is given and one of its writes is
/// of a field that is not there.
#[must_use]
pub fn too_many(
    commit: &Commit<'_>,
    len: usize,
    kept: usize,
    has: impl Fn(&str) -> bool,
) -> Option<usize> {
    let most = commit.max_fields?;
    // Not even if all writes were of new fields.
    if kept.saturating_add(commit.writes.len()) <= most {
        return None;
    }
    let (mut left, mut new) = (kept, 0);
    for write in commit.writes {
        let was_there = !commit.clear.removes(&write.field) && has(&write.field);
        match write.op {
            Op::Remove => left -= usize::from(was_there),
            Op::Set(_) | Op::Add { .. } => new += usize::from(!was_there),
        }
    }
    let after = left + new;
    (after > most && after > len).then_some(after)
}

/// The index entry of a field that is there after the write; `stored` tells the one before. An addition leaves it.
#[must_use]
pub fn index_after(write: &Write, stored: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
    match write.op {
        Op::Add { .. } => stored(),
        Op::Set(_) | Op::Remove => write.index.clone(),
    }
}

/// Until when the mark of a session that ended at `at` is kept.
#[must_use]
pub fn remembered_until(at: Timestamp) -> Timestamp {
    at.after(super::ENDED_IS_REMEMBERED)
}

/// The answer to every call of a store that was closed.
#[must_use]
pub fn closed() -> Error {
    Error::new(
        ErrorKind::Store,
        "the store is closed: it was called after `close`",
    )
}

/// The answer to a call with something that this version of a store does not know, such as a step: the contract may
/// grow.
#[must_use]
pub fn unknown(what: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("the store does not support this {what}: upgrade the store"),
    )
}

/// The answer to a listing that begins after a cursor of another store.
#[must_use]
pub fn foreign_cursor() -> Error {
    Error::new(
        ErrorKind::Store,
        "the cursor belongs to another store: start the listing again",
    )
}
