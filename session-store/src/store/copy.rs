//! Copies live sessions from one store to another.

use super::{Commit, Loaded, Select, Snapshot, Step, Store, Write};
use crate::{clock::Timestamp, digest::Digest, error::Result, schema::Schema, value};

/// Copies every session that is live at `now` from one store to another, with its id and its times: nobody is signed out,
/// and no timeout restarts. Sessions that the target already has are left alone. Returns how many were copied.
///
/// The schemas are those of the structs that declare indexed fields; without them, copied sessions are not found by index
/// until they are written.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session_store::Result<()> {
/// use level_session_store::{Clock, MemoryStore, copy};
///
/// # let (from, to) = (MemoryStore::new(), MemoryStore::new());
/// let copied = copy(&from, &to, &[], Clock::system().now()).await?;
/// assert_eq!(copied, 0); // `from` is empty
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`ErrorKind::Store`](crate::ErrorKind::Store) of either store. Sessions that were copied stay copied; call it again.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    schemas: &[&'static Schema],
    now: Timestamp,
) -> Result<usize> {
    const PAGE: usize = 256;
    let mut copied = 0;
    let mut after = None;
    loop {
        let page = from.page(after.as_ref(), PAGE, now).await?;
        for &id in &page.items {
            let Loaded::Live(snapshot) = from.load(id, Select::All, now).await? else {
                continue; // it ended meanwhile
            };
            if copy_one(id, snapshot, to, schemas, now).await? {
                copied += 1;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(copied);
        }
    }
}

/// Creates a session as it is in another store; returns `false` if the target has its id already.
pub(super) async fn copy_one(
    id: Digest,
    snapshot: Snapshot,
    to: &dyn Store,
    schemas: &[&'static Schema],
    now: Timestamp,
) -> Result<bool> {
    let meta = snapshot.meta;
    let fields = snapshot.fields.into_all().unwrap_or_default();
    let mut writes = Vec::with_capacity(fields.len());
    for (field, bytes) in fields {
        let def = schemas.iter().find_map(|schema| schema.find(&field));
        let index = def
            .filter(|def| def.is_index())
            .map(|_| value::index_entry(&bytes))
            .transpose()
            .map_err(|cause| cause.on_field(field.clone()))?;
        writes.push(Write::set(field, bytes).with_index(index));
    }
    let step = Step::create(meta.created, meta.lease);
    let commit = Commit::new(id, now, step).with_writes(&writes);
    Ok(to.commit(commit).await?.is_done())
}
