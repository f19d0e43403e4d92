//! The open store: reads sessions and applies commits. Each commit holds the turn of its session.

mod flaws;
mod look;
mod sweep;
mod turn;
mod write;

use super::{
    cache::Large,
    disk::{Disk, Memory},
    gate::{Gate, Patience},
    journal::Superfluous,
    numbers::Numbers,
    record::{Record, Session},
};
use fjall::Database;
use level_session_store::{
    Bytes, Digest, Fields, Loaded, Result, Select, Snapshot, Timestamp, local::Field,
};
use std::sync::{Arc, atomic::Ordering};
use turn::{Stripes, Turn};

/// The database, and its state in memory.
///
/// A session is changed in four steps by the thread that has its turn: read, decide, write one batch, replace the
/// cached session. fjall admits one process, so the turn is enough to make the four steps atomic. During a turn no user
/// code runs, and nothing is awaited. A session that is not cached is read in its turn as well.
///
/// Locks are taken in this order: turns by ascending index, then a stripe's cache, then its large sessions, then the
/// numbers.
pub(super) struct Engine {
    disk: Disk,
    stripes: Stripes,
    numbers: Numbers,
}

impl Engine {
    pub(super) fn open(
        db: Database,
        prefix: &str,
        cache_sessions: usize,
        write_buffer: u64,
        gate: Arc<Gate>,
    ) -> Result<Self> {
        let disk = Disk::open(db, prefix, write_buffer, gate)?;
        let large = Arc::new(Large::new(cache_sessions));
        Ok(Self {
            numbers: Numbers::open(&disk.meta, &disk.place)?,
            stripes: Stripes::new(cache_sessions, &large),
            disk,
        })
    }

    /// Reads a session. Returns `None` if the read may take long and the caller cannot wait.
    pub(super) fn read(
        &self,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
        patience: Patience,
    ) -> Result<Option<Loaded>> {
        let cached = self.stripes.cache(id).look(&id, |session| {
            let fields = session
                .life
                .is_live(now)
                .then(|| in_memory(session, select))?;
            Some(Snapshot::new(session.life.meta(now), fields?))
        });
        if let Some(snapshot) = cached {
            return Ok(Some(Loaded::Live(snapshot)));
        }
        if patience == Patience::Leaves && self.is_at_work() {
            return Ok(None);
        }
        match self.stripes.turn(id, patience) {
            Some(turn) => self.read_from_disk(turn, id, select, now).map(Some),
            None => Ok(None),
        }
    }

    fn read_from_disk(
        &self,
        mut turn: Turn<'_>,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
    ) -> Result<Loaded> {
        let (to, at) = match self.fetch_selected(&mut turn, id, select)? {
            None => return Ok(Loaded::Missing),
            Some(Record::Ended(at)) => return Ok(Loaded::Ended(at)),
            Some(Record::Live(session)) => {
                if !session.life.is_live(now) {
                    return Ok(Loaded::Missing);
                }
                let snapshot = self.snapshot(&mut turn, id, session, select, now, false)?;
                return Ok(Loaded::Live(snapshot));
            }
            Some(Record::Moved { to, at, .. }) => (to, at),
        };
        drop(turn);
        // The record of a former id does not change until the sweeper removes it. So the session's own record
        // determines whether the former id works.
        let mut turn = self.stripes.turn_of(to);
        match self.fetch_selected(&mut turn, to, select)? {
            Some(Record::Live(session)) if session.life.works_by(id, now) => self
                .snapshot(&mut turn, to, session, select, now, true)
                .map(Loaded::Live),
            Some(Record::Live(session)) => {
                turn.put(to, session);
                Ok(Loaded::Ended(at))
            }
            Some(Record::Ended(end) | Record::Moved { at: end, .. }) => {
                Ok(Loaded::Ended(at.max(end)))
            }
            _ => Ok(Loaded::Ended(at)),
        }
    }

    /// Whether reads and writes may have to wait for the database, as far as is known.
    pub(super) fn is_at_work(&self) -> bool {
        self.disk.gate.is_at_work() || self.disk.is_compacting()
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.disk.gate
    }

    /// The record of a digest. For a cached session it is a draft: put it back once it is stored in this form.
    fn fetch(&self, turn: &mut Turn<'_>, id: Digest) -> Result<Option<Record>> {
        if let Some(session) = turn.draft(id) {
            return Ok(Some(Record::Live(session)));
        }
        self.disk.record(id)
    }

