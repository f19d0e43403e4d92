//! Checks the directory of a database before fjall opens it (requirement F14).
//!
//! fjall takes every entry of some directories for its own: at a name that it cannot parse it fails without a hint, or
//! panics while it holds a lock, which ends the process. File servers, desktops and people leave such entries.

use super::{fault, recovery::TRIAL_NAME};
use level_session_store::{Error, ErrorKind, Result};
use std::{
    ffi::OsStr,
    fs::{self, DirEntry, File},
    io::{self, Read as _, Seek as _},
    path::Path,
};

pub(super) const KEYSPACES: &str = "keyspaces";
pub(super) const LOCK: &str = "lock";
/// In the directory of each keyspace; the second exists if an application separates large values.
const TABLES: [&str; 2] = ["tables", "blobs"];
/// In the directory of each keyspace, once it is created.
const MANIFEST: &str = "current";

/// Returns an error for a directory with an entry that fjall could not handle, or would remove as its own. Harmless
/// foreign entries are logged.
pub(super) fn check(root: &Path) -> Result<()> {
    look_through(root, tell)
}

fn look_through(root: &Path, ignored: impl Fn(&Path, &DirEntry) + Copy) -> Result<()> {
    for entry in entries(root, root)? {
        let name = entry.file_name();
        if is_a_journal_by_name(&name) {
            let is_file = is(&entry, fs::FileType::is_file);
            require(root, &entry, is_file && is_a_journal(&name))?;
        } else if name.to_str().is_none() {
            return Err(foreign(root, &entry));
        } else if !["version", LOCK, KEYSPACES, TRIAL_NAME, "lost+found"]
            .map(OsStr::new)
            .contains(&&*name)
        {
            ignored(root, &entry);
        }
    }
    for entry in entries(root, &root.join(KEYSPACES))? {
        if is(&entry, fs::FileType::is_file) {
            ignored(root, &entry); // fjall skips it
            continue;
        }
        require(
            root,
            &entry,
            is_a_number(&entry.file_name()) && entry.path().is_dir(),
        )?;
        check_keyspace(root, &entry.path(), ignored)?;
    }
    Ok(())
}

fn check_keyspace(root: &Path, keyspace: &Path, ignored: impl Fn(&Path, &DirEntry)) -> Result<()> {
    let is_made = keyspace.join(MANIFEST).exists();
    for entry in entries(root, keyspace)? {
        let name = entry.file_name();
        if TABLES.map(OsStr::new).contains(&&*name) {
            for table in entries(root, &entry.path())? {
                let name = table.file_name();
                let is_passed_over =
                    name == ".DS_Store" || name.to_string_lossy().starts_with("._");
                require(
                    root,
                    &table,
                    is_passed_over || (is_a_number(&name) && !table.path().is_dir()),
                )?;
            }
        } else if !is_of_a_manifest(&name) {
            // fjall removes keyspaces whose creation did not complete, with all their content, and every file that is
            // named like a former manifest.
            let is_removed = !is_made || name.to_string_lossy().starts_with('v');
            require(root, &entry, !is_removed)?;
            ignored(root, &entry);
        }
    }
    Ok(())
}

/// The manifest, its versions, and the remains of one after a kill.
fn is_of_a_manifest(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let version = name.strip_prefix('v');
    name == MANIFEST
        || name.starts_with(".tmp")
        || version.is_some_and(|version| is_a_number(OsStr::new(version)))
}

/// Whether fjall takes it for a journal.
pub(super) fn is_a_journal_by_name(name: &OsStr) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("jnl"))
}

fn is_a_journal(name: &OsStr) -> bool {
    let stem = name.to_str().and_then(|name| name.strip_suffix(".jnl"));
    stem.is_some_and(|stem| is_a_number(OsStr::new(stem)))
}

/// Whether it is a number in fjall's notation.
fn is_a_number(name: &OsStr) -> bool {
    let name = name.to_str();
    name.is_some_and(|name| {
        name.parse::<u64>()
            .is_ok_and(|number| number.to_string() == name)
    })
}

/// The entries of a directory of this database: none if it does not exist.
pub(super) fn entries(root: &Path, folder: &Path) -> Result<Vec<DirEntry>> {
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect),
    };
    entries.map_err(|cause| {
        let within = folder.strip_prefix(root).unwrap_or(folder);
        match within.as_os_str().is_empty() {
            true => fault::error("look into", root, cause.into()),
            false => fault::error(
                &format!("look into `{}` of", within.display()),
                root,
                cause.into(),
            ),
        }
    })
}

fn is(entry: &DirEntry, kind: impl Fn(&fs::FileType) -> bool) -> bool {
    entry.file_type().is_ok_and(|found| kind(&found))
}

fn require(root: &Path, entry: &DirEntry, holds: bool) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(foreign(root, entry)),
    }
}

fn foreign(root: &Path, entry: &DirEntry) -> Error {
    let message = format!(
        "cannot open the session store at {}: {} is not part of its database; move that entry elsewhere, then \
         open the store again",
        root.display(),
        within(root, entry)
    );
    Error::new(ErrorKind::Store, message)
}

fn tell(root: &Path, entry: &DirEntry) {
    tracing::warn!(
        path = %root.display(),
        entry = within(root, entry),
        "an entry in the session store's folder is not part of its database and is ignored"
    );
}

fn within(root: &Path, entry: &DirEntry) -> String {
    let path = entry.path();
    format!("{:?}", path.strip_prefix(root).unwrap_or(&path))
}

/// Reads the same files as fjall when it opens the database: the journals, the manifests, and the ends of the tables
/// with their metadata. fjall reads the blocks of tables on demand.
pub(super) fn read_through(root: &Path) -> Result<()> {
    look_through(root, |_, _| {})?;
    let read = |path: &Path, all: bool| match read_end(path, all) {
        // A table that was compacted away, for example.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        read => read.map_err(|cause| {
            fault::error(
                &format!("read {:?} of", path.strip_prefix(root).unwrap_or(path)),
                root,
                cause.into(),
            )
        }),
    };
    for journal in entries(root, root)? {
        if is_a_journal_by_name(&journal.file_name()) {
            read(&journal.path(), true)?;
        }
    }
    for keyspace in entries(root, &root.join(KEYSPACES))? {
        if !keyspace.path().is_dir() {
            continue;
        }
        for entry in entries(root, &keyspace.path())? {
            if !entry.path().is_dir() && is_of_a_manifest(&entry.file_name()) {
                read(&entry.path(), true)?;
            }
        }
        for folder in TABLES {
            for table in entries(root, &keyspace.path().join(folder))? {
                if is_a_number(&table.file_name()) {
                    read(&table.path(), false)?;
                }
            }
        }
    }
    Ok(())
}

/// Reads a file, or its last eighth, which is more than a table's index takes.
fn read_end(path: &Path, all: bool) -> io::Result<()> {
    const LEAST: u64 = 64 * 1024;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if !all {
        file.seek(io::SeekFrom::Start(
            length - length.min(LEAST.max(length / 8)),
        ))?;
    }
    let mut buffer = vec![0; 64 * 1024];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}
