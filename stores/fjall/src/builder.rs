//! The settings of the store, and how it is opened.

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

/// When a commit is on disk. See [`FjallStore`] for what survives what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// When the operating system gets to it: the default.
    #[default]
    Buffer,
    /// Before it is answered. Concurrent commits share one fsync.
    Sync,
    /// At the latest after this time, by an fsync at intervals. Commits wait for it while it lasts.
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

/// How often to look whether a database was closed that another process has open.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The least that is of use as a write buffer: a few large commits.
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
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// What the names of our keyspaces begin with, before a dot: 1 to 200 characters. Default: `session`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many recently used sessions are kept in memory, beside the database's own cache: a little more than this
    /// at most, with 4 KiB each on average at most and 64 KiB in one. Larger ones may take a quarter of that memory in
    /// addition, 1 MiB at least, and one of them a quarter of this. None with zero. Default: 10,000, which is 40 MiB and
    /// 10 MiB at most.
    pub fn cache_sessions(mut self, sessions: usize) -> Self {
        self.cache_sessions = sessions;
        self
    }

    /// The size of the database's block cache in bytes; of no effect on a database that the application opened.
    /// Default: 32 MiB.
    pub fn cache_size(mut self, bytes: u64) -> Self {
        self.cache_size = bytes;
        self
    }

    /// How many bytes of what was written last are kept in memory before they are written to the database's tables: at
    /// least 64 KiB. While they are, as much again may be in use. fjall keeps the limit that a keyspace was made with: on
    /// a database that is there already, a larger one is of no effect. Default: 16 MiB.
    ///
    /// Closing writes the rest to tables and empties the journal, if there is more than 1 MiB in it, so that the next
    /// start is short: that takes about as long as writing so many bytes twice. After a kill the next start reads the
    /// journal instead, 64 MiB and these bytes at most, which may take some seconds.
    pub fn write_buffer_size(mut self, bytes: u64) -> Self {
        self.write_buffer_size = bytes;
        self
    }

    /// How often dead sessions are removed in the background; `None` leaves it to those who call
    /// [`sweep`](level_session_store::Store::sweep). A session that has expired is dead whether it was removed or not.
    /// Default: every minute.
    pub fn sweep_every(mut self, interval: Option<Duration>) -> Self {
        self.sweep_every = interval;
        self
    }

    /// Where sweeping in the background takes the time from. Default: the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Has the commit thread carry out every commit, as if each would have to wait where it was called. For tests.
    #[doc(hidden)]
    pub fn queue_all_commits(mut self) -> Self {
        self.queues_all = true;
        self
    }

    /// As [`FjallStore::open`], with these settings.
    ///
    /// # Errors
    /// As [`FjallStore::open`]; [`ErrorKind::Config`] for a setting that cannot be used.
    pub fn open(self, path: impl AsRef<Path>) -> Result<FjallStore> {
        self.open_within(path, Duration::ZERO)
    }

    /// As [`FjallStore::open_within`], with these settings.
    ///
    /// # Errors
    /// As [`open`](Self::open).
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

    /// As [`FjallStore::new`], with these settings.
    ///
    /// # Errors
    /// As [`FjallStore::new`]; [`ErrorKind::Config`] for a setting that cannot be used.
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
                "the prefix of the session store's keyspaces must have 1 to 200 characters",
            );
        }
        if self.write_buffer_size < MIN_WRITE_BUFFER {
            return refuse("the session store's write buffer must have at least 64 KiB");
        }
        Ok(())
    }

    pub(super) fn start(self, shared: Shared) -> Result<FjallStore> {
        let shared = Arc::new(shared);
        let syncs = self.durability == Durability::Sync;
        let committer = Committer::start(Arc::clone(&shared), syncs)?;
        // From here on the handle ends the threads when it is dropped, also on the way out with an error.
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

/// Opens what another process may have open, which closes it within this time. Time is counted by what was slept.
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
        // Another process began to create it in the moment between, and was cut off or has closed it.
        Ok(Err(fjall::Error::Io(cause))) if cause.kind() == io::ErrorKind::AlreadyExists => {
            creation::complete(path)?;
            open_complete(path, cache_size)
        }
        opened => opened,
    }?
    .map_err(|cause| fault::error("open", path, cause))
}

/// An error of fjall's within, and outside where it panicked.
fn open_complete(path: &Path, cache_size: u64) -> Result<fjall::Result<fjall::Database>> {
    let database = fjall::Database::builder(path).cache_size(cache_size);
    // fjall panics on some damage of its journal where it answers an error on other.
    catch_unwind(AssertUnwindSafe(|| database.open())).map_err(|_| fault::unreadable(path))
}

/// Makes the directory for the owner alone, and its parents as they come. One that is there stays as it is, and is
/// spoken of if others may look into it: fjall's files have the modes that the process's umask leaves.
fn make_directory(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
        Ok(found) => {
            if is_open_to_others(&found) {
                tracing::warn!(
                    path = %path.display(),
                    "other users of this machine may read the sessions in this directory: `chmod 700` it"
                );
            }
            Ok(())
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
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
