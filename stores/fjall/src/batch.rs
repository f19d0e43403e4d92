//! The writes of a change, applied at once.

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode, UserKey, UserValue};
use level_session_store::Timestamp;

/// A batch that is handed to the operating system when it is committed.
///
/// A write of a single key, the most common case, bypasses fjall's batch: it is atomic by itself, and takes half the
/// time.
pub(super) struct Batch<'d> {
    db: &'d Database,
    first: Option<Entry<'d>>,
    /// All writes, if there is more than one.
    batch: Option<OwnedWriteBatch>,
    /// The earliest deadline that it adds to `due`.
    pub(super) files: Option<Timestamp>,
    /// The memory that it takes until it is in tables, about as fjall counts it.
    pub(super) bytes: u64,
}

/// The bytes that fjall counts for an entry in addition to its key and value.
const ENTRY: usize = 64;

struct Entry<'d> {
    keyspace: &'d Keyspace,
    key: UserKey,
    /// `None` removes the key.
    value: Option<UserValue>,
}

impl<'d> Batch<'d> {
    pub(super) fn new(db: &'d Database) -> Self {
        Self {
            db,
            first: None,
            batch: None,
            files: None,
            bytes: 0,
        }
    }

    pub(super) fn insert(
        &mut self,
        keyspace: &'d Keyspace,
        key: impl Into<UserKey>,
        value: impl Into<UserValue>,
    ) {
        self.add(Entry {
            keyspace,
            key: key.into(),
            value: Some(value.into()),
        });
    }

    pub(super) fn remove(&mut self, keyspace: &'d Keyspace, key: impl Into<UserKey>) {
        self.add(Entry {
            keyspace,
            key: key.into(),
            value: None,
        });
    }

    fn add(&mut self, entry: Entry<'d>) {
        let value = entry.value.as_ref().map_or(0, |value| value.len());
        self.bytes += (entry.key.len() + value + ENTRY) as u64;
        if self.first.is_none() && self.batch.is_none() {
            self.first = Some(entry);
            return;
        }
        // fjall's own default depends on how the database was opened, and may leave a batch in a buffer that is lost
        // with the process. The default of our keyspaces does not.
        let batch = self
            .batch
            .get_or_insert_with(|| self.db.batch().durability(Some(PersistMode::Buffer)));
        for entry in self.first.take().into_iter().chain([entry]) {
            match entry.value {
                Some(value) => batch.insert(entry.keyspace, entry.key, value),
                None => batch.remove(entry.keyspace, entry.key),
            }
        }
    }

    pub(super) fn commit(self) -> fjall::Result<()> {
        match (self.batch, self.first) {
            (Some(batch), _) => batch.commit(),
            (
                None,
                Some(Entry {
                    keyspace,
                    key,
                    value: Some(value),
                }),
            ) => keyspace.insert(key, value),
            (
                None,
                Some(Entry {
                    keyspace,
                    key,
                    value: None,
                }),
            ) => keyspace.remove(key),
            (None, None) => Ok(()),
        }
    }
}
