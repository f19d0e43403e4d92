//! The durable store: sessions in an embedded [fjall](https://docs.rs/fjall) database.
//!
//! Four keyspaces: `meta` holds a record for every digest, `data` the values, `due` the times at which to examine a
//! session again, `index` the index entries. From the outside in: [`FjallStore`] decides on which thread a call runs,
//! `shared` admits it while the store is open, `gate` predicts which calls would have to wait, `committer` executes
//! commits that do, `engine` executes calls under the session's lock, `disk` holds the keyspaces, `record` and `keys`
//! know the bytes, `due` knows how far the sweeper has come. Around fjall's files: `folder` checks them before they are
//! opened, `creation` completes an interrupted creation, `upkeep` syncs and flushes in small steps, `recovery` reopens the
//! database after a failed write, `journal` empties the journal at a clean close.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
mod builder;
mod cache;
mod committer;
mod creation;
mod disk;
mod due;
mod engine;
mod fault;
mod folder;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod gate;
mod journal;
mod keys;
mod names;
mod numbers;
mod record;
mod recovery;
mod shared;
#[cfg(test)]
mod tests;
mod upkeep;

pub use builder::{Durability, FjallStoreBuilder};
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use fuzzing::records;

use self::{
    committer::Committer,
    engine::Engine,
    gate::Patience,
    shared::{Shared, Workers},
};
use level_session_store::{
    Abilities, Commit, Cursor, Digest, Error, Flaw, Found, Home, Loaded, Outcome, Page, Result,
    Select, Store, StoreFuture, Swept, Timestamp, Watch, rules,
};
use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// Keeps sessions in an embedded database, each field under its own key.
///
/// Only one process at a time can open the database. Clones share the store. It is closed when the last clone is dropped;
/// [`close`](Store::close) does the same and returns errors.
///
/// ```
/// # fn main() -> level_session_store::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("sessions.db");
/// use level_session_fjall::FjallStore;
///
/// let store = FjallStore::open(path)?;
/// # Ok(()) }
/// ```
///
/// # What survives a crash
/// | [`Durability`] | the process ends, even by `kill -9` | the machine loses power |
/// |---|---|---|
/// | `Buffer` (default) | every commit that returned | commits that the operating system has not written yet are lost: on Linux those of the last seconds |
/// | `Interval(d)` | every commit that returned | at most the commits of the last `d` are lost |
/// | `Sync` | every commit that returned | every commit that returned |
///
/// A commit survives as a whole or not at all. Under `Sync` a reader may see a commit shortly before it is on disk.
///
/// # Which thread does the work
/// Reads, and commits unless `Sync`, take microseconds and run inline, one commit at a time. A call has to wait if
/// another commit is running, if another thread is writing the same session (a read of a cached session does not wait
/// for it), if the database is writing or compacting tables, or if an fsync is needed. Such a call is moved off the
/// calling thread and awaited. So the disk blocks at most one thread of the runtime, whatever the load. Commits that
/// have to wait, and all commits under `Sync`, run on the store's commit thread. Reads that have to wait, look-ups by
/// index, listings and sweeps run on tokio's blocking threads. Without a tokio runtime reads run inline. If writes
/// arrive faster than the disk accepts them, commits take as long as the disk does.
#[derive(Clone)]
pub struct FjallStore(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    committer: Committer,
    /// Whether every commit is sent to the commit thread.
    always_queued: bool,
    workers: Workers,
    closing: Mutex<()>,
}

