//! Looks for contradictions: sessions that are missing from the index, and keys that are never removed.

use crate::{
    fault,
    keys::EntryHash,
    record::{Record, entries},
    shared::Shared,
};
use level_session_store::{Cursor, Digest, FieldName, Flaw, Page, Result, Timestamp};
use redis::{Cmd, Value, cmd};

const LOOK: &str = "look for flaws of sessions";

/// A session as stored under its key.
#[derive(PartialEq)]
struct Seen {
    record: Value,
    entries: Value,
    /// Whether the key has no time to live.
    stays: bool,
}

impl Shared {
    /// The flaws of a page of sessions. A finding counts only if the session is unchanged afterwards, since other
    /// processes may be changing it.
    pub(crate) async fn flaws(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Flaw>> {
        const STAYS: &str =
            "has no time to live, so its key stays once it has expired: `end` gives it one";
        let page = self.page(after, limit, now).await?;
        let before = self.see(&page.items).await?;
        let mut suspects = Vec::new();
        for (id, seen) in page.items.iter().zip(&before) {
            let (Value::BulkString(h), Value::BulkString(x)) = (&seen.record, &seen.entries) else {
                continue;
            };
            if let Some(Record::Live(_)) = Record::parse(h) {
                let listed = entries(Some(x)).map(|(field, hash)| (*id, field.to_vec(), *hash));
                suspects.extend(listed);
            }
        }
        let indexed = self.are_indexed(&suspects).await?;
        let suspects = suspects.into_iter().zip(indexed);
        let mut flaws: Vec<Flaw> = suspects
            .filter(|(_, indexed)| !indexed)
            .map(|((id, field, _), _)| {
                let field = String::from_utf8_lossy(&field).into_owned();
                Flaw::not_indexed(id, FieldName::from(field))
            })
            .collect();
        for (id, seen) in page.items.iter().zip(&before) {
            let ends = match &seen.record {
                Value::BulkString(h) => match Record::parse(h) {
                    Some(Record::Live(life)) => life.lease.deadline() < Timestamp::MAX,
                    _ => false,
                },
                _ => false,
            };
            if seen.stays && ends {
                flaws.push(Flaw::new(*id, STAYS));
            }
        }
        if !flaws.is_empty() {
            let after = self.see(&page.items).await?;
            let changed: Vec<Digest> = page
                .items
                .iter()
                .zip(before.iter().zip(&after))
                .filter(|(_, (before, after))| before != after)
                .map(|(id, _)| *id)
                .collect();
            flaws.retain(|flaw| !changed.contains(&flaw.id));
        }
        Ok(Page::new(flaws, page.next))
    }

    /// Reads sessions, and whether each key has no time to live.
    async fn see(&self, ids: &[Digest]) -> Result<Vec<Seen>> {
        let reads = ids.iter().flat_map(|id| {
            let (key, home) = (self.keys.session(*id), self.keys.home(*id));
            let (mut read, mut left) = (cmd("HMGET"), cmd("PTTL"));
            read.arg(&key).arg("h").arg("x");
            left.arg(key);
            [(home, read), (home, left)]
        });
        let mut answers = self.ask(reads.collect()).await?.into_iter();
        let mut seen = Vec::with_capacity(ids.len());
        while let (Some(fields), Some(left)) = (answers.next(), answers.next()) {
            let Value::Array(fields) = fields else {
                return Err(fault::unexpected(LOOK, false));
            };
            let [record, entries] =
                <[Value; 2]>::try_from(fields).map_err(|_| fault::unexpected(LOOK, false))?;
            seen.push(Seen {
                record,
                entries,
                stays: left == Value::Int(-1),
            });
        }
        Ok(seen)
    }

    async fn are_indexed(&self, entries: &[(Digest, Vec<u8>, EntryHash)]) -> Result<Vec<bool>> {
        let reads = entries.iter().map(|(id, _, hash)| {
            let home = self.keys.home(*id);
            let mut read = cmd("ZSCORE");
            read.arg(self.keys.index(home, hash)).arg(id.as_bytes());
            (home, read)
        });
        let answers = self.ask(reads.collect()).await?;
        let scores = answers.into_iter();
        Ok(scores.map(|score| score != Value::Nil).collect())
    }

    async fn ask(&self, reads: Vec<(level_session_store::Home, Cmd)>) -> Result<Vec<Value>> {
        match reads.is_empty() {
            true => Ok(Vec::new()),
            false => self.servers.read_all(LOOK, reads).await,
        }
    }
}
