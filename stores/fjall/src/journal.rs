//! Empties the journal at a clean close, so that the next start has nothing to replay.
//!
//! fjall reads its whole journal when it opens a database, including entries that are in tables by then, and begins a
//! new one only at 64 MB. When a store is closed and all its data is in tables, every entry of the journal is
//! redundant: this does with the current journal what fjall does with a former one. Only its length is changed, and
//! only while the database's lock is held and no other process has opened the database in between.

use super::{creation, folder};
use std::{
    fs::{Metadata, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// The journal size from which a close empties it: a shorter one is read within milliseconds, and a table for each of
/// many restarts would have to be compacted.
const WORTH_IT: u64 = 1024 * 1024;

/// A journal all of whose entries are also in tables.
pub(super) struct Superfluous {
    journal: PathBuf,
    length: u64,
}

/// Whether the journal of a database is so long that a start takes long.
pub(super) fn is_long(root: &Path) -> bool {
    let sizes = journals(root)
        .into_iter()
        .map(|(_, found)| allocated(&found));
    sizes.sum::<u64>() >= WORTH_IT
}

/// The current journal of a database, all of whose entries are also in tables: `None` if there are several.
pub(super) fn superfluous(root: &Path) -> Option<Superfluous> {
    let mut journals = journals(root);
    let (journal, found) = journals.pop()?;
    let length = found.len();
    journals
        .is_empty()
        .then_some(Superfluous { journal, length })
}

impl Superfluous {
    /// Empties it, once the database was released. If another process has opened it meanwhile, it is kept: opening a
    /// database truncates preallocated space, or adds to the journal, so that its length has changed.
    pub(super) fn empty(self, root: &Path) -> io::Result<()> {
        let Ok(_lock) = creation::lock(root) else {
            return Ok(()); // another process has the database open
        };
        // By its name: if the directory was opened with a relative path, fjall reports the absolute one.
        let is_the_same = superfluous(root).is_some_and(|now| {
            now.journal.file_name() == self.journal.file_name() && now.length == self.length
        });
        if is_the_same {
            let journal = OpenOptions::new().write(true).open(&self.journal)?;
            journal.set_len(0)?;
            journal.sync_all()?;
        }
        Ok(())
    }
}

fn journals(root: &Path) -> Vec<(PathBuf, Metadata)> {
    let entries = folder::entries(root, root).unwrap_or_default().into_iter();
    entries
        .filter(|entry| folder::is_a_journal_by_name(&entry.file_name()))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .collect()
}

/// The bytes that a file takes on the disk: fjall allocates its journals longer than their content.
#[cfg(unix)]
fn allocated(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(found) * 512
}

#[cfg(not(unix))]
fn allocated(found: &Metadata) -> u64 {
    found.len()
}
