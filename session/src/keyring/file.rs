//! A key that is kept in a file.

use super::Keyring;
use crate::store::ConfigError;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

impl Keyring {
    /// Reads the keys from a file, written as in [`Keyring::from_env`]; if there is no such file, makes a key and
    /// the file, readable by its owner alone.
    ///
    /// It is for examples, trials and services of one machine: it makes a first start work without any setting, and
    /// the visitors stay signed in after the next. Several processes may start at once: all of them get the key of
    /// the one that was first.
    ///
    /// ```no_run
    /// let keyring = level_session::Keyring::from_file_or_generate("session.key")?;
    /// # Ok::<(), level_session::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the file can be neither read nor made, or for what [`Keyring::new`] refuses. The error names the file.
    pub fn from_file_or_generate(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let setting = format!("key file `{}`", path.display());
        let refuse = |doing: &'static str| {
            let setting = setting.clone();
            move |cause: io::Error| ConfigError::new(setting, doing).because(cause)
        };
        let text = match fs::read_to_string(path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                create(path).map_err(refuse(
                    "it cannot be made: name a file in a directory that exists and can be written to",
                ))?;
                fs::read_to_string(path)
            }
            read => read,
        };
        let text = text.map_err(refuse(
            "it cannot be read: let the user that runs this program read it, or remove it to get a new key",
        ))?;
        Self::from_text(&Zeroizing::new(text), &setting)
    }
}

/// Makes the file with a new key in it, unless another process does so first. The file is written under a name of its
/// own and appears under `path` whole, since nobody may read half a key.
fn create(path: &Path) -> io::Result<()> {
    let key = Zeroizing::new(Keyring::generate_key().map_err(io::Error::other)?);
    let draft = Draft::new(path)?;
    draft.write(key.as_bytes())?;
    match fs::hard_link(&draft.path, path) {
        // Another process was first: its key counts.
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// A file under a random name beside the one that is meant, removed in the end.
struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    fn new(path: &Path) -> io::Result<Self> {
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).map_err(io::Error::other)?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{:016x}", u64::from_ne_bytes(suffix)));
        let path = PathBuf::from(name);

        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
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
        // Nothing depends on it: a draft that stays is a key that nobody uses, readable by its owner alone.
        let _ = fs::remove_file(&self.path);
    }
}
