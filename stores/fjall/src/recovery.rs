//! Going on after a disk that was full, or failed for a while, without a restart (requirement F09).
//!
//! After a write that failed fjall takes no more: what is on the disk is uncertain. What it does when it is opened
//! makes it certain again (a commit of which half was written is cut off), so the store lets go of the database and
//! opens it anew, as soon as the disk takes something. That needs a store that has opened the database itself.
//!
//! Nothing that was acknowledged is lost by it. The one commit that met the fault was answered with an error, and may
//! be stored all the same, whole: what was in fjall's buffer then goes to the disk when the database is let go of.

use super::{engine::Engine, fault};
use level_session_store::{Error, ErrorKind, Result};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// How to open the database again.
type Open = dyn Fn(&Path) -> Result<Engine> + Send + Sync;

/// What a disk must take before the database is opened again: more than a commit.
static TRIAL: [u8; 64 * 1024] = [b' '; 64 * 1024];
pub(super) const TRIAL_NAME: &str = "session-store-trial";

/// Whether the database takes no more, and what to do then.
pub(super) struct Recovery {
    is_due: AtomicBool,
    path: PathBuf,
    open: Option<Box<Open>>,
}

impl Recovery {
    /// For a store that has opened the database at this path itself.
    pub(super) fn by_path(
        path: &Path,
        open: impl Fn(&Path) -> Result<Engine> + Send + Sync + 'static,
    ) -> Self {
        Self {
            is_due: AtomicBool::new(false),
            path: path.to_owned(),
            open: Some(Box::new(open)),
        }
    }

    /// For a database that is the application's: it must be opened again by whoever opened it.
    pub(super) fn none() -> Self {
        Self {
            is_due: AtomicBool::new(false),
            path: PathBuf::new(),
            open: None,
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Acquire)
    }

    /// Looks whether an error means that the database takes no more.
    pub(super) fn note(&self, error: &Error) {
        if self.open.is_some() && fault::is_final(error) {
            self.is_due.store(true, Ordering::Release);
        }
    }

    /// Whether the disk takes something again.
    pub(super) fn try_the_disk(&self) -> Result<()> {
        let path = self.path.join(TRIAL_NAME);
        let write = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(&TRIAL)?;
            file.sync_data()
        };
        let written = write();
        let removed = match fs::remove_file(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        written
            .and(removed)
            .map_err(|cause| fault::error("write to", &self.path, cause.into()))
    }

    /// Opens the database again.
    pub(super) fn open(&self) -> Result<Engine> {
        let Some(open) = &self.open else {
            return Err(Self::lost());
        };
        let engine = open(&self.path)?;
        self.is_due.store(false, Ordering::Release);
        tracing::warn!(path = %self.path.display(), "the session store works again: its database was opened anew");
        Ok(engine)
    }

    pub(super) fn lost() -> Error {
        Error::new(
            ErrorKind::Store,
            "the session store's database failed and could not be opened again yet",
        )
    }
}
