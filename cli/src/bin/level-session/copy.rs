//! Copies all sessions from one store to another.

use crate::{
    out::{Failure, Out, Progress, Result},
    store::{Inspected, Read, handle},
};
use level_session::{
    store::{Commit, Digest, Outcome, Step, Write},
    value::index_entry,
};

/// Sessions keep their ids and times. Sessions that the target already knows are left alone, and unreadable sessions are
/// reported.
pub(crate) async fn copy(
    from: &Inspected,
    to: &Inspected,
    indexes: &[String],
    out: &mut Out,
) -> Result<bool> {
    let of = from.sessions.count().await.map_err(Failure::of)?;
    let mut progress = Progress::new("copied", of);
    let (mut done, mut copied, mut known, mut failed) = (0, 0, 0, 0);
    let mut after = None;
    loop {
        let page = from.page(after.as_ref()).await?;
        for (id, read) in from.read_page(&page.items, true).await? {
            done += 1;
            match read {
                Ok(None) => {} // the session has ended in the meantime
                Ok(Some(read)) => match one(id, read, to, indexes).await? {
                    true => copied += 1,
                    false => known += 1,
                },
                Err(error) => {
                    failed += 1;
                    out.unreadable(handle(id), &error)?;
                }
            }
        }
        progress.at(done);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    drop(progress);
    out.summary(&[
        ("copied", copied),
        ("left alone", known),
        ("failed", failed),
    ])?;
    Ok(failed == 0)
}

/// Copies a session. Returns `false` if the target already knows its id.
async fn one(id: Digest, read: Read, to: &Inspected, indexes: &[String]) -> Result<bool> {
    let writes = read.fields.into_iter().map(|(name, bytes)| {
        let is_index = indexes.iter().any(|index| **index == *name);
        // A damaged value is copied unchanged, without an index entry.
        let entry = index_entry(&bytes).ok().filter(|_| is_index);
        Write::set(name, bytes).with_index(entry)
    });
    let writes: Vec<_> = writes.collect();
    let step = Step::create(read.meta.created, read.meta.lease);
    let commit = Commit::new(id, to.now(), step).with_writes(&writes);
    match to.store().commit(commit).await.map_err(Failure::store)? {
        Outcome::Done(_) => Ok(true),
        Outcome::Exists => Ok(false),
        _ => Err(Failure::of("the target store rejected a session")),
    }
}
