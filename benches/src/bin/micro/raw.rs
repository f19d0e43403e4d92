//! The keys of the embedded store in fjall, redb and SQLite: measures the databases, without a store.

use level_session_benches::stored;
use std::{hint::black_box, path::Path};

/// The size of the record of a session with eight fields.
const META: [u8; 75] = [7; 75];

/// A database that has for each session a record, eight fields, and the key for the sweeper.
pub(super) trait Base {
    fn name(&self) -> &'static str;

    /// Whether a write waits for the disk.
    fn waits(&self) -> bool {
        false
    }

    /// Reads the record and one field.
    fn read(&self, n: u64);

    /// Writes one field.
    fn write(&self, n: u64);

    /// Writes the eight fields, the record and the key, at once.
    fn create(&self, n: u64);
}

fn meta_key(n: u64) -> [u8; 32] {
    *stored::digest(n).as_bytes()
}

fn data_key(n: u64, field: u8) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key[8..].copy_from_slice(&[b'f', b'0' + field]);
    key
}

fn due_key(n: u64) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key[8..].copy_from_slice(&meta_key(n));
    key
}

/// `Buffer`: a commit is with the operating system before it returns.
pub(super) struct Fjall {
    db: fjall::Database,
    meta: fjall::Keyspace,
    data: fjall::Keyspace,
    due: fjall::Keyspace,
}

impl Fjall {
    pub(super) fn new(path: &Path) -> Self {
        let db = fjall::Database::builder(path.join("raw"))
            .open()
            .expect("a new directory");
        let keyspace = |name| db.keyspace(name, Default::default).expect("the disk works");
        Self {
            meta: keyspace("meta"),
            data: keyspace("data"),
            due: keyspace("due"),
            db,
        }
    }

    fn put(&self, n: u64, fields: u8, with_meta: bool) {
        let mut batch = self.db.batch().durability(Some(fjall::PersistMode::Buffer));
        for field in 0..fields {
            batch.insert(&self.data, data_key(n, field), &*stored::bytes());
        }
        if with_meta {
            batch.insert(&self.meta, meta_key(n), META);
            batch.insert(&self.due, due_key(n), []);
        }
        batch.commit().expect("the disk works");
    }
}

impl Base for Fjall {
    fn name(&self) -> &'static str {
        "raw fjall"
    }

    fn read(&self, n: u64) {
        let meta = self.meta.get(meta_key(n)).expect("the disk works");
        let field = self.data.get(data_key(n, 3)).expect("the disk works");
        assert!(black_box(meta).is_some() && black_box(field).is_some());
    }

    fn write(&self, n: u64) {
        self.put(n, 1, false);
    }

    fn create(&self, n: u64) {
        self.put(n, 8, true);
    }
}

#[cfg(feature = "peers")]
pub(super) use redb::Redb;

#[cfg(feature = "peers")]
mod redb {
    use super::{Base, META, black_box, data_key, due_key, meta_key, stored};
    use redb::{Database, Durability, ReadableDatabase as _, TableDefinition};
    use std::path::Path;

    const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("sessions");

    /// redb syncs every commit, or keeps it in its own memory, where it is lost with the process. It has no setting
    /// between the two, such as fjall's `Buffer` and SQLite's `NORMAL`.
    pub(in super::super) struct Redb {
        db: Database,
        synced: bool,
    }

    impl Redb {
        pub(in super::super) fn new(path: &Path, synced: bool) -> Self {
            let name = if synced { "redb-synced" } else { "redb" };
            let db = Database::create(path.join(name)).expect("a new file");
            Self { db, synced }
        }

        fn put(&self, n: u64, fields: u8, with_meta: bool) {
            let mut transaction = self.db.begin_write().expect("nobody else writes");
            if !self.synced {
                transaction
                    .set_durability(Durability::None)
                    .expect("no savepoint is there");
            }
            {
                let mut table = transaction.open_table(TABLE).expect("the disk works");
                let mut insert = |key: &[u8], value: &[u8]| {
                    table.insert(key, value).expect("the disk works");
                };
                for field in 0..fields {
                    insert(&data_key(n, field), &stored::bytes());
                }
                if with_meta {
                    insert(&meta_key(n), &META);
                    insert(&due_key(n), &[]);
                }
            }
            transaction.commit().expect("the disk works");
        }
    }

