//! The PostgreSQL store: sessions where the application's data already is, shared by any number of processes.
//!
//! One row per session, which a load reads and a commit changes with one statement each; values above 1 KiB lie in a table
//! of their own. From the outside in: [`PostgresStore`] is the store; `load`, `commit`, `listing`, `sweep` and `ends` write
//! the statements; `server` runs them; `row`, `codec` and `param` know the columns; `schema` the tables; `address` and
//! `tls` the way to the server; `fault` what can be said of an error.

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

use commit::Turns;
use ends::Ends;
use level_session_store::{
    Abilities, Commit, Cursor, Digest, Flaw, Found, Home, Loaded, Outcome, Page, Result, Select,
    Step, Store, StoreFuture, Swept, Timestamp, Watch, WatchList,
};
use param::{Param, Statement};
use server::{Doing, Server};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::task::JoinHandle;

/// Keeps sessions in a PostgreSQL database, from version 13 on.
///
/// Clones are the same store, and any number of processes may have one. Connections belong to the tokio runtime in which
/// the store was opened.
///
/// ```no_run
/// # async fn main_() -> level_session_store::Result<()> {
/// use level_session_postgres::PostgresStore;
///
/// let address = "postgres://shop:secret@localhost/shop";
/// // Makes the tables if there are none: or apply `schema.sql` by hand.
/// PostgresStore::builder(address).migrate().await?;
/// let store = PostgresStore::connect(address).await?;
/// # Ok(()) }
/// ```
///
/// # Tables
/// Three tables in the schema `level_session`, or another: `schema.sql` of this crate has them with comments, and
/// [`schema_sql`](PostgresStoreBuilder::schema_sql) gives its text. [`migrate`](PostgresStoreBuilder::migrate) makes them;
/// [`open`](PostgresStoreBuilder::open) looks at their version and refuses to work on another. The application's role needs
/// `USAGE` on the schema, `SELECT` on `version`, and `SELECT`, `INSERT`, `UPDATE` and `DELETE` on `session` and `value`.
/// Whoever can read the tables can read the sessions' fields, but not the ids: they hold SHA-256 of them.
///
/// # What holds between processes
/// | promise | |
/// |---|---|
/// | a commit is whole, checked and atomic | each attempt is one conditional statement; one that meets another is tried again |
/// | counters | exact: compared and set |
/// | limits per entry | exact: counted under an advisory lock, in one short transaction |
/// | an end | holds everywhere at the next access; told to other processes with [`tell_ended`](PostgresStoreBuilder::tell_ended) |
/// | expired sessions | each is removed, and told, by one process: one whose connection broke meanwhile is not told |
///
/// # What a crash or a failover can undo
/// What PostgreSQL itself can lose: under [`SynchronousCommit::Off`] the last moments, in a failover to an asynchronous
/// standby what it had not received. A session that ended in those moments lives again, and a one-time value that was
/// taken is there again. With synchronous standbys, `On` and no data lost, nothing.
///
/// # PgBouncer
/// In transaction mode: [`pgbouncer(true)`](PostgresStoreBuilder::pgbouncer). In session mode, and without one: nothing to
/// do. Any `default_transaction_isolation` will do.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    server: Server,
    turns: Turns,
    expired: WatchList,
    ended: WatchList,
    /// Ends that other processes are to be told of.
    ends: Option<Arc<Ends>>,
    /// Whether the pool is the store's own.
    is_ours: bool,
    /// Whether commits are answered before they are on disk.
    may_lose: bool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl PostgresStore {
    /// Opens the store at this address with all settings at their defaults. The tables must be there: see
    /// [`migrate`](PostgresStoreBuilder::migrate).
    ///
    /// # Errors
    /// As [`PostgresStoreBuilder::open`].
    pub async fn connect(url: impl Into<String>) -> Result<Self> {
        Self::builder(url).open().await
    }

    /// Settings for a store with connections of its own, to the server at this address
    /// (`postgres://user:password@host:port/database`).
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::by_url(url.into())
    }

    /// Settings for a store on a pool of the application's. Its connections are used as they are: their isolation, their
    /// timeouts and their encryption are the application's. Closing the store leaves the pool open.
    pub fn on_pool(pool: deadpool_postgres::Pool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::by_pool(pool)
    }

    /// Looks for what a session's row says twice and not alike, for an inspector: a page of the flaws among about `limit`
    /// sessions. A page may be empty although there is more. It can be asked at any time: each row is of one moment.
    ///
    /// Found are an index entry of a field that the session does not have, and a session that the sweep would look at only
    /// after its deadline. Index entries and deadlines are columns of the session's own row, so none of them can be there
    /// without a session, and a value that lies aside is held by a foreign key.
    ///
    /// # Errors
    /// As [`page`](Store::page).
    pub fn flaws<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> StoreFuture<'a, Page<Flaw>> {
        StoreFuture::boxed(self.0.server.flaws(after, limit))
    }

    /// Waits for commits in flight, makes everything durable and stops what runs in the background: as
    /// [`Store::close`], without the trait in scope.
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
        let mut closed = self.server.closed.write().await;
        if *closed {
            return Ok(());
        }
        *closed = true;
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

    /// Writes a record that is waited for, and with it all that come before it.
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