    /// Like [`fetch`](Self::fetch), but a session that is not cached may have only the fields with these names.
    fn fetch_part<'n>(
        &self,
        turn: &mut Turn<'_>,
        id: Digest,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Option<Record>> {
        if let Some(session) = turn.draft(id) {
            return Ok(Some(Record::Live(session)));
        }
        let whole = |looks| self.stripes.cache(id).is_worth_it(id, looks);
        self.disk.part(id, names, whole)
    }

    fn fetch_selected(
        &self,
        turn: &mut Turn<'_>,
        id: Digest,
        select: Select<'_>,
    ) -> Result<Option<Record>> {
        match select {
            Select::Nothing => self.fetch_part(turn, id, std::iter::empty()),
            Select::Names(names) => self.fetch_part(turn, id, names.iter().copied()),
            _ => self.fetch(turn, id),
        }
    }

    fn is_known(&self, turn: &mut Turn<'_>, id: Digest) -> Result<bool> {
        let record = self.fetch(turn, id)?;
        let known = record.is_some();
        if let Some(Record::Live(session)) = record {
            turn.put(id, session);
        }
        Ok(known)
    }

    /// The value of a field: nothing is read if the record does not list it.
    fn value(&self, session: &Session, name: &str) -> Result<Option<Bytes>> {
        let field = session.fields.get(name);
        field
            .map(|field| self.bytes(session, field).cloned())
            .transpose()
    }

    fn bytes<'f>(&self, session: &Session, field: &'f Field) -> Result<&'f Bytes> {
        let read = || self.disk.value(session.number, &field.name);
        session.fields.value_or(field, read)
    }

    fn snapshot(
        &self,
        turn: &mut Turn<'_>,
        id: Digest,
        session: Session,
        select: Select<'_>,
        now: Timestamp,
        by_former_id: bool,
    ) -> Result<Snapshot> {
        let fields = match select {
            Select::Nothing => Ok(Fields::nothing()),
            Select::Names(names) => {
                let values = names.iter().map(|name| self.value(&session, name));
                values.collect::<Result<_>>().map(Fields::named)
            }
            _ => {
                let all = session.fields.fields().map(|field| {
                    let value = self.bytes(&session, field)?;
                    Ok((field.name.clone(), Bytes::clone(value)))
                });
                all.collect::<Result<_>>().map(Fields::all)
            }
        };
        let meta = session.life.meta(now);
        // Even if a field could not be read: the others can.
        turn.put(id, session);
        Ok(Snapshot::new(meta, fields?).with_by_former_id(by_former_id))
    }

    /// Makes all earlier writes durable: they survive a power cut.
    pub(super) fn persist(&self) -> Result<()> {
        self.disk.persist()
    }

    /// Makes fjall's threads flush a keyspace's memory to a table. Returns the memory, unless it is empty.
    pub(super) fn rotate(&self, keyspace: usize) -> Result<Option<Memory>> {
        self.disk.rotate(keyspace)
    }

    /// Whether tables are being written or compacted.
    pub(super) fn is_in_upkeep(&self) -> bool {
        self.disk.is_flushing() || self.disk.is_compacting()
    }

    /// Flushes all memory to tables, if the journal is long.
    pub(super) fn flush(&self) -> Result<Option<Superfluous>> {
        self.disk.flush()
    }

    /// The number of fsyncs.
    pub(super) fn syncs(&self) -> u64 {
        self.disk.syncs.load(Ordering::Relaxed)
    }

    /// Whether a write failed in a way after which the database accepts no more.
    pub(super) fn has_failed(&self) -> bool {
        self.disk.has_failed.load(Ordering::Acquire)
    }

    /// Runs a function in the turn of this session.
    #[cfg(test)]
    pub(super) fn hold(&self, id: Digest, work: impl FnOnce()) {
        let _turn = self.stripes.turn_of(id);
        work();
    }

    #[cfg(test)]
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }
}

/// The requested fields, if every requested field that the session has was read before.
fn in_memory(session: &Session, select: Select<'_>) -> Option<Fields> {
    let here = |field: &Field| field.value().is_some();
    match select {
        Select::Nothing => Some(Fields::nothing()),
        Select::Names(names) => names
            .iter()
            .all(|name| session.fields.get(name).is_none_or(here))
            .then(|| session.fields.view().into()),
        _ => {
            let field = |field: &Field| Some((field.name.clone(), field.value()?.clone()));
            session
                .fields
                .fields()
                .map(field)
                .collect::<Option<_>>()
                .map(Fields::all)
        }
    }
}
