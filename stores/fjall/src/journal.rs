//! Emptying the journal at a clean close, so that the next start has nothing to read there.
//!
//! fjall reads its whole journal when it opens a database, also what is in tables by then, and begins another one only
//! at 64 MB. When a store is closed and all that it has is in tables, every entry of the journal is there once more: what
//! fjall does with a former journal then, it does with the present one here. Only its length is changed, and only while
//! the database's lock is held and nobody has opened the database in between.

use super::{creation, folder};
use std::{
    fs::{Metadata, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// From so many bytes in the journal on a close takes the trouble: fewer are read in some milliseconds, and a table for
/// each of many restarts would have to be compacted.
const WORTH_IT: u64 = 1024 * 1024;

/// A journal all of whose entries are in tables as well.
pub(super) struct Superfluous {
    journal: PathBuf,
    length: u64,
}

/// Whether there is so much in the journal of a database that a start takes long.
pub(super) fn is_long(root: &Path) -> bool {
    let sizes = journals(root)
        .into_iter()
        .map(|(_, found)| allocated(&found));
    sizes.sum::<u64>() >= WORTH_IT
}

/// The journal of a database at this moment, in which all that is in it is also in tables: `None` if there are several.
pub(super) fn superfluous(root: &Path) -> Option<Superfluous> {
    let mut journals = journals(root);
    let (journal, found) = journals.pop()?;
    let length = found.len();
    journals
        .is_empty()
        .then_some(Superfluous { journal, length })
}

impl Superfluous {
    /// Empties it, when the database was let go of. Where another process has opened it meanwhile, it stays: whoever
    /// opens a database cuts off what was prepared for more, or adds to it, so that it has another length.
    pub(super) fn empty(self, root: &Path) -> io::Result<()> {
        let Ok(_lock) = creation::lock(root) else {
            return Ok(()); // another process has it
        };
        // By its name: of a folder that was opened by a relative path, fjall tells the absolute one.
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

/// The bytes that a file takes on the disk: fjall makes its journals longer than their content.
#[cfg(unix)]
fn allocated(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(found) * 512
}

#[cfg(not(unix))]
fn allocated(found: &Metadata) -> u64 {
    found.len()
}
