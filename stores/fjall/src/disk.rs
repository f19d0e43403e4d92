//! The four keyspaces: reads from them, and the batch of a change.

use super::{
    batch::Batch,
    due::Due,
    fault::{self, Place},
    gate::Gate,
    journal::{self, Superfluous},
    keys,
    record::{Outline, Record, Session},
};
use fjall::{
    AbstractTree as _, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Slice,
    config::PartitioningPolicy,
};
use level_session_store::{
    Bytes, Clear, Commit, Digest, Error, FieldName, Result, Timestamp, rules,
};
use std::{
    any::Any,
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Entries of `due` and `index` are written once and removed once. A small write buffer makes them reach compaction
/// soon, so that stepping over removed entries is cheap.
const SHORT_LIVED_BUFFER: u64 = 4 * 1024 * 1024;

/// Our keyspaces, in the order in which they are created.
const NAMES: [&str; KEYSPACES] = ["meta", "data", "due", "index"];

/// The number of our keyspaces.
pub(super) const KEYSPACES: usize = 4;

/// How long a close waits at most for tables to be written.
const FLUSH_PATIENCE: Duration = Duration::from_secs(30);
const FLUSH_STEP: Duration = Duration::from_millis(2);

/// A reference to memory of fjall, which is freed with the last one.
pub(super) type Memory = Arc<dyn Any + Send + Sync>;

/// The database, and our keyspaces in it.
pub(super) struct Disk {
    db: Database,
    /// Digest -> [`Record`].
    pub(super) meta: Keyspace,
    /// Number and field -> value.
    pub(super) data: Keyspace,
    /// Deadline and digest -> nothing.
    pub(super) due: Keyspace,
    /// Up to where `due` is empty.
    pub(super) swept: Due,
    /// Field, entry and digest -> nothing.
    pub(super) index: Keyspace,
    pub(super) place: Place,
    pub(super) gate: Arc<Gate>,
    /// The number of fsyncs.
    pub(super) syncs: Arc<AtomicU64>,
    /// Whether a write failed, so that the database accepts no more writes. Failed reads do not count.
    pub(super) has_failed: AtomicBool,
    #[cfg(test)]
    pub(super) faults: super::tests::Faults,
}

/// Which of our keyspaces a database does not have.
enum Missing {
    /// None, or all: it is complete, or new.
    Nothing,
    /// From this one on: an interrupted creation, or a loss.
    Last(&'static str),
    /// This one, although a later one exists.
    Lost(&'static str),
}

/// fjall removes a keyspace whose manifest is missing, as the remains of an interrupted creation, and would create it
/// again, empty.
fn missing(db: &Database, prefix: &str) -> Missing {
    let exists = |name: &&str| db.keyspace_exists(&format!("{prefix}.{name}"));
    let Some(first) = NAMES.iter().position(|name| !exists(name)) else {
        return Missing::Nothing;
    };
    match (first, NAMES[first..].iter().any(exists)) {
        (_, true) => Missing::Lost(NAMES[first]),
        (0, false) => Missing::Nothing,
        (_, false) => Missing::Last(NAMES[first]),
    }
}

fn options(name: &str, buffer: u64) -> KeyspaceCreateOptions {
    // In partitions, so that the block cache bounds their memory. fjall keeps whole ones in memory with each new table,
    // and for as long as it does not rewrite the table: 22 MiB for a million sessions.
    let options = KeyspaceCreateOptions::default()
        .max_memtable_size(buffer)
        .index_block_partitioning_policy(PartitioningPolicy::all(true))
        .filter_block_partitioning_policy(PartitioningPolicy::all(true));
    match name {
        "data" => options.expect_point_read_hits(true), // only values that a record lists are read
        _ => options,
    }
}

impl Disk {
    /// `write_buffer` applies to keyspaces that are created now: fjall keeps the value that a keyspace was created
    /// with.
    pub(super) fn open(
        db: Database,
        prefix: &str,
        write_buffer: u64,
        gate: Arc<Gate>,
    ) -> Result<Self> {
        let missing = missing(&db, prefix);
        let keyspace = |name: &str, buffer: u64| {
            let options = || options(name, buffer);
            let name = format!("{prefix}.{name}");
            db.keyspace(&name, options)
                .map_err(|cause| fault::keyspace(&name, cause))
        };
        let short_lived = write_buffer.min(SHORT_LIVED_BUFFER);
        if let Missing::Lost(name) = missing {
            return Err(fault::lost(&format!("{prefix}.{name}")));
        }
        let meta = keyspace(NAMES[0], write_buffer)?;
        let place = Place::claim(meta.path())?;
        if let Missing::Last(name) = missing {
            // An interrupted creation has left no session.
            let is_empty = meta.is_empty();
            if !is_empty.map_err(|cause| place.error("read a session from", cause))? {
                return Err(fault::lost(&format!("{prefix}.{name}")));
            }
        }
        Ok(Self {
            data: keyspace(NAMES[1], write_buffer)?,
            due: keyspace(NAMES[2], short_lived)?,
            index: keyspace(NAMES[3], short_lived)?,
            meta,
            swept: Due::default(),
            db,
            place,
            gate,
            syncs: Arc::default(),
            has_failed: AtomicBool::new(false),
            #[cfg(test)]
            faults: super::tests::Faults::default(),
        })
    }

    pub(super) fn record(&self, id: Digest) -> Result<Option<Record>> {
        let bytes = self.bytes(id)?;
        bytes.map(|bytes| self.decode(id, &bytes)).transpose()
    }

    /// Like [`record`](Self::record), but a session with many fields has only the fields with these names, unless
    /// reading it whole, which takes as long as this many partial reads, is worth it.
    pub(super) fn part<'n>(
        &self,
        id: Digest,
        names: impl Iterator<Item = &'n str>,
        is_worth_it: impl FnOnce(usize) -> bool,
    ) -> Result<Option<Record>> {
        let Some(bytes) = self.bytes(id)? else {
            return Ok(None);
        };
        let damaged = |what| self.damaged(id, what);
        match Outline::of(&bytes).map_err(damaged)? {
            Some(outline) if !is_worth_it(outline.looks()) => {
                let part = outline.part(&bytes, names).map_err(damaged)?;
                Ok(Some(Record::Live(part)))
            }
            _ => self.decode(id, &bytes).map(Some),
        }
    }

    fn bytes(&self, id: Digest) -> Result<Option<Slice>> {
        self.meta
            .get(id.as_bytes())
            .map_err(|cause| self.place.error("read a session from", cause))
    }

    pub(super) fn decode(&self, id: Digest, bytes: &[u8]) -> Result<Record> {
        Record::decode(bytes).map_err(|what| self.damaged(id, what))
    }

    fn damaged(&self, id: Digest, what: &'static str) -> Error {
        self.place
            .damaged(format!("the record of session {}", id.short()), what)
    }

    /// The value of a field that the record lists: if it is absent, the database is damaged.
    pub(super) fn value(&self, number: u64, name: &str) -> Result<Bytes> {
        let bytes = self
            .data
            .get(&*keys::data(number, name))
            .map_err(|cause| self.place.error("read a field from", cause))?;
        let bytes = bytes.ok_or_else(|| {
            let field = FieldName::from(name.to_owned());
            self.place
                .damaged(
                    "a field's value".to_owned(),
                    "the record lists it, but it is not there",
                )
                .on(field)
        })?;
        Ok(Bytes::from(&*bytes))
    }

    /// Makes all earlier writes durable: they survive a power cut.
    ///
    /// fjall allocates a journal and syncs its directory when it creates one, so only the data remains to be synced.
    pub(super) fn persist(&self) -> Result<()> {
        let persisted = self.db.persist(PersistMode::SyncData);
        #[cfg(test)]
        let persisted = persisted.and_then(|()| self.faults.sync());
        persisted.map_err(|cause| self.failed("make the last writes durable in", cause))?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn keyspaces(&self) -> [&Keyspace; KEYSPACES] {
        [&self.data, &self.meta, &self.due, &self.index]
    }

    /// Makes fjall's threads flush a keyspace's memory to a table. Returns the memory, unless it is empty.
    pub(super) fn rotate(&self, keyspace: usize) -> Result<Option<Memory>> {
        let memory = self.memory(keyspace);
        let rotated = self.keyspaces()[keyspace]
            .rotate_memtable()
            .map_err(|cause| self.failed("write the tables of", cause))?;
        Ok(rotated.then_some(memory))
    }

    /// The memory of a keyspace's recent writes.
    pub(super) fn memory(&self, keyspace: usize) -> Memory {
        self.keyspaces()[keyspace].tree.active_memtable()
    }

    /// Whether tables are being written.
    pub(super) fn is_flushing(&self) -> bool {
        let flushes = |keyspace: &Keyspace| keyspace.sealed_memtable_count() > 0;
        self.keyspaces().into_iter().any(flushes)
    }

    /// Whether fjall compacts tables, and may hold its locks for that.
    pub(super) fn is_compacting(&self) -> bool {
        self.db.active_compactions() > 0
    }

    /// Flushes the memory of every keyspace of the database to tables, so that the next start need not read it from the
    /// journal, which is superfluous then. No thread may write meanwhile. Does nothing if the journal is short.
    pub(super) fn flush(&self) -> Result<Option<Superfluous>> {
        let flush = || -> fjall::Result<bool> {
            let names = self.db.list_keyspace_names();
            let keyspaces: Vec<_> = names
                .iter()
                .map(|name| self.db.keyspace(name, KeyspaceCreateOptions::default))
                .collect::<fjall::Result<_>>()?;
            for keyspace in &keyspaces {
                keyspace.rotate_memtable()?;
            }
            let is_at_work = |keyspace: &Keyspace| keyspace.sealed_memtable_count() > 0;
            let mut waited = Duration::ZERO;
            while keyspaces.iter().any(is_at_work) {
                if waited >= FLUSH_PATIENCE {
                    return Ok(false);
                }
                // If one of fjall's threads has failed, the flush makes no progress, and this reports the error.
                self.db.persist(PersistMode::Buffer)?;
                thread::sleep(FLUSH_STEP);
                waited += FLUSH_STEP;
            }
            Ok(true)
        };
        let root = self.place.database();
        if !journal::is_long(root) {
            return Ok(None);
        }
        let is_flushed = flush().map_err(|cause| self.place.error("write the tables of", cause))?;
        Ok(is_flushed.then(|| journal::superfluous(root)).flatten())
    }

    /// Adds the changed fields to the batch and the session. No key occurs twice in a batch, since all of it has one
    /// sequence number.
    pub(super) fn stage_fields<'d>(
        &'d self,
        batch: &mut Batch<'d>,
        session: &mut Session,
        commit: &Commit<'_>,
        values: Vec<Option<Bytes>>,
    ) {
        let number = session.number;
        if commit.clear != Clear::Nothing {
            let overwritten: HashSet<&str> = commit.writes.iter().map(|w| &*w.field).collect();
            session.fields.retain(|field| {
                if !commit.clear.removes(&field.name) {
                    return true;
                }
                field.index = None;
                let stays = overwritten.contains(&*field.name);
                if !stays {
                    batch.remove(&self.data, &*keys::data(number, &field.name));
                }
                stays
            });
        }
        for (write, value) in commit.writes.iter().zip(values) {
            let key = keys::data(number, &write.field);
            let Some(value) = value else {
                if session.fields.remove(&write.field).is_some() {
                    batch.remove(&self.data, &*key);
                }
                continue;
            };
            let index =
                rules::index_after(write, || session.fields.get(&write.field)?.index.clone());
            batch.insert(&self.data, &*key, &*value);
            session.fields.set(&write.field, index, value);
        }
    }

    /// Adds values of fields whose presence and index entries do not change.
    pub(super) fn stage_values<'d>(
        &'d self,
        batch: &mut Batch<'d>,
        number: u64,
        commit: &Commit<'_>,
        values: &[Option<Bytes>],
    ) {
        for (write, value) in commit.writes.iter().zip(values) {
            if let Some(value) = value {
                batch.insert(&self.data, &*keys::data(number, &write.field), &**value);
            }
        }
    }

    /// Adds the difference between the former index entries, which led to `from`, and the new ones, which lead to `to`,
    /// to the batch.
    pub(super) fn stage_index<'d>(
        &'d self,
        batch: &mut Batch<'d>,
        before: &[(FieldName, Bytes)],
        from: Option<Digest>,
        after: &[(FieldName, Bytes)],
        to: Digest,
    ) {
        let stays = from == Some(to);
        for entry in before
            .iter()
            .filter(|entry| !(stays && after.contains(entry)))
        {
            batch.remove(
                &self.index,
                keys::index(&entry.0, &entry.1, from.unwrap_or(to)),
            );
        }
        for entry in after
            .iter()
            .filter(|entry| !(stays && before.contains(entry)))
        {
            batch.insert(&self.index, keys::index(&entry.0, &entry.1, to), []);
        }
    }

    /// Adds the end of a session at this time to the batch.
    pub(super) fn stage_end<'d>(
        &'d self,
        batch: &mut Batch<'d>,
        session: &Session,
        id: Digest,
        at: Timestamp,
    ) {
        self.stage_removal(batch, session, id);
        let ended = Record::Ended(at);
        batch.insert(&self.meta, *id.as_bytes(), ended.encode());
        self.stage_due(batch, ended.deadline(), id);
    }

    /// Adds the time at which the sweeper has to examine a session or a mark to the batch.
    pub(super) fn stage_due<'d>(&'d self, batch: &mut Batch<'d>, deadline: Timestamp, id: Digest) {
        batch.insert(&self.due, keys::due(deadline, id), []);
        batch.files = Some(batch.files.map_or(deadline, |other| other.min(deadline)));
    }

    /// Adds the removal of all fields and index entries to the batch.
    pub(super) fn stage_removal<'d>(
        &'d self,
        batch: &mut Batch<'d>,
        session: &Session,
        id: Digest,
    ) {
        for field in session.fields.fields() {
            batch.remove(&self.data, &*keys::data(session.number, &field.name));
            if let Some(entry) = &field.index {
                batch.remove(&self.index, keys::index(&field.name, entry, id));
            }
        }
    }

    /// The number of the journal's next entry.
    #[cfg(test)]
    pub(super) fn entries(&self) -> u64 {
        self.db.seqno()
    }

    #[cfg(test)]
    pub(super) fn in_buffers(&self) -> u64 {
        self.db.write_buffer_size()
    }

    pub(super) fn batch(&self) -> Batch<'_> {
        Batch::new(&self.db)
    }

    pub(super) fn apply(&self, batch: Batch<'_>) -> Result<()> {
        let files = batch.files;
        self.gate.wrote(batch.bytes);
        #[cfg(test)]
        self.faults
            .write()
            .map_err(|cause| self.failed("write to", cause))?;
        let committed = batch.commit();
        if let Some(deadline) = files {
            self.swept.filed(deadline);
        }
        committed.map_err(|cause| self.failed("write to", cause))
    }

    /// The error of a failed write.
    fn failed(&self, doing: &str, cause: fjall::Error) -> Error {
        if fault::is_final(&cause) {
            self.has_failed.store(true, Ordering::Release);
        }
        self.place.error(doing, cause)
    }
}
