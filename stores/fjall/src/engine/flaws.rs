//! Looks for records, index entries and deadlines that contradict each other.

use super::Engine;
use crate::{keys, record::Record};
use fjall::{Keyspace, Slice};
use level_session_store::{Cursor, Digest, Flaw, Page, Result, Timestamp, rules};
use std::{collections::BTreeMap, ops::Bound};

/// For how many records at a time the deadlines are checked: `due` is scanned once for each batch.
const AT_ONCE: usize = 100_000;

/// The keyspaces to scan, one after the other, by the first byte of a cursor.
const RECORDS: u8 = 0;
const INDEX: u8 = 1;
const DEADLINES: u8 = 2;

/// A part of a scan, and the key of its end if there may be more.
type Part<T> = (Vec<T>, Option<Slice>);

impl Engine {
    /// A page of the flaws among about `limit` records or index entries. A finding is checked again in the session's
    /// turn, since other threads may change the session.
    pub(crate) fn flaws(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<Flaw>> {
        let limit = limit.max(1);
        let (what, from) = match after.map(|after| after.as_bytes().split_first()) {
            None => (RECORDS, &[][..]),
            Some(Some((what, from))) => (*what, from),
            Some(None) => return Err(rules::foreign_cursor()),
        };
        let (items, last) = match what {
            RECORDS => self.unlisted(from, limit)?,
            INDEX => self.orphans(from, limit)?,
            DEADLINES => self.undue(from, limit.max(AT_ONCE))?,
            _ => return Err(rules::foreign_cursor()),
        };
        let next = match last {
            Some(last) => Some([&[what][..], &last].concat()),
            None => (what < DEADLINES).then(|| vec![what + 1]),
        };
        Ok(Page::new(items, next.map(Cursor::new)))
    }

    /// Up to `limit` entries of a keyspace after a key, and the last of them if there may be more.
    fn entries_after(
        &self,
        keyspace: &Keyspace,
        from: &[u8],
        limit: usize,
    ) -> Result<Part<(Slice, Slice)>> {
        let start = match from {
            [] => Bound::Unbounded,
            from => Bound::Excluded(from),
        };
        let mut entries = Vec::new();
        for entry in keyspace.range::<&[u8], _>((start, Bound::Unbounded)) {
            let entry = entry.into_inner();
            entries.push(entry.map_err(|cause| self.disk.place.error("look through", cause))?);
            if entries.len() == limit {
                let last = entries.last().map(|(key, _)| key.clone());
                return Ok((entries, last));
            }
        }
        Ok((entries, None))
    }

    /// Sessions that are missing from the index although their record has an entry.
    fn unlisted(&self, from: &[u8], limit: usize) -> Result<Part<Flaw>> {
        let (records, last) = self.entries_after(&self.disk.meta, from, limit)?;
        let mut flaws = Vec::new();
        for (key, bytes) in records {
            let Some(id) = keys::digest(&key) else {
                continue; // the mark of used numbers
            };
            // An unreadable record is reported by a load.
            let Ok(Record::Live(session)) = self.disk.decode(id, &bytes) else {
                continue;
            };
            for (field, entry) in session.index_entries() {
                let key = keys::index(&field, &entry, id);
                if self.is_indexed(&key)? {
                    continue;
                }
                let _turn = self.stripes.turn_of(id);
                if self.lists(id, &key)? && !self.is_indexed(&key)? {
                    flaws.push(Flaw::not_indexed(id, field));
                }
            }
        }
        Ok((flaws, last))
    }

    /// Index entries of missing sessions, or of sessions that do not have them.
    fn orphans(&self, from: &[u8], limit: usize) -> Result<Part<Flaw>> {
        const NO_SESSION: &str = "is found in the index, and there is no such session: \
                                  a look-up of its value removes the entry";
        const ENDED: &str = "is found in the index, and has ended: look-ups pass over the entry";
        const OTHER: &str = "is found in the index by an entry that its record does not have: look-ups pass over it";
        let (entries, last) = self.entries_after(&self.disk.index, from, limit)?;
        let mut flaws = Vec::new();
        for (key, _) in entries {
            let Some(id) = key.split_last_chunk::<32>().map(|(_, id)| *id) else {
                continue; // not our key
            };
            let id = Digest::from_bytes(id);
            if self.lists(id, &key).unwrap_or(true) {
                continue; // or it cannot be read, which a load reports
            }
            let _turn = self.stripes.turn_of(id);
            if !self.is_indexed(&key)? {
                continue;
            }
            flaws.extend(match self.disk.record(id)? {
                None => Some(Flaw::new(id, NO_SESSION)),
                Some(Record::Live(_)) => (!self.lists(id, &key)?).then(|| Flaw::new(id, OTHER)),
                Some(_) => Some(Flaw::new(id, ENDED)),
            });
        }
        Ok((flaws, last))
    }

    /// Sessions and marks that the sweeper never examines, or too late. The reverse, a deadline without a record, is no
    /// flaw: a session that ends leaves its first deadline behind, until it has passed.
    fn undue(&self, from: &[u8], limit: usize) -> Result<Part<Flaw>> {
        const NEVER_SWEPT: &str =
            "has no deadline, so it stays on disk once it has expired: `end` removes it";
        let (records, last) = self.entries_after(&self.disk.meta, from, limit)?;
        let deadline = |(key, bytes): (Slice, Slice)| {
            let id = keys::digest(&key)?;
            let record = self.disk.decode(id, &bytes).ok()?;
            Some((id, record.deadline()))
        };
        let mut missing: BTreeMap<Digest, Timestamp> =
            records.into_iter().filter_map(deadline).collect();
        for key in self.disk.due.iter() {
            let key = key.key();
            let key = key.map_err(|cause| self.disk.place.error("look through", cause))?;
            if let Some((at, id)) = keys::due_parts(&key)
                && missing.get(&id).is_some_and(|deadline| at <= *deadline)
            {
                missing.remove(&id);
            }
        }
        let mut flaws = Vec::new();
        for (id, deadline) in missing {
            let _turn = self.stripes.turn_of(id);
            // A session that was changed meanwhile has another deadline, or is gone.
            let still = self
                .disk
                .record(id)
                .is_ok_and(|record| record.is_some_and(|record| record.deadline() == deadline));
            if still {
                flaws.push(Flaw::new(id, NEVER_SWEPT));
            }
        }
        Ok((flaws, last))
    }

    fn is_indexed(&self, key: &[u8]) -> Result<bool> {
        let indexed = self.disk.index.contains_key(key);
        indexed.map_err(|cause| self.disk.place.error("look into the index of", cause))
    }

    /// Whether the record of a session that has not ended has the index entry of this key.
    fn lists(&self, id: Digest, key: &[u8]) -> Result<bool> {
        let Some(Record::Live(session)) = self.disk.record(id)? else {
            return Ok(false);
        };
        let entries = session.index_entries().into_iter();
        Ok(entries
            .map(|(field, entry)| keys::index(&field, &entry, id))
            .any(|listed| listed == key))
    }
}
