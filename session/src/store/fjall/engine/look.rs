//! Looking for sessions: by index entry, and page by page.

use super::Engine;
use crate::{
    clock::Timestamp,
    error::Result,
    store::{
        Digest, Meta,
        fjall::{
            keys,
            record::{Record, Session},
        },
    },
};
use std::{ops::Bound, sync::atomic::Ordering};

/// How often the index is looked at anew because sessions were renewed or ended in between.
const TRIES: usize = 3;

impl Engine {
    /// Sessions by index entry, oldest first. The scan and the look at each session are two moments: where one has
    /// changed in between, it is looked up anew, for it may live on under another id.
    pub(in super::super) fn find(
        &self,
        field: &str,
        entry: &[u8],
        now: Timestamp,
    ) -> Result<Vec<(Digest, Meta)>> {
        let mut found = Vec::new();
        for _ in 0..TRIES {
            found.clear();
            let mut stable = true;
            for id in self.indexed(field, entry)? {
                match self.look_up(id, field, entry, now)? {
                    Found::Live(meta) => found.push((id, meta)),
                    Found::Expired => {}
                    Found::Changed => stable = false,
                }
            }
            if stable {
                break;
            }
        }
        found.sort_unstable_by_key(|(id, meta)| (meta.created, *id));
        Ok(found)
    }

    pub(in super::super) fn page(
        &self,
        after: Option<Digest>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Digest>> {
        let mut page = Vec::new();
        if limit == 0 {
            return Ok(page);
        }
        let start = match &after {
            Some(id) => Bound::Excluded(&id.as_bytes()[..]),
            None => Bound::Unbounded,
        };
        for record in self.disk.meta.range::<&[u8], _>((start, Bound::Unbounded)) {
            let (key, bytes) = record
                .into_inner()
                .map_err(|cause| self.disk.place.error("list the sessions of", cause))?;
            let Some(id) = keys::digest(&key) else {
                continue; // not a session, but the numbers' mark
            };
            if let Record::Live(session) = self.disk.decode(id, &bytes)?
                && session.life.is_live(now)
            {
                page.push(id);
                if page.len() == limit {
                    break;
                }
            }
        }
        Ok(page)
    }

    fn indexed(&self, field: &str, entry: &[u8]) -> Result<Vec<Digest>> {
        let prefix = keys::index_prefix(field, entry);
        let mut ids = Vec::new();
        for key in self.disk.index.prefix(&prefix) {
            let key = key
                .key()
                .map_err(|cause| self.disk.place.error("look into the index of", cause))?;
            ids.extend(keys::index_digest(&key, &prefix));
        }
        Ok(ids)
    }

    fn look_up(&self, id: Digest, field: &str, entry: &[u8], now: Timestamp) -> Result<Found> {
        let mut cache = self.stripe(id);
        let has = |session: &Session| {
            let index = session
                .fields
                .get(field)
                .and_then(|field| field.index.as_deref());
            index == Some(entry)
        };
        match self.fetch(&mut cache, id)? {
            Some(Record::Live(session)) => {
                let found = match (has(&session), session.life.is_live(now)) {
                    (false, _) => Found::Changed,
                    (true, false) => Found::Expired,
                    (true, true) => Found::Live(session.life.meta(now)),
                };
                cache.put(id, session);
                Ok(found)
            }
            Some(_) => Ok(Found::Changed),
            None => {
                // Swept in between, or an orphan: gone either way. Where the disk takes nothing the entry stays, and the
                // look-up is none the worse.
                let mut batch = self.disk.batch();
                batch.remove(&self.disk.index, keys::index(field, entry, id));
                if !self.disk.has_failed.load(Ordering::Acquire) {
                    let _ = self.disk.apply(batch);
                }
                Ok(Found::Expired)
            }
        }
    }
}

enum Found {
    Live(Meta),
    Expired,
    Changed,
}
