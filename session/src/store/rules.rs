//! What a commit does to one session, as pure functions: for the stores that read, decide and write in this process.

use super::{Bytes, Commit, Guard, Lease, Op, Step, Write};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
};

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
    let result = commit.writes.iter().map(|write| match &write.op {
        Op::Set(bytes) => Ok(Some(Bytes::clone(bytes))),
        Op::Remove => Ok(None),
        Op::Add(add) => {
            let before = if commit.clear {
                None
            } else {
                stored(&write.field)?
            };
            add.apply(before.as_deref(), commit.now)
                .map(Some)
                .map_err(|cause| cause.on_field(write.field.clone()))
        }
    });
    result.collect::<Result<_>>().map(Verdict::Apply)
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

/// The lease that a session has after the commit: one that an earlier use brought is ignored, for its request was
/// overtaken; a renewal starts anew and always counts.
pub(super) fn lease_after(stored: Lease, commit: &Commit<'_>) -> Lease {
    match commit.lease {
        Some(lease) if lease.seen >= stored.seen || matches!(commit.step, Step::Renew { .. }) => {
            lease
        }
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
