//! What goes wrong, in words that say where and what to do; and the claim that one store has on its keyspaces.

use level_session_store::{Error, ErrorKind, Result};
use std::{
    collections::HashSet,
    error::Error as StdError,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The places of this process that a store is open at.
static CLAIMED: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// Where a store is, and its claim to be the only one there: two of them would not know of each other's locks.
/// fjall keeps other processes out, and this keeps out a second store over one `Database`.
pub(super) struct Place {
    keyspace: PathBuf,
    database: PathBuf,
}

impl Place {
    pub(super) fn claim(path: &Path) -> Result<Self> {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        if !claimed.get_or_insert_default().insert(path.to_owned()) {
            return Err(Error::new(
                ErrorKind::Store,
                format!(
                    "a session store is open at {} already: share that one, or give this one another prefix",
                    path.display()
                ),
            ));
        }
        // A keyspace is a directory in a directory of the database's.
        let database = path.ancestors().nth(2).unwrap_or(path);
        Ok(Self {
            keyspace: path.to_owned(),
            database: database.to_owned(),
        })
    }

    /// The folder of the database.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// An error of the database while we were `doing` something.
    pub(super) fn error(&self, doing: &str, cause: fjall::Error) -> Error {
        error(doing, &self.database, cause)
    }

    /// Bytes that are not what we wrote. They stay as they are for somebody to look into.
    pub(super) fn damaged(&self, what: String, why: &'static str) -> Error {
        let message = format!(
            "{what} in the session store at {} is damaged: {why}; it is left as it is",
            self.database.display()
        );
        Error::new(ErrorKind::Store, message)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.get_or_insert_default().remove(&self.keyspace);
    }
}

/// An error of the database at `path` while we were `doing` something.
pub(super) fn error(doing: &str, path: &Path, cause: fjall::Error) -> Error {
    let hint = hint(&cause);
    Error::store(
        format!(
            "cannot {doing} the session store at {}{hint}",
            path.display()
        ),
        cause,
    )
}

/// Whether the database takes no more after this error of a write: it must be opened again.
pub(super) fn is_final(cause: &fjall::Error) -> bool {
    matches!(
        cause,
        fjall::Error::Poisoned
            | fjall::Error::Io(_)
            | fjall::Error::Storage(fjall::LsmError::Io(_))
    )
}

/// Whether another process has the database open, or another store of this one.
pub(super) fn is_locked(error: &Error) -> bool {
    let cause = StdError::source(error).and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(fjall::Error::Locked))
}

/// The database gave up on what it found at `path`.
pub(super) fn unreadable(path: &Path) -> Error {
    let message = format!(
        "cannot open the session store at {}: its files are damaged and are left as they are; \
         put a copy in their place, or move them away and begin anew",
        path.display()
    );
    Error::new(ErrorKind::Store, message)
}

fn hint(cause: &fjall::Error) -> &'static str {
    match cause {
        fjall::Error::Locked => ": another process has it open, or another store of this one",
        fjall::Error::Poisoned => {
            ": an earlier write failed (a full disk?), so what is on it is uncertain and no more is taken; \
             it works again when the cause is gone, if the store has opened the database itself; else open it again"
        }
        fjall::Error::InvalidVersion(_) => ": it was written by another version of fjall",
        fjall::Error::KeyspaceDeleted => ": one of its keyspaces was deleted",
        fjall::Error::Io(cause) | fjall::Error::Storage(fjall::LsmError::Io(cause)) => {
            io_hint(cause)
        }
        _ => "",
    }
}

fn io_hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": the disk is full; make room"
        }
        io::ErrorKind::PermissionDenied => ": this user may not read or write there",
        io::ErrorKind::ReadOnlyFilesystem => ": the file system is read-only",
        io::ErrorKind::NotADirectory => ": there is a file where a directory should be",
        _ => "",
    }
}
