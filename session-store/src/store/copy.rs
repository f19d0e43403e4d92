//! Live sessions from one store to another.

use super::{Commit, Loaded, Select, Snapshot, Step, Store, Write};
use crate::{clock::Timestamp, digest::Digest, error::Result, schema::Schema, value};

/// Copies every session that lives at `now` from one store to another, under the ids and with the times that they have:
/// nobody is signed out, and nobody's timeouts start anew. Sessions that the target knows already are left alone.
/// Returns how many were copied.
///
/// Index entries need the schemas of the structs that declare them.
///
/// # Errors
/// [`ErrorKind::Store`](crate::ErrorKind::Store) of either store; what was copied before stays copied, and the call
/// can be repeated.
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

/// Creates a session as it stands in another store; `false` if the target knows its id already.
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
