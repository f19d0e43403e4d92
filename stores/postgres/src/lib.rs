//! The PostgreSQL store: keeps sessions in the application's database, shared by any number of processes.
//!
//! One row per session. A load reads it and a commit changes it, with one statement each; values larger than 1 KiB are
//! stored in a separate table. From the outside in: [`PostgresStore`] is the store; `load`, `commit`, `listing`,
//! `sweep` and `ends` write the statements; `server` runs them; `row`, `codec` and `param` know the columns; `schema`
//! the tables; `address` and `tls` the connection to the server; `fault` turns errors into messages that are safe to
//! show.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod builder;
mod codec;
mod commit;
mod ends;
mod fault;
mod listing;
mod load;
mod param;
mod row;
mod schema;
mod server;
mod statements;
mod sweep;
#[cfg(feature = "tls")]
mod tls;

pub use builder::{PostgresStoreBuilder, SynchronousCommit};

use ends::Ends;
use level_session_store::{
    Abilities, Commit, Cursor, Digest, Flaw, Found, Home, Loaded, Outcome, Page, Result, Select,
    Step, Store, StoreFuture, Swept, Timestamp, Turns, Watch, WatchList,
};
use param::{Param, Statement};
use server::{Doing, Server};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::task::JoinHandle;

/// Keeps sessions in a PostgreSQL database, version 13 or later.
///
/// Clones share one store, and any number of processes may open it. Connections belong to the tokio runtime in which
/// the store was opened.
///
/// ```no_run
/// # async fn main_() -> level_session_store::Result<()> {
/// use level_session_postgres::PostgresStore;
///
/// let address = "postgres://shop:secret@localhost/shop";
/// // Creates the tables if they do not exist. Alternatively, apply `schema.sql` by hand.
/// PostgresStore::builder(address).migrate().await?;
/// let store = PostgresStore::connect(address).await?;
/// # Ok(()) }
/// ```
///
/// # Tables
/// Three tables in the schema `level_session`, or in the schema of your choice: `schema.sql` of this crate defines
/// them, with comments, and [`schema_sql`](PostgresStoreBuilder::schema_sql) returns its text.
/// [`migrate`](PostgresStoreBuilder::migrate) creates them; [`open`](PostgresStoreBuilder::open) checks their version
/// and fails if it is a different one. The application's role needs `USAGE` on the schema, `SELECT` on `version`, and
/// `SELECT`, `INSERT`, `UPDATE` and `DELETE` on `session` and `value`. A role that can read the tables can read the
/// sessions' fields, but not the ids: only their SHA-256 is stored.
///
/// # Guarantees between processes
/// | promise | |
/// |---|---|
/// | a commit is whole, checked and atomic | each attempt is one conditional statement, which is retried if it collides with another one |
/// | counters | exact: compare and set |
/// | limits per entry | exact: counted under an advisory lock, in one short transaction |
/// | an end | takes effect everywhere at the next access; other processes are notified with [`tell_ended`](PostgresStoreBuilder::tell_ended) |
/// | expired sessions | each is removed, and reported, by one process; a session is not reported if that process's connection broke meanwhile |
///
/// # What a crash or a failover can undo
/// The same commits that PostgreSQL itself can lose: the most recent ones under [`SynchronousCommit::Off`], and, in a
/// failover to an asynchronous standby, those that it had not received. A session that ended in a lost commit is live
/// again, and a one-time value that was taken in one can be taken again. With synchronous standbys and `On`, nothing is
/// undone.
///
/// # PgBouncer
/// In transaction mode, set [`pgbouncer(true)`](PostgresStoreBuilder::pgbouncer). Session mode needs no setting. Any
/// `default_transaction_isolation` works.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    server: Server,
    turns: Turns,
    expired: WatchList,
    ended: WatchList,
    /// Ends that other processes are to be notified of.
    ends: Option<Arc<Ends>>,
    /// Whether the pool belongs to the store.
    is_ours: bool,
    /// Whether commits return before they are on disk.
    may_lose: bool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl PostgresStore {
    /// Opens the store at this address with default settings. The tables must exist: see
    /// [`migrate`](PostgresStoreBuilder::migrate).
    ///
    /// # Errors
    /// Those of [`PostgresStoreBuilder::open`].
    pub async fn connect(url: impl Into<String>) -> Result<Self> {
        Self::builder(url).open().await
    }

    /// Returns the settings of a store with its own connections to the server at this address
    /// (`postgres://user:password@host:port/database`).
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::by_url(url.into())
    }

    /// Returns the settings of a store on the application's pool. Its connections are used as they are: their isolation
    /// level, timeouts and encryption are set by the application. Closing the store leaves the pool open.
    pub fn on_pool(pool: deadpool_postgres::Pool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::by_pool(pool)
    }

    /// Looks for contradictions within the rows of sessions, for an inspector: returns a page of the flaws among about
    /// `limit` sessions. A page may be empty although more follow. It may be called at any time: each row is read as of
    /// one moment.
    ///
    /// It finds index entries of fields that the session does not have, and sessions that the sweep would examine only
    /// after their deadline. Index entries and deadlines are columns of the session's own row, so they cannot exist
    /// without the session, and a foreign key ties each value in the separate table to its session.
    ///
    /// # Errors
    /// Those of [`page`](Store::page).
    pub fn flaws<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> StoreFuture<'a, Page<Flaw>> {
        StoreFuture::boxed(self.0.server.flaws(after, limit))
    }

    /// Waits for commits in flight, makes everything durable and stops background tasks: [`Store::close`], without the
    /// trait in scope.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](level_session_store::ErrorKind::Store) if the last writes cannot be made durable.
    pub async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

