//! Completes a database whose creation was interrupted, or that was restored without its lock file. Refuses one whose
//! tables are gone.
//!
//! fjall writes the file that marks a database last. If the process is killed before that, fjall can neither open the
//! directory, since this marker is missing or too short, nor create a database in it, since a journal exists. Writing
//! the marker is enough: fjall then opens the existing parts and creates the others. Nothing is ever removed. If the
//! directory contains anything that an interrupted creation cannot leave, nothing is written either.

use super::{fault, folder};
use level_session_store::{Error, ErrorKind, Result};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::Path,
};

/// The content of fjall's marker: a test compares it with fjall's own.
pub(super) const MARK: [u8; 4] = *b"FJL\x03";
const MARKER: &str = "version";

/// Completes the creation of a database at this path if one was begun. Holds the database's lock meanwhile, like a
/// process that creates one.
pub(super) fn complete(root: &Path) -> Result<()> {
    if !is_begun(root)? {
        refuse_lost_tables(root)?;
        return restore_lock(root);
    }
    let lock = lock(root)?;
    // Another process may have been faster.
    if is_begun(root)? {
        if let Some(doubt) = doubt(root)? {
            return Err(refusal(root, doubt));
        }
        finish(root).map_err(|cause| fault::error("create", root, cause.into()))?;
        tracing::warn!(
            path = %root.display(),
            "an interrupted creation of a session store was completed"
        );
    }
    drop(lock);
    Ok(())
}

/// fjall would open a database whose tables are gone as an empty one, and forget its journal.
fn refuse_lost_tables(root: &Path) -> Result<()> {
    if root.join(folder::KEYSPACES).exists() || is_without_entries(root)? {
        return Ok(());
    }
    let message = format!(
        "cannot open the session store at {}: its folder `{}` is missing, although its journal has entries; nothing was changed: restore a backup of the whole folder, or move the folder away to start with an empty store",
        root.display(),
        folder::KEYSPACES
    );
    Err(Error::new(ErrorKind::Store, message))
}

/// Creates the lock file of a complete database if it is missing: a backup may have left it out. It is empty.
fn restore_lock(root: &Path) -> Result<()> {
    let exists = |name| root.join(name).exists();
    if exists(MARKER) && !exists(folder::LOCK) {
        lock(root)?;
    }
    Ok(())
}

/// Whether parts of a database exist, and its marker is missing or truncated.
fn is_begun(root: &Path) -> Result<bool> {
    match fs::read(root.join(MARKER)) {
        // After a power cut a file may have its length, with zeros in place of unwritten data.
        Ok(mark) => {
            let is_empty = mark.len() <= MARK.len() && mark.iter().all(|byte| *byte == 0);
            Ok(is_empty || (mark.len() < MARK.len() && MARK.starts_with(&mark)))
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(!journals(root)?.is_empty()
            || !folder::entries(root, &root.join(folder::KEYSPACES))?.is_empty()),
        Err(cause) => Err(fault::error("open", root, cause.into())),
    }
}

/// Anything in the directory that an interrupted creation cannot have left.
fn doubt(root: &Path) -> Result<Option<&'static str>> {
    if !folder::entries(root, &root.join(folder::KEYSPACES))?.is_empty() {
        return Ok(Some("the folder contains tables"));
    }
    if journals(root)?.iter().any(|name| name != "0.jnl") {
        return Ok(Some("the folder contains journals other than `0.jnl`"));
    }
    Ok((!is_without_entries(root)?).then_some("the journal has entries"))
}

/// Whether the journals have no entries, or there are none.
fn is_without_entries(root: &Path) -> Result<bool> {
    for name in journals(root)? {
        let empty = File::open(root.join(name)).and_then(is_all_zeros);
        if !empty.map_err(|cause| fault::error("read the journal of", root, cause.into()))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn journals(root: &Path) -> Result<Vec<std::ffi::OsString>> {
    let entries = folder::entries(root, root)?.into_iter();
    let names = entries.map(|entry| entry.file_name());
    Ok(names
        .filter(|name| folder::is_a_journal_by_name(name))
        .collect())
}

fn is_all_zeros(mut file: File) -> io::Result<bool> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(true),
            read if buffer[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// Locks the database as fjall does.
pub(super) fn lock(root: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(root.join(folder::LOCK))
        .map_err(|cause| fault::error("lock", root, cause.into()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(fault::error("open", root, fjall::Error::Locked)),
        Err(TryLockError::Error(cause)) => Err(fault::error("lock", root, cause.into())),
    }
}

fn finish(root: &Path) -> io::Result<()> {
    let keyspaces = root.join(folder::KEYSPACES);
    fs::create_dir_all(&keyspaces)?;
    sync_directory(&keyspaces)?;
    let mut marker = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(root.join(MARKER))?;
    marker.write_all(&MARK)?;
    marker.sync_all()?;
    sync_directory(root)
}

/// Makes new entries of a directory survive a power cut.
fn sync_directory(path: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(path)?.sync_all(),
        false => Ok(()),
    }
}

fn refusal(root: &Path, doubt: &str) -> Error {
    let message = format!(
        "cannot open the session store at {}: its file `{MARKER}` is missing or truncated, although {doubt}; nothing was changed: restore that file or a backup of the folder, or move the folder away to start with an empty store",
        root.display()
    );
    Error::new(ErrorKind::Store, message)
}
