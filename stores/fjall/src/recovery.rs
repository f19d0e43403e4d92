//! Recovers from a disk that was full, or failed for a while, without a restart (requirement F09).
//!
//! After a failed write fjall accepts no more: the on-disk state is uncertain. Opening the database makes it certain
//! again (a commit that was half written is truncated), so the store releases the database and reopens it, as soon as
//! the disk accepts writes. This requires that the store opened the database itself.
//!
//! Nothing that was acknowledged is lost by it. The one commit that met the fault returned an error, and may be stored
//! all the same, whole: data in fjall's buffer then is written when the database is released.
//!
//! A separate thread does this, so that no call waits for it. Reads continue meanwhile on the failed database: it is
//! released only if nothing that can be checked beforehand prevents opening it again. A read that fails returns an
//! error and has no other consequence. Writes are refused until the database is open. If it fails again soon after, the
//! next attempt is made later.

use super::{engine::Engine, fault, folder, shared::Shared};
use level_session_store::{Error, ErrorKind, Result};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How to open the database again.
type Open = dyn Fn(&Path) -> Result<Engine> + Send + Sync;

/// How much the disk must accept before the database is reopened: more than a commit.
static TRIAL: [u8; 64 * 1024] = [b' '; 64 * 1024];
pub(super) const TRIAL_NAME: &str = "session-store-trial";
/// How many files must be available before the database is reopened: fjall needs some for itself, and more if there are
/// many tables; releasing the database returns those.
const FILES: usize = 32;

/// The delay after a failed attempt; doubled after each further one.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The delay before the first attempt if the last recovery did not last; doubled after each further one.
const REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(300);
/// After this time a recovery counts as lasting.
const HOLDS: Duration = Duration::from_secs(60);
/// How often a lasting outage is logged.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Whether the database accepts no more writes, and what to do then.
pub(super) struct Recovery {
    is_due: AtomicBool,
    /// The number of writes refused since then.
    refused: AtomicU64,
    path: PathBuf,
    open: Option<Box<Open>>,
    is_stopped: Mutex<bool>,
    wake: Condvar,
    /// The number of checks whether the database can be reopened.
    #[cfg(test)]
    pub(super) attempts: AtomicU64,
}

impl Recovery {
    /// For a store that has opened the database at this path itself.
    pub(super) fn by_path(
        path: &Path,
        open: impl Fn(&Path) -> Result<Engine> + Send + Sync + 'static,
    ) -> Self {
        Self::new(path, Some(Box::new(open)))
    }

    /// For a database of the application, which the application must reopen.
    pub(super) fn none() -> Self {
        Self::new(Path::new(""), None)
    }

    fn new(path: &Path, open: Option<Box<Open>>) -> Self {
        Self {
            is_due: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            path: path.to_owned(),
            open,
            is_stopped: Mutex::new(false),
            wake: Condvar::new(),
            #[cfg(test)]
            attempts: AtomicU64::new(0),
        }
    }

    /// Whether the store can reopen its database.
    pub(super) fn is_possible(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Acquire)
    }

    /// The database accepts no more writes because of this error.
    pub(super) fn begin(&self, error: &Error) {
        let stopped = self.lock();
        if !self.is_possible() || *stopped || self.is_due.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::error!(
            path = %self.path.display(),
            error = error as &dyn std::error::Error,
            "the session store refuses writes until its database is reopened; reads continue"
        );
        self.wake.notify_all();
    }

    /// The error of a refused write.
    pub(super) fn refuse(&self) -> Error {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let message = format!(
            "the session store at {} refuses writes: an earlier write failed (is the disk full, or not writable?); it recovers when the cause is fixed",
            self.path.display()
        );
        Error::new(ErrorKind::Store, message)
    }

    /// The error of calls while the database is being closed.
    pub(super) fn lost(&self) -> Error {
        let message = format!(
            "the session store at {} is reopening its database after a failed write",
            self.path.display()
        );
        Error::new(ErrorKind::Store, message)
    }

    /// Checks for problems that would prevent reopening the database, as far as they can be detected while it is open:
    /// whether the disk accepts writes, whether there are file descriptors, and whether the files that opening reads
    /// are readable.
    pub(super) fn rehearse(&self) -> Result<()> {
        #[cfg(test)]
        self.attempts.fetch_add(1, Ordering::SeqCst);
        let path = self.path.join(TRIAL_NAME);
        let write = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(&TRIAL)?;
            file.sync_data()?;
            let files: io::Result<Vec<_>> = (0..FILES).map(|_| File::open(&path)).collect();
            files.map(drop)
        };
        let written = write();
        let removed = match fs::remove_file(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        written
            .and(removed)
            .map_err(|cause| fault::error("write to", &self.path, cause.into()))?;
        folder::read_through(&self.path)
    }

    /// Opens the database again.
    pub(super) fn open(&self) -> Result<Engine> {
        match &self.open {
            Some(open) => open(&self.path),
            None => Err(self.lost()),
        }
    }

    /// Stops the recovery thread, and ends every outage.
    pub(super) fn stop(&self) {
        *self.lock() = true;
        self.is_due.store(false, Ordering::Release);
        self.wake.notify_all();
    }

    /// Waits until there is something to do, at most for this long. Returns whether there is; `None` when the store is
    /// closed.
    fn is_due_within(&self, time: Duration) -> Option<bool> {
        let stopped = self.lock();
        let (stopped, _) = self
            .wake
            .wait_timeout_while(stopped, time, |stopped| !*stopped && !self.is_due())
            .unwrap_or_else(PoisonError::into_inner);
        (!*stopped).then(|| self.is_due())
    }

    /// Waits for this long. Returns whether the store was closed meanwhile.
    fn is_stopped_within(&self, time: Duration) -> bool {
        let stopped = self.lock();
        let (stopped, _) = self
            .wake
            .wait_timeout_while(stopped, time, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *stopped
    }

    /// The database is open again.
    fn end(&self) {
        self.is_due.store(false, Ordering::Release);
        tracing::warn!(
            path = %self.path.display(),
            refused = self.refused.swap(0, Ordering::Relaxed),
            "the session store accepts writes again: its database was reopened"
        );
    }

    fn tell(&self, error: &Error) {
        tracing::error!(
            path = %self.path.display(),
            refused = self.refused.load(Ordering::Relaxed),
            error = error as &dyn std::error::Error,
            "the session store still refuses writes; this is logged at most once a minute"
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.is_stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reopens the database whenever it accepts no more writes, until the store is closed.
pub(super) fn attend(shared: &Shared) {
    let recovery = shared.recovery();
    let mut rest = Duration::ZERO;
    loop {
        match recovery.is_due_within(HOLDS) {
            None => return,
            Some(false) => {
                rest = Duration::ZERO; // the recovery has lasted
                continue;
            }
            Some(true) => {}
        }
        let (mut wait, mut pause, mut silent) = (rest, PAUSE, Duration::ZERO);
        loop {
            if recovery.is_stopped_within(wait) {
                return;
            }
            silent += wait;
            match shared.reopen() {
                Ok(()) => break,
                Err(error) if silent >= TELL_EVERY => {
                    silent = Duration::ZERO;
                    recovery.tell(&error);
                }
                Err(_) => {}
            }
            wait = pause;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        recovery.end();
        rest = (rest * 2).clamp(REST, LONGEST_REST);
    }
}
