//! The settings of the store, and opening it.

use super::{
    FjallStore, Handle,
    committer::Committer,
    creation,
    engine::Engine,
    fault, folder,
    gate::Gate,
    recovery::Recovery,
    shared::{Shared, Workers},
};
use level_session_store::{Clock, Error, ErrorKind, Result};
use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// When a commit is on disk. See [`FjallStore`] for what survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The operating system decides when a commit is on disk; in addition, the store syncs after every 4 MiB of
    /// writes. The default.
    #[default]
    Buffer,
    /// A commit is on disk before it returns. Concurrent commits share one fsync.
    Sync,
    /// A commit is on disk at most this long after it returned, by a periodic fsync. Commits wait while it runs.
    Interval(Duration),
}

/// The settings of a [`FjallStore`].
///
/// ```
/// # fn main() -> level_session_store::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("sessions.db");
/// use level_session_fjall::{Durability, FjallStore};
///
/// let store = FjallStore::builder()
///     .durability(Durability::Sync)
///     .cache_sessions(50_000)
///     .open(path)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `open` or `build`"]
pub struct FjallStoreBuilder {
    durability: Durability,
    prefix: String,
    cache_sessions: usize,
    cache_size: u64,
    write_buffer_size: u64,
    sweep_every: Option<Duration>,
    clock: Clock,
    queues_all: bool,
}

/// How often to check whether another process has closed the database.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The smallest useful write buffer: a few large commits.
const MIN_WRITE_BUFFER: u64 = 64 * 1024;

impl Default for FjallStoreBuilder {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            prefix: "session".to_owned(),
            cache_sessions: 10_000,
            cache_size: 32 * 1024 * 1024,
            write_buffer_size: 16 * 1024 * 1024,
            sweep_every: Some(Duration::from_secs(60)),
            clock: Clock::system(),
            queues_all: false,
        }
    }
}

impl FjallStoreBuilder {
    /// When a commit is on disk. Default: [`Durability::Buffer`].
    ///
    /// ```
    /// use level_session_fjall::{Durability, FjallStore};
    /// use std::time::Duration;
    ///
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// let store = FjallStore::builder()
    ///     .durability(Durability::Interval(Duration::from_secs(1)))
    ///     .open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The prefix of the names of this store's keyspaces, followed by a dot: 1 to 200 characters. Default: `session`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    ///
    /// let store = FjallStore::builder().prefix("admin").open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many recently used sessions are cached in memory, in addition to the database's own cache. Zero disables the cache.
    /// Default: 10,000, which takes at most 40 MiB, and 10 MiB for large sessions.
    ///
    /// The number may be exceeded slightly. Cached sessions take at most 4 KiB each on average and 64 KiB each at most.
    /// Larger sessions share an additional quarter of that memory, at least 1 MiB, and a single one may take a quarter
    /// of this share.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    ///
    /// let store = FjallStore::builder().cache_sessions(50_000).open(path)?; // 200 MiB at most, and 50 MiB
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    pub fn cache_sessions(mut self, sessions: usize) -> Self {
        self.cache_sessions = sessions;
        self
    }

