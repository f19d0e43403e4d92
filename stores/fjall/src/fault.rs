//! Error messages that say where and what to do; and a store's claim on its keyspaces.

use level_session_store::{Error, ErrorKind, Result};
use std::{
    collections::HashSet,
    error::Error as StdError,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The keyspaces in this process for which a store is open.
static CLAIMED: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// The location of a store, and its exclusive claim on it: two stores would not know of each other's locks. fjall
/// excludes other processes; this claim excludes a second store over one `Database`.
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
                    "a session store is already open at {}: share it, or use another prefix for this one",
                    path.display()
                ),
            ));
        }
        // A keyspace is a directory within the database's directory.
        let database = path.ancestors().nth(2).unwrap_or(path);
        Ok(Self {
            keyspace: path.to_owned(),
            database: database.to_owned(),
        })
    }

    /// The directory of the database.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// An error of the database during an operation.
    pub(super) fn error(&self, doing: &str, cause: fjall::Error) -> Error {
        error(doing, &self.database, cause)
    }

    /// Bytes that the store has not written. They are left in place for inspection.
    pub(super) fn damaged(&self, what: String, why: &'static str) -> Error {
        let message = format!(
            "{what} in the session store at {} is damaged: {why}; nothing was changed",
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

/// An error of the database at `path` during an operation.
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

/// Whether the database accepts no more writes after this error: it must be opened again.
pub(super) fn is_final(cause: &fjall::Error) -> bool {
    matches!(
        cause,
        fjall::Error::Poisoned
            | fjall::Error::Io(_)
            | fjall::Error::Storage(fjall::LsmError::Io(_))
    )
}

/// Whether another process, or another store of this process, has the database open.
pub(super) fn is_locked(error: &Error) -> bool {
    let cause = StdError::source(error).and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(fjall::Error::Locked))
}

/// fjall could not open the files at `path`.
pub(super) fn unreadable(path: &Path) -> Error {
    let message = format!(
        "cannot open the session store at {}: its files are damaged, and nothing was changed; restore a backup, or move them away to start with an empty store",
        path.display()
    );
    Error::new(ErrorKind::Store, message)
}

/// A keyspace could not be opened or created.
pub(super) fn keyspace(name: &str, cause: fjall::Error) -> Error {
    let hint = hint(&cause);
    Error::store(
        format!("cannot open the keyspace `{name}` of the session store{hint}"),
        cause,
    )
}

/// A keyspace that existed is gone: its files were lost, or restored in part.
pub(super) fn lost(name: &str) -> Error {
    let message = format!(
        "cannot open the session store: its keyspace `{name}` is missing, although the others exist; restore a backup of the whole folder, or move the folder away to start with an empty store"
    );
    Error::new(ErrorKind::Store, message)
}

fn hint(cause: &fjall::Error) -> &'static str {
    match cause {
        fjall::Error::Locked => ": another process, or another store of this process, has it open",
        fjall::Error::Poisoned => {
            ": an earlier write failed (is the disk full, or not writable?), so the on-disk state is uncertain and further writes are refused; a store that opened the database itself recovers when the cause is fixed, otherwise open the database again"
        }
        fjall::Error::InvalidVersion(_) => {
            ": it was written by another version of fjall, or its file `version` is damaged; restore a backup of the folder"
        }
        fjall::Error::KeyspaceDeleted => ": one of its keyspaces was deleted",
        fjall::Error::Io(cause) | fjall::Error::Storage(fjall::LsmError::Io(cause)) => {
            io_hint(cause)
        }
        // What fjall could not decode.
        _ => {
            ": its files are damaged; restore a backup of the folder, or move the folder away to start with an empty store"
        }
    }
}

fn io_hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": the disk is full; make room"
        }
        io::ErrorKind::PermissionDenied => {
            ": permission denied; the folder and all its files must belong to the user of this process (`chown -R`)"
        }
        io::ErrorKind::ReadOnlyFilesystem => ": the file system is read-only",
        io::ErrorKind::NotADirectory => ": there is a file where a directory should be",
        _ => "",
    }
}
