//! Removes dead sessions.

use super::Engine;
use crate::{keys, record::Record};
use level_session_store::{Digest, Result, Swept, Timestamp};
use std::{ops::Bound, thread, time::Duration};

/// When to examine an unreadable record again: it is left in place for inspection.
const DAMAGED_IS_LEFT: Duration = Duration::from_secs(3600);

/// How long the sweeper yields to commits at a time.
const GIVE_WAY: Duration = Duration::from_micros(200);

impl Engine {
    /// Examines up to `limit` sessions and marks that were due at `now`, and removes those that are dead.
    ///
    /// A refresh does not update `due`, so an entry there may be long past: the record is authoritative, and is read in
    /// the session's turn. A live session gets a new entry with its current deadline. `expired` is called with every
    /// removed session, with no lock held.
    pub(crate) fn sweep(
        &self,
        now: Timestamp,
        limit: usize,
        expired: impl Fn(Digest),
    ) -> Result<Swept> {
        let look = self.disk.swept.begin(now);
        let due = self.due_at(look.from, now, limit)?;
        let mut swept = Swept::new(0, limit > 0 && due.len() == limit);
        let last = due.last().map(|(deadline, _)| *deadline);
        for (deadline, id) in due {
            while self.disk.gate.is_queued() {
                thread::sleep(GIVE_WAY); // a request waits for the lock, and nothing waits for the sweep
            }
            let _turn = self.disk.gate.enter();
            if self.sweep_one(deadline, id, now)? {
                swept.sessions += 1;
                expired(id);
            }
        }
        // Others may have the same deadline as the last one.
        let come_to = if swept.more { last } else { Some(now.next()) };
        if let (Some(come_to), true) = (come_to, limit > 0) {
            self.disk.swept.end(&look, come_to);
        }
        Ok(swept)
    }

    /// Up to `limit` entries from a time on that are due at `now`, in order.
    fn due_at(
        &self,
        from: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Digest)>> {
        let mut due = Vec::new();
        if now < from {
            return Ok(due);
        }
        let start = keys::due_from(from);
        let end = keys::due_after(now);
        let end = match &end {
            Some(end) => Bound::Excluded(&end[..]),
            None => Bound::Unbounded,
        };
        for key in self
            .disk
            .due
            .range::<&[u8], _>((Bound::Included(&start[..]), end))
        {
            if due.len() == limit {
                break;
            }
            let key = key
                .key()
                .map_err(|cause| self.disk.place.error("look for expired sessions in", cause))?;
            due.extend(keys::due_parts(&key)); // a key that is not ours is left alone
        }
        Ok(due)
    }

    /// Whether an expired session was removed.
    fn sweep_one(&self, filed: Timestamp, id: Digest, now: Timestamp) -> Result<bool> {
        let mut turn = self.stripes.turn_of(id);
        let record = match self.fetch(&mut turn, id) {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a session is left unswept"
                );
                let mut batch = self.disk.batch();
                let later = now.after(DAMAGED_IS_LEFT);
                if filed < later {
                    batch.remove(&self.disk.due, keys::due(filed, id));
                    self.disk.stage_due(&mut batch, later, id);
                }
                return self.disk.apply(batch).map(|()| false);
            }
        };
        let mut batch = self.disk.batch();
        batch.remove(&self.disk.due, keys::due(filed, id));
        match record {
            None => self.disk.apply(batch).map(|()| false),
            Some(record) if now < record.deadline() => {
                self.disk.stage_due(&mut batch, record.deadline(), id);
                self.disk.apply(batch)?;
                if let Record::Live(session) = record {
                    turn.put(id, session);
                }
                Ok(false)
            }
            Some(record) => {
                batch.remove(&self.disk.meta, *id.as_bytes());
                if let Record::Live(session) = &record {
                    self.disk.stage_removal(&mut batch, session, id);
                }
                self.disk.apply(batch)?;
                Ok(matches!(record, Record::Live(_)))
            }
        }
    }
}
