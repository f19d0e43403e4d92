//! Keys in a file.

use super::Keyring;
use crate::store::ConfigError;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

impl Keyring {
    /// Reads the keys from a file, in the format of [`Keyring::from_env`]. If the file does not exist, it is created with a
    /// new key; on Unix with mode 0600, readable by its owner alone. On other systems it gets the permissions of its
    /// directory.
    ///
    /// Use it for examples, trials and services on a single machine: the first start needs no configuration, and visitors
    /// stay signed in across restarts. Several processes may start at the same time: all of them get the key of the first.
    ///
    /// ```no_run
    /// let keyring = level_session::Keyring::from_file_or_generate("session.key")?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The file can be neither read nor created, or [`Keyring::new`] refuses the keys. The error names the file.
    pub fn from_file_or_generate(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::from_file(path.as_ref(), |draft, path| fs::hard_link(draft, path))
    }

    /// `link` is [`fs::hard_link`], except in tests.
    pub(super) fn from_file(path: &Path, link: Link) -> Result<Self, ConfigError> {
        let setting = format!("key file `{}`", path.display());
        let refuse = |doing: &'static str| {
            let setting = setting.clone();
            move |cause: io::Error| ConfigError::new(setting, doing).because(cause)
        };
        let text = match fs::read_to_string(path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                create(path, link).map_err(|(advice, cause)| refuse(advice)(cause))?;
                fs::read_to_string(path)
            }
            read => read,
        };
        let text = text.map_err(refuse(
            "cannot be read: give the user that runs this program access, or remove the file to get a new key",
        ))?;
        Self::from_text(&Zeroizing::new(text), &setting)
    }
}

/// Creates a hard link to a file; fails if the new path exists.
type Link = fn(&Path, &Path) -> io::Result<()>;

/// A failed step with advice, and its error.
type Failed = (&'static str, io::Error);

/// Creates the file with a new key, unless another process does so first. The file is written under a temporary name
/// and appears under `path` as a whole, so that no process reads half a key.
fn create(path: &Path, link: Link) -> Result<(), Failed> {
    let write = || {
        let key = Zeroizing::new(Keyring::generate_key().map_err(io::Error::other)?);
        let draft = Draft::new(path)?;
        draft.write(key.as_bytes())?;
        Ok(draft)
    };
    let draft = write().map_err(|cause| {
        (
            "cannot be created: choose a file in a directory that exists and is writable",
            cause,
        )
    })?;
    match link(&draft.path, path) {
        Ok(()) => Ok(()),
        // Another process was first: use its key.
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(_) => rename(&draft, path),
    }
}

/// Moves a draft to its path on file systems without hard links: shared folders, some volumes of containers. A rename
/// would replace the file of a faster process, so it is done under a lock, and only if the path does not exist.
///
/// The operating system releases the lock of a process that dies. The lock file is removed only after the key file
/// exists: without a key file, one process could hold a lock on the removed file while another one locks a new file.
fn rename(draft: &Draft, path: &Path) -> Result<(), Failed> {
    let lock_path = beside(path, "lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    for_its_owner_alone(&mut options);
    let lock = options.open(&lock_path).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    let _lock = lock.map_err(|cause| {
        (
            "cannot be created here, because the file system has neither hard links nor locks: create it with \
             `openssl rand -base64 48` before the program starts, or choose a file on another file system",
            cause,
        )
    })?;
    let there = path.try_exists().and_then(|there| match there {
        true => Ok(()),
        false => fs::rename(&draft.path, path),
    });
    there.map_err(|cause| {
        (
            "cannot be created: a new file in its directory cannot be renamed",
            cause,
        )
    })?;
    // An error is ignored: a lock file that remains is not locked, and is used again.
    let _ = fs::remove_file(&lock_path);
    Ok(())
}

/// The path with an additional extension.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

fn for_its_owner_alone(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// A file with a random name next to the intended path. It is removed on drop.
struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    fn new(path: &Path) -> io::Result<Self> {
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).map_err(io::Error::other)?;
        let path = beside(path, &format!("{:016x}", u64::from_ne_bytes(suffix)));

        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        for_its_owner_alone(&mut options);
        let file = options.open(&path)?;
        Ok(Self { path, file })
    }

    fn write(&self, key: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        file.write_all(key)?;
        file.write_all(b"\n")?;
        file.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // An error is ignored: a draft that remains is an unused key, readable only by its owner.
        let _ = fs::remove_file(&self.path);
    }
}
