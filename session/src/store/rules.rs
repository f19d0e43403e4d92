//! What a commit does to one session, as pure functions: for the stores that read, decide and write in this process.

use super::{Bytes, Commit, Digest, Guard, Lease, Meta, Op, Step, Write};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
};

/// When a session lives, and by which ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) created: Timestamp,
    pub(super) lease: Lease,
    /// The id it had before, and until when that works. This is the truth of it: to end a former id is to forget it
    /// here, and touches no other record. What stays under the former id only says where to look.
    pub(super) former: Option<(Digest, Timestamp)>,
}

impl Life {
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.lease.is_live(now)
    }

    /// Whether it lives and `former` works as an id of it.
    pub(super) fn works_by(&self, former: Digest, now: Timestamp) -> bool {
        let works = |(id, until)| id == former && now < until;
        self.is_live(now) && self.former.is_some_and(works)
    }

    pub(super) fn meta(&self, now: Timestamp) -> Meta {
        Meta {
            created: self.created,
            lease: self.lease,
            former_id_works: self.former.is_some_and(|(_, until)| now < until),
        }
    }

    /// Takes what a [`Step::Keep`] says of the lease; `by_current_id` ends the former one.
    pub(super) fn keep(&mut self, commit: &Commit<'_>, by_current_id: bool) {
        self.lease = lease_after(self.lease, commit);
        if by_current_id && commit.lease.is_some() {
            self.former = None;
        }
    }

    /// Takes what a [`Step::Renew`] says. Returns until when the id that it had works on, if it does.
    pub(super) fn renew(
        &mut self,
        commit: &Commit<'_>,
        former_works_until: Option<Timestamp>,
    ) -> Option<Timestamp> {
        self.lease = lease_after(self.lease, commit);
        let until = former_works_until.filter(|until| commit.now < *until);
        self.former = until.map(|until| (commit.id, until));
        until
    }
}

/// What a commit's guards and writes come to, given what is stored.
pub(super) enum Verdict {
    /// The bytes that each write leaves, in the writes' order; `None` for none.
    Apply(Vec<Option<Bytes>>),
    /// A guard does not hold: what is stored under each guard's field.
    Conflict(Vec<Option<Bytes>>),
}

/// Compares the guards and calculates the additions. `stored` reads a field as it was before the commit.
pub(super) fn judge(
    commit: &Commit<'_>,
    mut stored: impl FnMut(&str) -> Result<Option<Bytes>>,
) -> Result<Verdict> {
    if let Some(found) = conflict(commit.guards, &mut stored)? {
        return Ok(Verdict::Conflict(found));
    }
    let mut result = Vec::with_capacity(commit.writes.len());
    for write in commit.writes {
        result.push(match &write.op {
            Op::Set(bytes) => Some(Bytes::clone(bytes)),
            Op::Remove => None,
            Op::Add(add) => {
                let before = if commit.clear {
                    None
                } else {
                    stored(&write.field)?
                };
                let sum = add.apply(before.as_deref(), commit.now);
                Some(sum.map_err(|cause| cause.on_field(write.field.clone()))?)
            }
        });
    }
    Ok(Verdict::Apply(result))
}

fn conflict(
    guards: &[Guard],
    stored: &mut impl FnMut(&str) -> Result<Option<Bytes>>,
) -> Result<Option<Vec<Option<Bytes>>>> {
    let mut found = Vec::with_capacity(guards.len());
    let mut holds = true;
    for guard in guards {
        let bytes = stored(&guard.field)?;
        holds &= bytes == guard.expected;
        found.push(bytes);
    }
    Ok((!holds).then_some(found))
}

/// The lease that a session has after the commit: one that an earlier use brought, or one that counts from an earlier
/// sign-in, is ignored, for its request was overtaken; a renewal starts anew and always counts.
fn lease_after(stored: Lease, commit: &Commit<'_>) -> Lease {
    match commit.lease {
        Some(lease) if matches!(commit.step, Step::Renew { .. }) => lease,
        Some(lease) if lease.seen >= stored.seen && lease.started >= stored.started => lease,
        _ => stored,
    }
}

/// The index entry of a field that is there after the write; `stored` tells the one before. An addition leaves it.
pub(super) fn index_after(write: &Write, stored: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
    match write.op {
        Op::Add(_) => stored(),
        Op::Set(_) | Op::Remove => write.index.clone(),
    }
}

/// The lease of a commit that must bring one.
pub(super) fn required_lease(commit: &Commit<'_>) -> Result<Lease> {
    commit.lease.ok_or_else(|| {
        Error::new(
            ErrorKind::Store,
            "a commit that creates or renews a session brought no lease: give it the deadlines of the session",
        )
    })
}

/// Until when the mark of a session that ended at `at` is kept.
pub(super) fn remembered_until(at: Timestamp) -> Timestamp {
    at.after(super::ENDED_IS_REMEMBERED)
}

/// The answer to every call of a store that was closed.
pub(super) fn closed() -> Error {
    Error::new(
        ErrorKind::Store,
        "the store is closed: this call came after `close`",
    )
}
