//! The open store: reads a session, and applies a commit, each under the lock of the session's stripe.

mod flaws;
mod look;
mod sweep;
mod write;

use super::{
    cache::{Cache, Large},
    disk::Disk,
    gate::{self, Gate, Patience},
    journal::Superfluous,
    numbers::Numbers,
    record::{Record, Session},
};
use fjall::Database;
use level_session_store::{
    Bytes, Digest, Fields, Loaded, Result, Select, Snapshot, Timestamp, local::Field,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering};

const STRIPES: usize = 128;

/// The database, and its state in memory.
///
/// A session is changed in three steps under its stripe's lock: read, decide, write one batch. fjall admits one
/// process, so the lock is enough to make them atomic. No user code runs meanwhile, and nothing is awaited.
///
/// Locks are taken in this order: stripes by ascending index, then the large sessions of the cache, then the numbers.
pub(super) struct Engine {
    disk: Disk,
    stripes: Box<[Mutex<Cache>]>,
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
        let each = cache_sessions.div_ceil(STRIPES);
        Ok(Self {
            numbers: Numbers::open(&disk.meta, &disk.place)?,
            stripes: (0..STRIPES)
                .map(|_| Mutex::new(Cache::new(each, Arc::clone(&large))))
                .collect(),
            disk,
        })
    }

    /// `None` if it may take long and the caller cannot wait.
    pub(super) fn read(
        &self,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
        patience: Patience,
    ) -> Result<Option<Loaded>> {
        let Some(stripe) = gate::lock(&self.stripes[place(id)], patience) else {
            return Ok(None);
        };
        let mut stripes = Locked::One(stripe);
        let cached = stripes.of(id).look(&id, |session| {
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
        self.read_from_disk(stripes, id, select, now).map(Some)
    }

    fn read_from_disk(
        &self,
        mut stripes: Locked<'_>,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
    ) -> Result<Loaded> {
        let (to, at) = match self.fetch_selected(&mut stripes, id, select)? {
            None => return Ok(Loaded::Missing),
            Some(Record::Ended(at)) => return Ok(Loaded::Ended(at)),
            Some(Record::Live(session)) => {
                if !session.life.is_live(now) {
                    return Ok(Loaded::Missing);
                }
                let snapshot = self.snapshot(stripes.of(id), id, session, select, now, false)?;
                return Ok(Loaded::Live(snapshot));
            }
            Some(Record::Moved { to, at, .. }) => (to, at),
        };
        drop(stripes);
        // The record of a former id does not change until it is swept: the session's own record determines whether it
        // works.
        let mut stripes = self.stripe(to);
        match self.fetch_selected(&mut stripes, to, select)? {
            Some(Record::Live(session)) if session.life.works_by(id, now) => self
                .snapshot(stripes.of(to), to, session, select, now, true)
                .map(Loaded::Live),
            Some(Record::Live(session)) => {
                stripes.of(to).put(to, session);
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

    /// The state of a digest. A session is taken out of the cache: put it back once it is stored in this form.
    fn fetch(&self, stripes: &mut Locked<'_>, id: Digest) -> Result<Option<Record>> {
        if let Some(session) = stripes.of(id).take(&id) {
            return Ok(Some(Record::Live(session)));
        }
        self.disk.record(id)
    }

    /// Like [`fetch`](Self::fetch), but a session that is not cached may have only the fields with these names.
    fn fetch_part<'n>(
        &self,
        stripes: &mut Locked<'_>,
        id: Digest,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Option<Record>> {
        let cache = stripes.of(id);
        if let Some(session) = cache.take(&id) {
            return Ok(Some(Record::Live(session)));
        }
        self.disk
            .part(id, names, |looks| cache.is_worth_it(id, looks))
    }

    fn fetch_selected(
        &self,
        stripes: &mut Locked<'_>,
        id: Digest,
        select: Select<'_>,
    ) -> Result<Option<Record>> {
        match select {
            Select::Nothing => self.fetch_part(stripes, id, std::iter::empty()),
            Select::Names(names) => self.fetch_part(stripes, id, names.iter().copied()),
            _ => self.fetch(stripes, id),
        }
    }

    fn is_known(&self, stripes: &mut Locked<'_>, id: Digest) -> Result<bool> {
        let record = self.fetch(stripes, id)?;
        let known = record.is_some();
        if let Some(Record::Live(session)) = record {
            stripes.of(id).put(id, session);
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
        cache: &mut Cache,
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
        cache.put(id, session);
        Ok(Snapshot::new(meta, fields?).with_by_former_id(by_former_id))
    }

    /// Makes all earlier writes durable: they survive a power cut.
    pub(super) fn persist(&self) -> Result<()> {
        self.disk.persist()
    }

    /// Makes fjall's threads flush a keyspace's memory to a table.
    pub(super) fn rotate(&self, keyspace: usize) -> Result<()> {
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

    /// Runs a function under the lock of this session.
    #[cfg(test)]
    pub(super) fn hold(&self, id: Digest, work: impl FnOnce()) {
        let _stripe = self.stripe(id);
        work();
    }

    #[cfg(test)]
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    fn stripe(&self, id: Digest) -> Locked<'_> {
        Locked::One(lock(&self.stripes[place(id)]))
    }

    /// Locks two stripes in the order of their indexes, so that two renewals cannot deadlock.
    fn pair(&self, first: Digest, second: Digest, patience: Patience) -> Option<Locked<'_>> {
        let (a, b) = (place(first), place(second));
        let lock = |place: usize| gate::lock(&self.stripes[place], patience);
        if a == b {
            return lock(a).map(Locked::One);
        }
        let low = lock(a.min(b))?;
        let high = lock(a.max(b))?;
        Some(Locked::Two(a.min(b), low, high))
    }

    /// Releases one stripe and locks the stripe of another session, unless all of them are locked.
    fn lock_instead<'s>(&'s self, stripes: &mut Locked<'s>, id: Digest) {
        if let Locked::One(_) = stripes {
            *stripes = Locked::All(Vec::new()); // releases the lock
            *stripes = self.stripe(id);
        }
    }

    /// All stripes, in their order.
    fn all(&self, patience: Patience) -> Option<Locked<'_>> {
        let stripes = self.stripes.iter();
        let locked = stripes.map(|stripe| gate::lock(stripe, patience));
        locked.collect::<Option<_>>().map(Locked::All)
    }
}

/// The locked stripes of a call.
enum Locked<'s> {
    One(MutexGuard<'s, Cache>),
    /// With the index of the first one.
    Two(usize, MutexGuard<'s, Cache>, MutexGuard<'s, Cache>),
    All(Vec<MutexGuard<'s, Cache>>),
}

impl Locked<'_> {
    fn of(&mut self, id: Digest) -> &mut Cache {
        match self {
            Self::One(stripe) => stripe,
            Self::Two(low, stripe, _) if place(id) == *low => stripe,
            Self::Two(_, _, stripe) => stripe,
            Self::All(stripes) => &mut stripes[place(id)],
        }
    }
}

fn place(id: Digest) -> usize {
    usize::from(id.as_bytes()[0]) % STRIPES
}

/// A cached session is stored: a thread that panicked under the lock had taken its session out. So a poisoned stripe is
/// consistent.
fn lock(stripe: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The requested fields, if all of them that are present were read before.
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
