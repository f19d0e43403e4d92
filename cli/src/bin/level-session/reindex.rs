//! Entries of an index that was declared after the sessions were made.

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

/// How often a session that others change meanwhile is tried again.
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
        // A store may leave an entry alone that it takes to be there.
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

/// Writes the values of a session again as they are, with their entries; if `anew`, once without them before. The entries;
/// or what cannot be read.
async fn one(store: &Inspected, id: Digest, fields: &[String], anew: bool) -> Result<One> {
    for _ in 0..TRIES {
        let read = match store.read(id, true).await {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(Ok(Vec::new())), // it ended meanwhile
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
    let what = "is changed again and again: try it once more";
    Ok(Err((None, what.to_owned())))
}

/// Writes values as they are, and says whether they were so still.
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
    // It is no use: nobody's session lives longer for it.
    let commit = Commit::new(id, store.now(), Step::keep(None))
        .with_writes(&writes)
        .with_guards(values);
    match store.store().commit(commit).await.map_err(Failure::store)? {
        Outcome::Done(_) => Ok(true),
        _ => Ok(false), // if it has ended, that is seen when it is read again
    }
}
