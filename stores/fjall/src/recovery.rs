//! Going on after a disk that was full, or failed for a while, without a restart (requirement F09).
//!
//! After a write that failed fjall takes no more: what is on the disk is uncertain. What it does when it is opened
//! makes it certain again (a commit of which half was written is cut off), so the store lets go of the database and
//! opens it anew, as soon as the disk takes something. That needs a store that has opened the database itself.
//!
//! Nothing that was acknowledged is lost by it. The one commit that met the fault was answered with an error, and may
//! be stored all the same, whole: what was in fjall's buffer then goes to the disk when the database is let go of.
//!
//! A thread of its own does it, so that no call waits for it. Reads go on meanwhile, over the database that takes no
//! more: it is let go of only where nothing that can be known beforehand speaks against opening it again. Whoever
//! cannot read something gets an error, and nothing more follows from that. Writes are refused until the database is
//! open. Where it fails again soon after, the next attempt comes later.

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

/// What the disk must accept before the database is opened again: more than a commit.
static TRIAL: [u8; 64 * 1024] = [b' '; 64 * 1024];
pub(super) const TRIAL_NAME: &str = "session-store-trial";
/// How many files must be open at once before the database is opened again: fjall has some for itself, and more where
/// there are many tables; those it gives back.
const FILES: usize = 32;

/// How long to wait after an attempt that failed; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long to wait before the first attempt where the last one did not hold; twice as long after each further one.
const REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(300);
/// After this time it has held.
const HOLDS: Duration = Duration::from_secs(60);
/// How often the log tells of an outage that lasts.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Whether the database takes no more, and what to do then.
pub(super) struct Recovery {
    is_due: AtomicBool,
    /// How many writes were refused since it is.
    refused: AtomicU64,
    path: PathBuf,
    open: Option<Box<Open>>,
    is_stopped: Mutex<bool>,
    wake: Condvar,
    /// How often it was looked whether the database can be opened again.
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

    /// For a database of the application, which the application must open again.
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

    /// Whether the store can open its database again.
    pub(super) fn is_possible(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Acquire)
    }

    /// The database takes no more because of this error of a write.
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

    /// The error of a write that is refused.
    pub(super) fn refuse(&self) -> Error {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let message = format!(
            "the session store at {} refuses writes: an earlier write failed (disk full?); it recovers when the cause is fixed",
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

    /// Looks for what would keep the database from being opened, as far as that can be known while it is open: whether
    /// the disk takes something, whether there are file descriptors, and whether what is read then can be read.
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

    /// Ends the thread that attends to it, and every outage.
    pub(super) fn stop(&self) {
        *self.lock() = true;
        self.is_due.store(false, Ordering::Release);
        self.wake.notify_all();
    }

    /// Waits until there is something to do, at most for so long. Whether there is; `None` when the store is closed.
    fn is_due_within(&self, time: Duration) -> Option<bool> {
        let stopped = self.lock();
        let (stopped, _) = self
            .wake
            .wait_timeout_while(stopped, time, |stopped| !*stopped && !self.is_due())
            .unwrap_or_else(PoisonError::into_inner);
        (!*stopped).then(|| self.is_due())
    }

    /// Waits for so long. Whether the store was closed meanwhile.
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

/// Opens the database anew whenever it takes no more, until the store is closed.
pub(super) fn attend(shared: &Shared) {
    let recovery = shared.recovery();
    let mut rest = Duration::ZERO;
    loop {
        match recovery.is_due_within(HOLDS) {
            None => return,
            Some(false) => {
                rest = Duration::ZERO; // it has held
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