impl Store for PostgresStore {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        StoreFuture::boxed(self.0.server.load(id, select, now))
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::boxed(async move { self.0.commit(&commit).await })
    }

    fn home(&self, _: Digest) -> Home {
        Home::ONLY
    }

    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>> {
        StoreFuture::boxed(self.0.server.find(field, entry, after, limit, now))
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        StoreFuture::boxed(self.0.server.page(after, limit, now))
    }

    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::boxed(self.0.sweep(now, limit))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        StoreFuture::boxed(self.0.close())
    }

    fn abilities(&self) -> Abilities {
        Abilities::all().with_tells_ended(self.0.ends.is_some())
    }

    fn watch_expired(&self, watch: Weak<Watch>) {
        self.0.expired.add(watch);
    }

    fn watch_ended(&self, watch: Weak<Watch>) {
        self.0.ended.add(watch);
    }
}

impl Shared {
    async fn commit(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let applied = match self.server.commit(&self.turns, commit).await? {
            Ok(applied) => applied,
            Err(refused) => return Ok(refused),
        };
        if matches!(commit.step, Step::Destroy | Step::Renew { .. }) {
            self.tell_ended(applied.current);
        }
        for id in &applied.done.ended {
            self.tell_ended(*id);
        }
        Ok(Outcome::Done(applied.done))
    }

    fn tell_ended(&self, id: Digest) {
        self.ended.tell(id);
        if let Some(ends) = &self.ends {
            ends.push(id);
        }
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let (removed, looked) = self.server.sweep(now, limit).await?;
        let swept = Swept::new(removed.len(), limit > 0 && looked == limit);
        removed.into_iter().for_each(|id| self.expired.tell(id));
        Ok(swept)
    }

    async fn close(&self) -> Result<()> {
        self.ended.tell_closed();
        if !self.server.leave().await {
            return Ok(());
        }
        let flushed = match self.may_lose {
            true => self.flush().await,
            false => Ok(()),
        };
        for task in self.tasks().drain(..) {
            task.abort();
        }
        if let Some(ends) = &self.ends {
            self.server.tell(ends).await;
        }
        if self.is_ours {
            self.server.pool.close();
        }
        flushed
    }

    /// Writes a WAL record and waits for it, which makes all earlier records durable too.
    async fn flush(&self) -> Result<()> {
        let mut flush = Statement::default();
        let none = flush.bind(Param::Text(String::new()));
        flush.push(format_args!(
            "SELECT pg_logical_emit_message(true, 'level-session', {none}), \
             set_config('synchronous_commit', 'local', true)"
        ));
        let doing = Doing::Writing("make the last commits durable");
        self.server.rows(doing, &flush).await.map(drop)
    }

    fn keep(&self, task: JoinHandle<()>) {
        self.tasks().push(task);
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in self.tasks().drain(..) {
            task.abort();
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.0.server.schema.name())
            .finish_non_exhaustive()
    }
}
