//! One server for all tests of a file, each of which has its own schema.
#![allow(dead_code, reason = "each file uses a part of it")]

use level_session_postgres::PostgresStore;
use level_session_servers::postgres::{PgBouncer, Postgres};
use level_session_store::{
    Bytes, Clock, Commit, Digest, FieldName, Guard, Lease, Loaded, Select, Step, Store as _,
    Timeouts, Timestamp, Write,
};
use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

pub(crate) struct Kit {
    pub(crate) postgres: Postgres,
    bouncer: LazyLock<PgBouncer>,
}

static KIT: LazyLock<Kit> = LazyLock::new(|| Kit {
    postgres: Postgres::start(&["fsync=off"]).unwrap_or_else(|error| panic!("{error}")),
    bouncer: LazyLock::new(|| {
        PgBouncer::start(&KIT.postgres).unwrap_or_else(|error| panic!("{error}"))
    }),
});

impl Kit {
    pub(crate) fn get() -> &'static Self {
        &KIT
    }

    pub(crate) fn url(&self) -> String {
        self.postgres.url()
    }

    /// Through PgBouncer in transaction mode.
    pub(crate) fn pooled(&self) -> String {
        self.bouncer.url()
    }
}

/// The name of a schema that no other test of this process uses.
pub(crate) fn fresh_schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A digest of these bytes.
pub(crate) fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

pub(crate) fn hex(id: Digest) -> String {
    id.as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub(crate) fn set(field: &'static str, text: &str) -> Write {
    Write::set(FieldName::from_static(field), Bytes::from(text.as_bytes()))
}

pub(crate) fn guard(field: &'static str, text: &str) -> Guard {
    let bytes = Bytes::from(text.as_bytes());
    Guard::new(FieldName::from_static(field), Some(bytes))
}

/// The moment at which a test began, and the most common steps of a test.
#[derive(Clone, Copy)]
pub(crate) struct Now(Timestamp);

impl Now {
    pub(crate) fn new() -> Self {
        Self(Clock::system().now())
    }

    pub(crate) fn at(self, seconds: u64) -> Timestamp {
        self.0.after(Duration::from_secs(seconds))
    }

    /// The lease of a session with an idle timeout of a day.
    pub(crate) fn lease(self) -> Lease {
        Timeouts::new(Duration::from_secs(24 * 3600)).lease(self.0, self.0)
    }

    pub(crate) fn create(self, id: Digest, writes: &[Write]) -> Commit<'_> {
        Commit::new(id, self.0, Step::create(self.0, self.lease())).with_writes(writes)
    }

    pub(crate) fn keep(self, id: Digest, writes: &[Write]) -> Commit<'_> {
        Commit::new(id, self.0, Step::keep(None)).with_writes(writes)
    }

    /// The text of a field of a live session.
    pub(crate) async fn field(
        self,
        store: &PostgresStore,
        id: Digest,
        field: &str,
    ) -> Option<String> {
        let names = [field];
        match store.load(id, Select::Names(&names), self.0).await {
            Ok(Loaded::Live(snapshot)) => {
                let value = snapshot.fields.values(&names)?.remove(0)?;
                Some(String::from_utf8(value.to_vec()).unwrap())
            }
            other => panic!("expected a live session, not {other:?}"),
        }
    }
}
