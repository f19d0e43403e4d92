//! Finds sessions: by index entry, and page by page.

use super::Engine;
use crate::{
    keys,
    record::{Record, Session},
};
use level_session_store::{Cursor, Digest, Found, Meta, Page, Result, Timestamp, rules};
use std::{ops::Bound, sync::atomic::Ordering};

impl Engine {
    /// A page of the sessions with an index entry. The scan and the check of each session happen at two moments: a
    /// session that was renewed in between is listed under its new id, if that comes later, or not at all.
    pub(crate) fn find(
        &self,
        field: &str,
        entry: &[u8],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Found>> {
        let prefix = keys::index_prefix(field, entry);
        let after = after.map(digest_of).transpose()?;
        let (ids, next) = self.indexed_page(&prefix, after, limit.max(1))?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(meta) = self.look_up(id, field, entry, now)? {
                found.push(Found::new(id, meta));
            }
        }
        Ok(Page::new(found, next))
    }

    pub(crate) fn page(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Digest>> {
        let limit = limit.max(1);
        let after = after.map(digest_of).transpose()?;
        let start = match &after {
            Some(id) => Bound::Excluded(&id.as_bytes()[..]),
            None => Bound::Unbounded,
        };
        let mut page = Vec::new();
        for record in self.disk.meta.range::<&[u8], _>((start, Bound::Unbounded)) {
            let (key, bytes) = record
                .into_inner()
                .map_err(|cause| self.disk.place.error("list the sessions of", cause))?;
            let Some(id) = keys::digest(&key) else {
                continue; // not a session, but the mark of used numbers
            };
            if page.len() == limit {
                let next = page.last().map(cursor);
                return Ok(Page::new(page, next));
            }
            // A damaged session is listed: its load returns the error, and the sessions after it can be listed.
            match self.disk.decode(id, &bytes) {
                Ok(Record::Live(session)) if !session.life.is_live(now) => {}
                Ok(Record::Live(_)) | Err(_) => page.push(id),
                Ok(_) => {}
            }
        }
        Ok(Page::new(page, None))
    }

    /// All digests with an index entry.
    pub(super) fn indexed(&self, field: &str, entry: &[u8]) -> Result<Vec<Digest>> {
        let prefix = keys::index_prefix(field, entry);
        self.indexed_page(&prefix, None, usize::MAX)
            .map(|(ids, _)| ids)
    }

    fn indexed_page(
        &self,
        prefix: &[u8],
        after: Option<Digest>,
        limit: usize,
    ) -> Result<(Vec<Digest>, Option<Cursor>)> {
        let mut start = prefix.to_vec();
        if let Some(after) = after {
            start.extend_from_slice(after.as_bytes());
        }
        let mut ids = Vec::new();
        for key in self.disk.index.range(start..) {
            let key = key
                .key()
                .map_err(|cause| self.disk.place.error("look into the index of", cause))?;
            if !key.starts_with(prefix) {
                break;
            }
            let Some(id) = keys::index_digest(&key, prefix).filter(|id| Some(*id) != after) else {
                continue;
            };
            if ids.len() == limit {
                let next = ids.last().map(cursor);
                return Ok((ids, next));
            }
            ids.push(id);
        }
        Ok((ids, None))
    }

    /// The times of a session, if it is live and has this entry.
    fn look_up(
        &self,
        id: Digest,
        field: &str,
        entry: &[u8],
        now: Timestamp,
    ) -> Result<Option<Meta>> {
        let mut turn = self.stripes.turn_of(id);
        let has = |session: &Session| {
            let index = session
                .fields
                .get(field)
                .and_then(|field| field.index.as_deref());
            index == Some(entry)
        };
        match self.fetch(&mut turn, id)? {
            Some(Record::Live(session)) => {
                let lives = has(&session) && session.life.is_live(now);
                let meta = lives.then(|| session.life.meta(now));
                turn.put(id, session);
                Ok(meta)
            }
            Some(_) => Ok(None),
            None => {
                // Swept in between, or an orphan: missing either way. If the disk accepts no writes, the entry stays,
                // and the look-up succeeds all the same.
                let mut batch = self.disk.batch();
                batch.remove(&self.disk.index, keys::index(field, entry, id));
                if !self.disk.has_failed.load(Ordering::Acquire) {
                    let _ = self.disk.apply(batch);
                }
                Ok(None)
            }
        }
    }
}

fn cursor(id: &Digest) -> Cursor {
    Cursor::new(*id.as_bytes())
}

fn digest_of(cursor: &Cursor) -> Result<Digest> {
    keys::digest(cursor.as_bytes()).ok_or_else(rules::foreign_cursor)
}