impl FjallStore {
    /// Opens the database at this path with the default settings. If it does not exist, it is created together with its
    /// directory, on Unix with mode 0700 (requirement S09). An existing directory keeps its permissions.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    ///
    /// let store = FjallStore::open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](level_session_store::ErrorKind::Store). The message says which:
    /// - Another process has the database open: stop it, or use [`open_within`](Self::open_within).
    /// - It cannot be read or written: check the permissions and the disk.
    /// - It is damaged: restore a backup, or move the directory away to start with an empty database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder().open(path)
    }

    /// Like [`open`](Self::open), but waits up to `patience` for another process that has the database open: in a rolling
    /// update the new process starts while the old one still handles its last requests. It blocks the thread and tries
    /// twenty times a second.
    ///
    /// ```
    /// # fn main() -> level_session_store::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    /// use std::time::Duration;
    ///
    /// let store = FjallStore::open_within(path, Duration::from_secs(30))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`open`](Self::open). It waits only for a lock; other errors are returned at once.
    pub fn open_within(path: impl AsRef<Path>, patience: Duration) -> Result<Self> {
        Self::builder().open_within(path, patience)
    }

    /// Keeps sessions in a database that the application has opened, beside its own keyspaces. The names of the store's
    /// keyspaces begin with `session.`.
    ///
    /// ```
    /// use level_session_fjall::FjallStore;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.db");
    /// let database = fjall::Database::builder(path).open()?;
    /// let store = FjallStore::new(database.clone())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](level_session_store::ErrorKind::Store) if the database cannot be read or written, or if it already
    /// has a session store: use that one, or choose another [`prefix`](FjallStoreBuilder::prefix).
    pub fn new(database: fjall::Database) -> Result<Self> {
        Self::builder().build(database)
    }

    /// Waits for commits in flight, makes everything durable and stops the background threads. It is [`Store::close`], without
    /// the trait in scope.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session_store::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// # use level_session_fjall::FjallStore;
    /// let store = FjallStore::open(path)?;
    /// // .. serve the application; then:
    /// store.close().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](level_session_store::ErrorKind::Store) if the last writes could not be made durable: log it, and
    /// exit with a failure.
    pub async fn close(&self) -> Result<()> {
        Store::close(self).await
    }

    /// Starts with the default settings.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    ///
    /// let store = FjallStore::builder().cache_sessions(50_000).open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    pub fn builder() -> FjallStoreBuilder {
        FjallStoreBuilder::default()
    }

    /// Looks for records, index entries and deadlines that contradict each other, for an inspector: returns a page of
    /// the flaws among about `limit` of them. A page may be empty although more follow.
    ///
    /// It finds sessions that are missing from the index although their record has an entry, index entries of missing
    /// sessions or of sessions that do not have the entry, and sessions, or marks of ended ones, without a deadline for
    /// the sweeper. A deadline without a session is not a flaw: a session that ends leaves its deadline behind until it
    /// has passed. A damaged record or value is reported by [`load`](Store::load). Memory use is bounded: by `limit`,
    /// and some megabytes for the deadlines of 100,000 records at a time, for each of which all deadlines are scanned
    /// once.
    ///
    /// ```
    /// # use level_session_store::Result;
    /// # async fn verify(store: &level_session_fjall::FjallStore) -> Result<()> {
    /// let mut after = None;
    /// loop {
    ///     let page = store.flaws(after.as_ref(), 1_000).await?;
    ///     for flaw in page.items {
    ///         println!("{} {}", flaw.id.short(), flaw.what);
    ///     }
    ///     after = page.next;
    ///     if after.is_none() {
    ///         return Ok(());
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](level_session_store::ErrorKind::Store) if the store cannot be read, and for a cursor of another
    /// listing.
    pub fn flaws(&self, after: Option<&Cursor>, limit: usize) -> StoreFuture<'_, Page<Flaw>> {
        let after = after.cloned();
        self.offload(move |this| {
            this.shared
                .with(|engine| engine.flaws(after.as_ref(), limit))
        })
    }

    /// The number of fsyncs since the database was opened; zero if it is closed. For benchmarks and tests.
    #[doc(hidden)]
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0
            .shared
            .with(|engine| Ok(engine.syncs()))
            .unwrap_or_default()
    }

    fn load_elsewhere(
        &self,
        id: Digest,
        select: Select<'_>,
        now: Timestamp,
    ) -> StoreFuture<'_, Loaded> {
        let names = match select {
            Select::Names(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            _ => Vec::new(),
        };
        let is_all = matches!(select, Select::All);
        self.offload(move |this| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let select = match (is_all, &*names) {
                (true, _) => Select::All,
                (false, []) => Select::Nothing,
                (false, names) => Select::Names(names),
            };
            let read = |engine: &Engine| engine.read(id, select, now, Patience::Waits);
            this.shared.with(read)?.ok_or_else(rules::closed)
        })
    }

    /// Runs a call that may take long on a blocking thread.
    fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Handle) -> Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let handle = Arc::clone(&self.0);
        match tokio::runtime::Handle::try_current() {
            Err(_) => StoreFuture::ready(work(&handle)),
            Ok(runtime) => StoreFuture::boxed(async move {
                let work = runtime.spawn_blocking(move || work(&handle));
                work.await.unwrap_or_else(|cause| {
                    Err(Error::store(
                        "a task of the session store did not complete",
                        cause,
                    ))
                })
            }),
        }
    }
}

impl Store for FjallStore {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        let read = |engine: &Engine| engine.read(id, select, now, Patience::Leaves);
        match self.0.shared.with(read) {
            Ok(Some(loaded)) => StoreFuture::ready(Ok(loaded)),
            Ok(None) => self.load_elsewhere(id, select, now),
            Err(error) => StoreFuture::ready(Err(error)),
        }
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        match self.0.commit_at_once(&commit) {
            Ok(Some(outcome)) => StoreFuture::ready(Ok(outcome)),
            Ok(None) => self.0.committer.commit(&commit),
            Err(error) => StoreFuture::ready(Err(error)),
        }
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
        let (field, entry, after) = (field.to_owned(), entry.to_owned(), after.cloned());
        self.offload(move |this| {
            this.shared
                .with(|engine| engine.find(&field, &entry, after.as_ref(), limit, now))
        })
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        let after = after.cloned();
        self.offload(move |this| {
            this.shared
                .with(|engine| engine.page(after.as_ref(), limit, now))
        })
    }

    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        self.offload(move |this| this.shared.sweep(now, limit))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.offload(Handle::close)
    }

    fn abilities(&self) -> Abilities {
        Abilities::all()
    }

    fn watch_expired(&self, watch: Weak<Watch>) {
        self.0.shared.expired().add(watch);
    }

    fn watch_ended(&self, watch: Weak<Watch>) {
        self.0.shared.ended().add(watch);
    }
}

impl Handle {
    /// Executes a commit on the calling thread, if it need not wait there.
    fn commit_at_once(&self, commit: &Commit<'_>) -> Result<Option<Outcome>> {
        self.shared.is_of_this_process()?;
        if self.always_queued {
            return Ok(None);
        }
        let Some(_turn) = self.shared.gate().enter_at_once() else {
            return Ok(None);
        };
        let written = self
            .shared
            .write(|engine| engine.write(commit, Patience::Leaves))?;
        Ok(written.map(|(outcome, current)| {
            self.shared.tell_ended(commit.step, current, &outcome);
            outcome
        }))
    }

    /// Stops the threads, the committer after it has completed all queued commits, and releases the database. A second
    /// call waits for the first.
    fn close(&self) -> Result<()> {
        self.shared.ended().tell_closed();
        let _one = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        self.committer.stop();
        self.shared.recovery().stop();
        self.workers.stop();
        self.shared.close()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a session store was not closed cleanly"
            );
        }
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore").finish_non_exhaustive()
    }
}