    /// The size of the database's block cache in bytes. It has no effect on a database that the application opened. Default:
    /// 32 MiB.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    ///
    /// let store = FjallStore::builder().cache_size(256 * 1024 * 1024).open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.cache_size = bytes;
        self
    }

    /// How many bytes of recent writes are kept in memory before they are written to the database's tables: at least 64 KiB.
    /// While they are being written, memory use may be twice this. fjall keeps the limit that a keyspace was created with: on an
    /// existing database a larger value has no effect. Default: 16 MiB.
    ///
    /// If the journal holds more than 1 MiB, closing the store writes the rest to tables and empties the journal, so that the
    /// next start is fast: this takes about as long as writing that many bytes twice. After a crash the next start reads the
    /// journal instead, at most 64 MiB plus this buffer, which may take several seconds.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    ///
    /// let store = FjallStore::builder().write_buffer_size(64 * 1024 * 1024).open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    pub fn write_buffer_size(mut self, bytes: u64) -> Self {
        self.write_buffer_size = bytes;
        self
    }

    /// How often expired sessions are removed in the background; with `None` only calls of
    /// [`sweep`](level_session_store::Store::sweep) remove them. An expired session is dead whether it was removed or not.
    /// Default: every minute.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    /// use std::time::Duration;
    ///
    /// let store = FjallStore::builder().sweep_every(Some(Duration::from_secs(600))).open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    pub fn sweep_every(mut self, interval: Option<Duration>) -> Self {
        self.sweep_every = interval;
        self
    }

    /// The clock of the background sweeper, for tests. Default: the system clock.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    /// use level_session_store::{Clock, Timestamp};
    ///
    /// let clock = Clock::manual(Timestamp::from_millis(0));
    /// let store = FjallStore::builder().clock(clock).open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes the commit thread execute every commit, as if each would have to wait on the calling thread. For tests.
    #[doc(hidden)]
    pub fn queue_all_commits(mut self) -> Self {
        self.queues_all = true;
        self
    }

    /// Opens the database at this path with these settings: see [`FjallStore::open`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    ///
    /// let store = FjallStore::builder().cache_sessions(0).open(path)?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`FjallStore::open`]; [`ErrorKind::Config`] for an invalid setting: the message names the setting and
    /// its range.
    pub fn open(self, path: impl AsRef<Path>) -> Result<FjallStore> {
        self.open_within(path, Duration::ZERO)
    }

    /// Opens the database at this path with these settings and waits for another process that has it open: see
    /// [`FjallStore::open_within`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sessions.db");
    /// use level_session_fjall::FjallStore;
    /// use std::time::Duration;
    ///
    /// let store = FjallStore::builder().cache_sessions(0).open_within(path, Duration::from_secs(30))?;
    /// # Ok::<(), level_session_store::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_within(self, path: impl AsRef<Path>, patience: Duration) -> Result<FjallStore> {
        let path = path.as_ref();
        make_directory(path).map_err(|cause| fault::error("create", path, cause.into()))?;
        self.check()?;
        let (prefix, cache_size) = (self.prefix.clone(), self.cache_size);
        let (cache_sessions, write_buffer) = (self.cache_sessions, self.write_buffer_size);
        let gate = Arc::new(Gate::default());
        let open = move |path: &Path| {
            let database = open_database(path, cache_size)?;
            Engine::open(
                database,
                &prefix,
                cache_sessions,
                write_buffer,
                Arc::clone(&gate),
            )
        };
        let engine = once_unlocked(patience, || open(path))?;
        self.start(Shared::new(engine, Recovery::by_path(path, open)))
    }

    /// Keeps sessions in an open database with these settings: see [`FjallStore::new`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("app.db");
    /// use level_session_fjall::FjallStore;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.db");
    /// let database = fjall::Database::builder(path).open()?;
    /// let store = FjallStore::builder().prefix("session").build(database)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`FjallStore::new`]; [`ErrorKind::Config`] for an invalid setting: the message names the setting and
    /// its range.
    pub fn build(self, database: fjall::Database) -> Result<FjallStore> {
        self.check()?;
        let engine = Engine::open(
            database,
            &self.prefix,
            self.cache_sessions,
            self.write_buffer_size,
            Arc::default(),
        )?;
        self.start(Shared::new(engine, Recovery::none()))
    }

    fn check(&self) -> Result<()> {
        let refuse = |what: &'static str| Err(Error::new(ErrorKind::Config, what));
        if !(1..=200).contains(&self.prefix.len()) {
            return refuse(
                "the prefix of the session store's keyspaces must be 1 to 200 characters long",
            );
        }
        if self.write_buffer_size < MIN_WRITE_BUFFER {
            return refuse("the session store's write buffer must be at least 64 KiB");
        }
        Ok(())
    }

    pub(super) fn start(self, shared: Shared) -> Result<FjallStore> {
        let shared = Arc::new(shared);
        let syncs = self.durability == Durability::Sync;
        let committer = Committer::start(Arc::clone(&shared), syncs)?;
        // From here on dropping the handle stops the threads, also when returning an error.
        let handle = Handle {
            shared,
            committer,
            always_queued: syncs || self.queues_all,
            workers: Workers::default(),
            closing: Mutex::default(),
        };
        if handle.shared.recovery().is_possible() {
            handle.workers.recover(Arc::clone(&handle.shared))?;
        }
        handle
            .workers
            .keep_up(Arc::clone(&handle.shared), self.write_buffer_size)?;
        if let Durability::Interval(every) = self.durability {
            handle.workers.persist(Arc::clone(&handle.shared), every)?;
        }
        if let Some(every) = self.sweep_every {
            handle
                .workers
                .sweep(Arc::clone(&handle.shared), self.clock, every)?;
        }
        Ok(FjallStore(Arc::new(handle)))
    }
}

/// Opens a database that another process may still have open, and waits up to this long. Only the sleeps are counted.
fn once_unlocked<T>(mut patience: Duration, open: impl Fn() -> Result<T>) -> Result<T> {
    loop {
        match open() {
            Err(error) if fault::is_locked(&error) && !patience.is_zero() => {
                let pause = patience.min(LOOK_AGAIN);
                thread::sleep(pause);
                patience -= pause;
            }
            opened => return opened,
        }
    }
}

pub(super) fn open_database(path: &Path, cache_size: u64) -> Result<fjall::Database> {
    folder::check(path)?;
    creation::complete(path)?;
    match open_complete(path, cache_size) {
        // Another process began to create it meanwhile, and was interrupted or has closed it.
        Ok(Err(fjall::Error::Io(cause))) if cause.kind() == io::ErrorKind::AlreadyExists => {
            creation::complete(path)?;
            open_complete(path, cache_size)
        }
        opened => opened,
    }?
    .map_err(|cause| fault::error("open", path, cause))
}

/// The inner result is fjall's; the outer error is a panic of fjall.
fn open_complete(path: &Path, cache_size: u64) -> Result<fjall::Result<fjall::Database>> {
    let database = fjall::Database::builder(path).cache_size(cache_size);
    // fjall panics on some damage of its journal and returns an error on other damage.
    catch_unwind(AssertUnwindSafe(|| database.open())).map_err(|_| fault::unreadable(path))
}

/// Creates the directory for the owner alone, and its parents with default permissions. An existing directory is kept.
/// If other users can read it, a warning is logged, because the process's umask determines the modes of fjall's files.
fn make_directory(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
        Ok(found) => {
            if is_open_to_others(&found) {
                tracing::warn!(
                    path = %path.display(),
                    "other users of this machine can read the sessions in this directory: run `chmod 700` on it"
                );
            }
            Ok(())
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|cause| match cause.kind() {
                    // Windows does not say above that the parent is a file.
                    io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
                    _ => cause,
                })?;
            }
            make_private(path)
        }
        Err(cause) => Err(cause),
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(unix)]
fn is_open_to_others(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}
