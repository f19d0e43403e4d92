//! One server for all tests of a file, each of which has a schema of its own.
#![allow(dead_code, reason = "each file uses a part of it")]

use level_session_servers::postgres::{PgBouncer, Postgres};
use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
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

/// The name of a schema that no other test of this process has.
pub(crate) fn fresh_schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
