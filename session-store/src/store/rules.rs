//! The effect of a commit on one session, as pure functions: for stores that read, decide and write in one place.

use super::{Commit, Lease, Limit, Meta, Op, Step, Timeouts, Use, WhenFull, Write};
use crate::{
    bytes::Bytes,
    clock::Timestamp,
    digest::Digest,
    error::{Error, ErrorKind, Result},
};

/// How long a session lives, and under which ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a store persists all of it")]
pub struct Life {
    /// When it was created.
    pub created: Timestamp,
    /// Its deadlines.
    pub lease: Lease,
    /// Its previous id, and the moment until which that id works. Clearing this field ends the former id: the record
    /// under the former id only says where the session is.
    pub former: Option<(Digest, Timestamp)>,
}

impl Life {
    /// Whether it is live at `now`.
    #[must_use]
    #[inline]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.lease.is_live(now)
    }

    /// Whether it is live and `former` works as an id of it.
    #[must_use]
    #[inline]
    pub fn works_by(&self, former: Digest, now: Timestamp) -> bool {
        let works = |(id, until)| id == former && now < until;
        self.is_live(now) && self.former.is_some_and(works)
    }

    /// Whether it is live for a commit: at [`Commit::now`] by its deadlines, and by the timeouts of the committing
    /// deployment. Shortened timeouts take effect at once (requirement L15); without this check, a commit that is sent
    /// before its session was loaded could revive a session that has outlived them.
    #[must_use]
    #[inline]
    pub fn is_live_for(&self, commit: &Commit<'_>) -> bool {
        let (deployment, max_lifetime) = match commit.step {
            Step::Keep {
                usage: Some(usage), ..
            } => (usage.timeouts, usage.max_lifetime),
            // The timeouts that its deadlines were calculated with.
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

    /// Its times, as returned in [`Loaded`](crate::Loaded) and [`Done`](crate::Done).
    #[must_use]
    #[inline]
    pub fn meta(&self, now: Timestamp) -> Meta {
        let former_id_works = self.former.is_some_and(|(_, until)| now < until);
        Meta::new(self.created, self.lease).with_former_id_works(former_id_works)
    }

    /// Applies a [`Step::Keep`](crate::Step::Keep). A use by the current id ends the former one.
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

    /// Applies a [`Step::Renew`](crate::Step::Renew) to a session that has the id `from`. Returns the moment until
    /// which `from` still works, if it does.
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

/// The result of a commit's guards and writes on the stored fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are exactly two outcomes")]
pub enum Verdict {
    /// The resulting bytes of each write, in the writes' order; `None` for a removed field.
    Apply(Vec<Option<Bytes>>),
    /// A guard does not hold: the stored value of each guard's field.
    Conflict(Vec<Option<Bytes>>),
}

/// Checks the guards and calculates the additions. `stored` reads a field as it was before the commit.
///
/// For a commit with [limits](Commit::limits), call [`conflict`] first, then [`over`], and [`values`] last, so that the
/// error of an addition does not take precedence over a limit that refuses.
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

/// The stored value of each guard's field, if one of the guards does not hold. `stored` reads a field as it was before
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

/// The resulting bytes of each write, in the writes' order; `None` for a removed field. `stored` reads a field as it
/// was before the commit.
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

/// The sessions that have to end so that the commit of the session `current` satisfies a limit: the first to sign in.
/// `None` if the limit refuses the commit. `with_entry` are the live sessions with the limit's entry, each with its
/// [`Lease::started`]; it may include `current`.
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

/// The number of fields that the commit would leave, if it exceeds [`Commit::max_fields`]. The session has `len`
/// fields, of which the commit's [`clear`](Commit::clear) leaves `kept`; `has` returns whether it has a field.
///
/// A store can skip the count unless `max_fields` is set and one of the writes is of a field that is absent: only such
/// a commit can be refused.
#[must_use]
pub fn too_many(
    commit: &Commit<'_>,
    len: usize,
    kept: usize,
    has: impl Fn(&str) -> bool,
) -> Option<usize> {
    let most = commit.max_fields?;
    // Within the maximum even if all writes were of new fields.
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

/// The index entry of a field after the write, if the field is present then; `stored` returns the previous entry. An
/// addition keeps it.
#[must_use]
pub fn index_after(write: &Write, stored: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
    match write.op {
        Op::Add { .. } => stored(),
        Op::Set(_) | Op::Remove => write.index.clone(),
    }
}

/// The moment until which the mark of a session that ended at `at` is kept.
#[must_use]
pub fn remembered_until(at: Timestamp) -> Timestamp {
    at.after(super::ENDED_IS_REMEMBERED)
}

/// The error of every call of a closed store.
#[must_use]
pub fn closed() -> Error {
    Error::new(
        ErrorKind::Store,
        "the store is closed: it was called after `close`",
    )
}

/// The error of a call with a variant that this version of a store does not know, such as a new step: the contract may
/// grow.
#[must_use]
pub fn unknown(what: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("the store does not support this {what}: upgrade the store"),
    )
}

/// The error of a listing that starts after another store's cursor.
#[must_use]
pub fn foreign_cursor() -> Error {
    Error::new(
        ErrorKind::Store,
        "the cursor belongs to another store: start the listing from the beginning",
    )
}
