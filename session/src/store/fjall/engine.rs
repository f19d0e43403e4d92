//! The open store: reads a session, and applies a commit, each under the lock of the session's stripe.

mod look;
mod sweep;

use super::{
    cache::Cache,
    fault::{self, Place},
    keys,
    numbers::Numbers,
    record::{Record, Session},
};
use crate::{
    clock::Timestamp,
    error::Result,
    store::{
        Bytes, Commit, Digest, FieldName, Fields, Loaded, Outcome, Select, Snapshot, Step,
        rules::{self, Life, Verdict},
    },
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use std::{
    collections::HashSet,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

const STRIPES: usize = 128;
/// Entries of `due` are written once and removed once. A small memtable hands them to the compaction soon, which is
/// what makes removed ones cheap to step over.
const DUE_MEMTABLE: u64 = 4 * 1024 * 1024;

/// The database and what is kept in memory about it.
///
/// A session is changed in three steps under its stripe's lock: read, judge, write one batch. fjall lets one process
/// in, so the lock is all it takes to make them one. Nothing that a user wrote runs meanwhile, and nothing is awaited.
///
/// Locks are taken in this order: stripes by ascending place, then the numbers.
pub(super) struct Engine {
    db: Database,
    /// Digest -> [`Record`].
    meta: Keyspace,
    /// Number and field -> value.
    data: Keyspace,
    /// Deadline and digest -> nothing.
    due: Keyspace,
    /// Field, entry and digest -> nothing.
    index: Keyspace,
    stripes: Box<[Mutex<Cache>]>,
    numbers: Numbers,
    place: Place,
}

impl Engine {
    pub(super) fn open(db: Database, prefix: &str, cache_sessions: usize) -> Result<Self> {
        let keyspace = |name: &str, options: fn() -> KeyspaceCreateOptions| {
            db.keyspace(&format!("{prefix}.{name}"), options)
                .map_err(|cause| fault::error("open a keyspace of", Path::new(prefix), cause))
        };
        let meta = keyspace("meta", KeyspaceCreateOptions::default)?;
        let place = Place::claim(meta.path())?;
        Ok(Self {
            data: keyspace("data", KeyspaceCreateOptions::default)?,
            due: keyspace("due", || {
                KeyspaceCreateOptions::default().max_memtable_size(DUE_MEMTABLE)
            })?,
            index: keyspace("index", KeyspaceCreateOptions::default)?,
            stripes: (0..STRIPES)
                .map(|_| Mutex::new(Cache::new(cache_sessions.div_ceil(STRIPES))))
                .collect(),
            numbers: Numbers::open(&meta, &place)?,
            meta,
            db,
            place,
        })
    }

    pub(super) fn read(&self, id: Digest, select: Select<'_>, now: Timestamp) -> Result<Loaded> {
        let mut cache = self.stripe(id);
        if let Some(session) = cache.get(&id)
            && session.life.is_live(now)
            && let Some(fields) = in_memory(session, select)
        {
            return Ok(Loaded::Live(Snapshot {
                meta: session.life.meta(now),
                by_former_id: false,
                fields,
            }));
        }
        let (to, at) = match self.fetch(&mut cache, id)? {
            None => return Ok(Loaded::Missing),
            Some(Record::Ended(at)) => return Ok(Loaded::Ended(at)),
            Some(Record::Live(session)) => {
                if !session.life.is_live(now) {
                    return Ok(Loaded::Missing);
                }
                let snapshot = self.snapshot(&mut cache, id, session, select, now, false)?;
                return Ok(Loaded::Live(snapshot));
            }
            Some(Record::Moved { to, at, .. }) => (to, at),
        };
        drop(cache);
        // What stays under a former id never changes until it is swept: the other record tells whether it works.
        let mut cache = self.stripe(to);
        match self.fetch(&mut cache, to)? {
            Some(Record::Live(session)) if session.life.works_by(id, now) => self
                .snapshot(&mut cache, to, session, select, now, true)
                .map(Loaded::Live),
            Some(Record::Live(session)) => {
                cache.put(to, session);
                Ok(Loaded::Ended(at))
            }
            Some(Record::Ended(end)) => Ok(Loaded::Ended(at.max(end))),
            _ => Ok(Loaded::Ended(at)),
        }
    }

    /// Applies a commit. It then survives the end of the process, but not yet that of the machine.
    pub(super) fn write(&self, commit: &Commit<'_>) -> Result<Outcome> {
        match commit.step {
            Step::Create { created } => self.create(commit, created),
            Step::Renew {
                to,
                former_works_until,
            } => self.renew(commit, to, former_works_until),
            Step::Keep | Step::Destroy => self.change(commit),
        }
    }

    /// Makes everything that was written so far durable: it survives a power cut.
    ///
    /// fjall sizes a journal and syncs its directory when it makes one, so that the data is all there is to sync.
    pub(super) fn persist(&self) -> Result<()> {
        self.db
            .persist(PersistMode::SyncData)
            .map_err(|cause| self.place.error("make the last writes durable in", cause))
    }

    fn create(&self, commit: &Commit<'_>, created: Timestamp) -> Result<Outcome> {
        let lease = rules::required_lease(commit)?;
        let mut cache = self.stripe(commit.id);
        if self.is_known(&mut cache, commit.id)? {
            return Ok(Outcome::Exists);
        }
        let values = match rules::judge(commit, |_| Ok(None))? {
            Verdict::Conflict(found) => return Ok(Outcome::Conflict(found)),
            Verdict::Apply(values) => values,
        };
        let mut batch = self.batch();
        let number = self.numbers.take(&self.meta, &mut batch);
        let mut session = Box::new(Session::new(
            *number,
            Life {
                created,
                lease,
                former: None,
            },
        ));
        self.stage_fields(&mut batch, &mut session, commit, values);
        self.stage_index(&mut batch, &[], None, &session, commit.id);
        batch.insert(&self.meta, *commit.id.as_bytes(), session.encode());
        batch.insert(&self.due, keys::due(lease.deadline(), commit.id), []);
        self.apply(batch)?;
        number.stored();
        cache.put(commit.id, session);
        Ok(Outcome::Done)
    }

    fn change(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let mut id = commit.id;
        let mut cache = self.stripe(id);
        let mut record = self.fetch(&mut cache, id)?;
        if let Some(Record::Moved { to, .. }) = record {
            drop(cache);
            id = to;
            cache = self.stripe(id);
            record = self.fetch(&mut cache, id)?;
        }
        let by_current_id = id == commit.id;
        let mut session = match record {
            Some(Record::Live(session)) if by_current_id && session.life.is_live(commit.now) => {
                session
            }
            Some(Record::Live(session)) if session.life.works_by(commit.id, commit.now) => session,
            _ => return Ok(Outcome::Gone),
        };
        let values = match rules::judge(commit, |name| self.value(&mut session, name))? {
            Verdict::Conflict(found) => {
                cache.put(id, session);
                return Ok(Outcome::Conflict(found));
            }
            Verdict::Apply(values) => values,
        };
        let mut batch = self.batch();
        if commit.step == Step::Destroy {
            self.stage_end(&mut batch, &session, id, commit.ended_at);
            self.apply(batch)?;
            return Ok(Outcome::Done);
        }
        let (life, entries) = (session.life, session.index_entries());
        session.life.keep(commit, by_current_id);
        let changed = self.stage_fields(&mut batch, &mut session, commit, values)
            | self.stage_index(&mut batch, &entries, Some(id), &session, id);
        if changed || session.life != life {
            batch.insert(&self.meta, *id.as_bytes(), session.encode());
        }
        // A later deadline is found out by the sweeper when the earlier one has passed; an earlier one is not.
        let deadline = session.life.lease.deadline();
        if deadline < life.lease.deadline() {
            batch.insert(&self.due, keys::due(deadline, id), []);
        }
        self.apply(batch)?;
        cache.put(id, session);
        Ok(Outcome::Done)
    }

    fn renew(
        &self,
        commit: &Commit<'_>,
        to: Digest,
        former_works_until: Option<Timestamp>,
    ) -> Result<Outcome> {
        rules::required_lease(commit)?;
        let mut pair = self.pair(commit.id, to);
        let mut session = match self.fetch(pair.first(), commit.id)? {
            Some(Record::Live(session)) if session.life.is_live(commit.now) => session,
            _ => return Ok(Outcome::Gone),
        };
        if self.is_known(pair.second(), to)? {
            pair.first().put(commit.id, session);
            return Ok(Outcome::Exists);
        }
        let values = match rules::judge(commit, |name| self.value(&mut session, name))? {
            Verdict::Conflict(found) => {
                pair.first().put(commit.id, session);
                return Ok(Outcome::Conflict(found));
            }
            Verdict::Apply(values) => values,
        };
        let mut batch = self.batch();
        let entries = session.index_entries();
        let left = match session.life.renew(commit, former_works_until) {
            None => Record::Ended(commit.ended_at),
            Some(until) => Record::Moved {
                to,
                at: commit.ended_at,
                until,
            },
        };
        self.stage_fields(&mut batch, &mut session, commit, values);
        self.stage_index(&mut batch, &entries, Some(commit.id), &session, to);
        for (id, deadline, bytes) in [
            (commit.id, left.deadline(), left.encode()),
            (to, session.life.lease.deadline(), session.encode()),
        ] {
            batch.insert(&self.meta, *id.as_bytes(), bytes);
            batch.insert(&self.due, keys::due(deadline, id), []);
        }
        self.apply(batch)?;
        pair.second().put(to, session);
        Ok(Outcome::Done)
    }

    /// Puts the changed fields into the batch and the session; whether the record lists others than before, or the
    /// same under other index entries. No key occurs twice in a batch: all of it has one sequence number.
    fn stage_fields(
        &self,
        batch: &mut OwnedWriteBatch,
        session: &mut Session,
        commit: &Commit<'_>,
        values: Vec<Option<Bytes>>,
    ) -> bool {
        let number = session.number;
        let mut changed = false;
        if commit.clear {
            let overwritten: HashSet<&str> = commit.writes.iter().map(|w| &*w.field).collect();
            for field in session.fields_mut() {
                field.index = None;
            }
            session.retain(|field| {
                let stays = overwritten.contains(&*field.name);
                if !stays {
                    batch.remove(&self.data, keys::data(number, &field.name));
                    changed = true;
                }
                stays
            });
        }
        for (write, value) in commit.writes.iter().zip(values) {
            let key = || keys::data(number, &write.field);
            let Some(value) = value else {
                if session.remove(&write.field).is_some() {
                    batch.remove(&self.data, key());
                    changed = true;
                }
                continue;
            };
            let index = rules::index_after(write, || session.field(&write.field)?.index.clone());
            batch.insert(&self.data, key(), &*value);
            changed |= session.set(&write.field, index, value);
        }
        changed
    }

    /// Puts the difference between the index entries before, which led to `from`, and those of the session, which
    /// lead to `to`, into the batch; whether there was one.
    fn stage_index(
        &self,
        batch: &mut OwnedWriteBatch,
        before: &[(FieldName, Bytes)],
        from: Option<Digest>,
        session: &Session,
        to: Digest,
    ) -> bool {
        let after = session.index_entries();
        let stays = from == Some(to);
        let mut changed = false;
        for entry in before
            .iter()
            .filter(|entry| !(stays && after.contains(entry)))
        {
            batch.remove(
                &self.index,
                keys::index(&entry.0, &entry.1, from.unwrap_or(to)),
            );
            changed = true;
        }
        for entry in after
            .iter()
            .filter(|entry| !(stays && before.contains(entry)))
        {
            batch.insert(&self.index, keys::index(&entry.0, &entry.1, to), []);
            changed = true;
        }
        changed
    }

    /// Puts the end of a session at this time into the batch.
    fn stage_end(&self, batch: &mut OwnedWriteBatch, session: &Session, id: Digest, at: Timestamp) {
        self.stage_removal(batch, session, id);
        let ended = Record::Ended(at);
        batch.insert(&self.meta, *id.as_bytes(), ended.encode());
        batch.insert(&self.due, keys::due(ended.deadline(), id), []);
    }

    /// Puts the removal of all fields and index entries into the batch.
    fn stage_removal(&self, batch: &mut OwnedWriteBatch, session: &Session, id: Digest) {
        for field in session.fields() {
            batch.remove(&self.data, keys::data(session.number, &field.name));
            if let Some(entry) = &field.index {
                batch.remove(&self.index, keys::index(&field.name, entry, id));
            }
        }
    }

    /// A batch that is handed to the operating system when it is committed. fjall's own default depends on how the
    /// database was opened, and may leave it in a buffer that dies with the process.
    fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::Buffer))
    }

    fn apply(&self, batch: OwnedWriteBatch) -> Result<()> {
        batch
            .commit()
            .map_err(|cause| self.place.error("write to", cause))
    }

    /// What is known of a digest. A session is taken out of the cache: put it back when it is stored as it is.
    fn fetch(&self, cache: &mut Cache, id: Digest) -> Result<Option<Record>> {
        if let Some(session) = cache.take(&id) {
            return Ok(Some(Record::Live(session)));
        }
        let bytes = self
            .meta
            .get(id.as_bytes())
            .map_err(|cause| self.place.error("read a session from", cause))?;
        bytes.map(|bytes| self.decode(id, &bytes)).transpose()
    }

    fn decode(&self, id: Digest, bytes: &[u8]) -> Result<Record> {
        Record::decode(bytes).map_err(|what| {
            self.place
                .damaged(format!("the record of session {}", id.short()), what)
        })
    }

    fn is_known(&self, cache: &mut Cache, id: Digest) -> Result<bool> {
        let record = self.fetch(cache, id)?;
        let known = record.is_some();
        if let Some(Record::Live(session)) = record {
            cache.put(id, session);
        }
        Ok(known)
    }

    /// What is stored under a field: nothing is read for one that the record does not list.
    fn value(&self, session: &mut Session, name: &str) -> Result<Option<Bytes>> {
        let number = session.number;
        let Some(field) = session.field_mut(name) else {
            return Ok(None);
        };
        if field.value.is_none() {
            field.value = Some(self.stored(number, name)?);
        }
        Ok(field.value.clone())
    }

    fn stored(&self, number: u64, name: &str) -> Result<Bytes> {
        let bytes = self
            .data
            .get(keys::data(number, name))
            .map_err(|cause| self.place.error("read a field from", cause))?;
        let bytes = bytes.ok_or_else(|| {
            let field = FieldName::Shared(name.into());
            self.place
                .damaged(
                    "a field's value".to_owned(),
                    "the record lists it, but it is not there",
                )
                .on(field)
        })?;
        Ok(Bytes::from(&*bytes))
    }

    fn snapshot(
        &self,
        cache: &mut Cache,
        id: Digest,
        mut session: Box<Session>,
        select: Select<'_>,
        now: Timestamp,
        by_former_id: bool,
    ) -> Result<Snapshot> {
        let fields = match select {
            Select::Nothing => Fields::Nothing,
            Select::Names(names) => {
                let values = names.iter().map(|name| self.value(&mut session, name));
                Fields::Named(values.collect::<Result<_>>()?)
            }
            Select::All => {
                let number = session.number;
                let all = session.fields_mut().iter_mut().map(|field| {
                    let value = match &field.value {
                        Some(value) => Bytes::clone(value),
                        None => self.stored(number, &field.name)?,
                    };
                    field.value = Some(Bytes::clone(&value));
                    Ok((field.name.clone(), value))
                });
                Fields::All(all.collect::<Result<_>>()?)
            }
        };
        let meta = session.life.meta(now);
        cache.put(id, session);
        Ok(Snapshot {
            meta,
            by_former_id,
            fields,
        })
    }

    fn stripe(&self, id: Digest) -> MutexGuard<'_, Cache> {
        lock(&self.stripes[place(id)])
    }

    /// Two stripes, locked in the order of their places so that two renewals cannot wait for each other.
    fn pair(&self, first: Digest, second: Digest) -> Pair<'_> {
        let (a, b) = (place(first), place(second));
        if a == b {
            return Pair(lock(&self.stripes[a]), None);
        }
        let low = lock(&self.stripes[a.min(b)]);
        let high = lock(&self.stripes[a.max(b)]);
        match a < b {
            true => Pair(low, Some(high)),
            false => Pair(high, Some(low)),
        }
    }
}

