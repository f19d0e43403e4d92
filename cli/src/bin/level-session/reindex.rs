//! Creates the entries of an index that was declared after the sessions were created.

use crate::{
    out::{Failure, Out, Progress, Result, told},
    store::{Inspected, handle},
};
use level_session::{
    FieldName,
    store::{Bytes, Commit, Digest, Guard, Outcome, Step, Write},
    value::index_entry,
};
use std::collections::{BTreeMap, BTreeSet};

/// The maximum number of attempts for a session that other requests are changing.
const TRIES: usize = 16;

pub(crate) async fn reindex(store: &Inspected, fields: &[String], out: &mut Out) -> Result<bool> {
    let (mut sessions, mut indexed, mut failed) = (0, 0, 0);
    let mut progress = Progress::new("indexed", 0);
    let mut after = None;
    loop {
        let page = store.page(after.as_ref()).await?;
        let mut written: BTreeMap<Entry, BTreeSet<Digest>> = BTreeMap::new();
        for id in page.items {
            match one(store, id, fields, false).await? {
                Ok(entries) => {
                    indexed += entries.len() as u64;
                    for entry in entries {
                        written.entry(entry).or_default().insert(id);
                    }
                }
                Err((field, what)) => {
                    failed += 1;
                    out.finding(handle(id), field.as_deref(), &what)?;
                }
            }
            sessions += 1;
        }
        // A store may skip an entry that it assumes to exist: remove and add it.
        for ((field, entry), ids) in written {
            for id in store.missing(&field, &entry, ids).await? {
                if let Err((field, what)) = one(store, id, fields, true).await? {
                    failed += 1;
                    out.finding(handle(id), field.as_deref(), &what)?;
                }
            }
        }
        progress.at(sessions);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    drop(progress);
    let counts = [
        ("sessions", sessions),
        ("entries", indexed),
        ("failed", failed),
    ];
    out.summary(&counts)?;
    Ok(failed == 0)
}

type Entry = (FieldName, Bytes);
type One = std::result::Result<Vec<Entry>, (Option<String>, String)>;

/// Rewrites the values of a session unchanged, with their index entries. If `anew`, first rewrites them without entries.
/// Returns the entries, or the field that cannot be read and why.
async fn one(store: &Inspected, id: Digest, fields: &[String], anew: bool) -> Result<One> {
    for _ in 0..TRIES {
        let read = match store.read(id, true).await {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(Ok(Vec::new())), // the session has ended in the meantime
            Err(error) => {
                store.must_answer().await?;
                return Ok(Err(told(&error)));
            }
        };
        let (mut entries, mut guards) = (Vec::new(), Vec::new());
        for (name, bytes) in read.fields {
            if !fields.iter().any(|field| **field == *name) {
                continue;
            }
            match index_entry(&bytes) {
                Ok(entry) => {
                    entries.push((name.clone(), entry));
                    guards.push(Guard::new(name, Some(bytes)));
                }
                Err(cause) => return Ok(Err((Some(name.to_string()), cause.to_string()))),
            }
        }
        if entries.is_empty() {
            return Ok(Ok(entries));
        }
        if anew && !write(store, id, &guards, None).await? {
            continue;
        }
        if write(store, id, &guards, Some(&entries)).await? {
            return Ok(Ok(entries));
        }
    }
    let what = "could not be indexed, since other requests kept changing it; run `reindex` again";
    Ok(Err((None, what.to_owned())))
}

/// Rewrites values unchanged. Returns whether they still were the stored values.
async fn write(
    store: &Inspected,
    id: Digest,
    values: &[Guard],
    entries: Option<&[Entry]>,
) -> Result<bool> {
    let writes = values.iter().enumerate().filter_map(|(at, value)| {
        let entry = entries.and_then(|entries| entries.get(at));
        let write = Write::set(value.field.clone(), value.expected.clone()?);
        Some(write.with_index(entry.map(|(_, entry)| entry.clone())))
    });
    let writes: Vec<_> = writes.collect();
    // This does not count as a use, so it does not extend the session's lifetime.
    let commit = Commit::new(id, store.now(), Step::keep(None))
        .with_writes(&writes)
        .with_guards(values);
    match store.store().commit(commit).await.map_err(Failure::store)? {
        Outcome::Done(_) => Ok(true),
        _ => Ok(false), // if the session has ended, the next read returns `None`
    }
}