    impl Base for Redb {
        fn name(&self) -> &'static str {
            match self.synced {
                true => "redb, each commit synced",
                false => "redb, commits lost with the process",
            }
        }

        fn waits(&self) -> bool {
            self.synced
        }

        fn read(&self, n: u64) {
            let transaction = self.db.begin_read().expect("the disk works");
            let table = transaction.open_table(TABLE).expect("it is there");
            for key in [&meta_key(n)[..], &data_key(n, 3)] {
                let found = table.get(key).expect("the disk works");
                assert!(black_box(found).is_some());
            }
        }

        fn write(&self, n: u64) {
            self.put(n, 1, false);
        }

        fn create(&self, n: u64) {
            self.put(n, 8, true);
        }
    }
}

#[cfg(feature = "sqlite")]
pub(super) use sqlite::Sqlite;

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::{Base, META, black_box, meta_key, stored};
    use level_session_benches::workload::FIELDS;
    use rusqlite::{Connection, Transaction, TransactionBehavior, params};
    use std::path::Path;

    /// WAL, `synchronous=NORMAL`: as with `Buffer`, a commit is with the operating system before it returns.
    pub(in super::super) struct Sqlite(Connection);

    /// One statement, since each statement takes the locks of its own transaction.
    const READ: &str = "SELECT (SELECT record FROM meta WHERE id = ?), \
                        (SELECT value FROM data WHERE session = ? AND field = ?)";
    const META_ROW: &str = "INSERT OR REPLACE INTO meta VALUES (?, ?)";
    const FIELD_ROW: &str = "INSERT OR REPLACE INTO data VALUES (?, ?, ?)";
    const DUE_ROW: &str = "INSERT OR REPLACE INTO due VALUES (?, ?)";

    impl Sqlite {
        pub(in super::super) fn new(path: &Path) -> Self {
            let connection = Connection::open(path.join("raw.sqlite")).expect("a new file");
            connection
                .execute_batch(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
                     CREATE TABLE meta (id BLOB PRIMARY KEY, record BLOB) WITHOUT ROWID;
                     CREATE TABLE data (session INTEGER, field TEXT, value BLOB, PRIMARY KEY (session, field))
                         WITHOUT ROWID;
                     CREATE TABLE due (at INTEGER, id BLOB, PRIMARY KEY (at, id)) WITHOUT ROWID;",
                )
                .expect("a new database");
            Self(connection)
        }

        fn put<P: rusqlite::Params>(&self, sql: &str, row: P) {
            let mut statement = self.0.prepare_cached(sql).expect("the table is there");
            let rows = statement.execute(row).expect("the disk works");
            assert_eq!(rows, 1);
        }
    }

    impl Base for Sqlite {
        fn name(&self) -> &'static str {
            "sqlite, WAL, synchronous=NORMAL"
        }

        fn read(&self, n: u64) {
            let mut statement = self.0.prepare_cached(READ).expect("the tables are there");
            let found: (Vec<u8>, Vec<u8>) = statement
                .query_row(params![meta_key(n), n as i64, FIELDS[3]], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .expect("the rows are there");
            black_box(found);
        }

        fn write(&self, n: u64) {
            self.put(FIELD_ROW, params![n as i64, FIELDS[0], &*stored::bytes()]);
        }

        fn create(&self, n: u64) {
            let transaction = Transaction::new_unchecked(&self.0, TransactionBehavior::Immediate)
                .expect("nobody else writes");
            for field in FIELDS {
                self.put(FIELD_ROW, params![n as i64, field, &*stored::bytes()]);
            }
            self.put(META_ROW, params![meta_key(n), META]);
            self.put(DUE_ROW, params![n as i64, meta_key(n)]);
            transaction.commit().expect("the disk works");
        }
    }
}