/// Two stripes, which may be one and the same.
struct Pair<'s>(MutexGuard<'s, Cache>, Option<MutexGuard<'s, Cache>>);

impl Pair<'_> {
    fn first(&mut self) -> &mut Cache {
        &mut self.0
    }
    fn second(&mut self) -> &mut Cache {
        self.1.as_deref_mut().unwrap_or(&mut self.0)
    }
}

fn place(id: Digest) -> usize {
    usize::from(id.as_bytes()[0]) % STRIPES
}

/// What is cached is stored: whoever panicked under the lock had taken it out. So a poisoned stripe is whole.
fn lock(stripe: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The fields that are asked for, if all that are present were read before.
fn in_memory(session: &Session, select: Select<'_>) -> Option<Fields> {
    match select {
        Select::Nothing => Some(Fields::Nothing),
        Select::Names(names) => {
            let value = |name: &&str| match session.field(name) {
                None => Some(None),
                Some(field) => field.value.clone().map(Some),
            };
            names
                .iter()
                .map(value)
                .collect::<Option<_>>()
                .map(Fields::Named)
        }
        Select::All => {
            let field =
                |field: &super::record::Field| Some((field.name.clone(), field.value.clone()?));
            session
                .fields()
                .iter()
                .map(field)
                .collect::<Option<_>>()
                .map(Fields::All)
        }
    }
}
