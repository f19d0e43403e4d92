//! A small library in C between a child process and the C library: kills the child before its n-th file operation, or
//! lets it tell how far each journal was synced. For Linux, and built with the C compiler that cargo links with.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The built library.
#[derive(Debug)]
pub struct Shim(PathBuf);

impl Shim {
    /// Builds it into this folder; `None`, and a line in the log, where that is not possible.
    ///
    /// # Panics
    /// If there is a C compiler, and it does not compile it.
    #[must_use]
    pub fn build(folder: &Path) -> Option<Self> {
        if !cfg!(target_os = "linux") {
            println!("skipped: LD_PRELOAD takes Linux");
            return None;
        }
        let library = folder.join("shim.so");
        let compiled = Command::new("cc")
            .args([
                "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o",
            ])
            .arg(&library)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/shim/shim.c"))
            .arg("-ldl")
            .status();
        match compiled {
            Ok(status) => assert!(status.success(), "the shim does not compile"),
            Err(error) => {
                println!("skipped: there is no C compiler `cc` ({error})");
                return None;
            }
        }
        Some(Self(library))
    }

    /// A command that runs with it: its process is killed before it changes files for the `nth` time, if it comes to
    /// that.
    #[must_use]
    pub fn kills_before(&self, program: &str, nth: u32) -> Command {
        let mut command = self.command(program);
        command.env("SHIM_KILL_BEFORE", nth.to_string());
        command
    }

    /// A command that runs with it: after each sync of a journal its standard output gets a line
    /// `synced FILE BYTES`, before the program learns of it.
    #[must_use]
    pub fn tells_syncs(&self, program: &str) -> Command {
        let mut command = self.command(program);
        command.env("SHIM_TELL_SYNCS", "1");
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", &self.0)
            .env_remove("SHIM_KILL_BEFORE")
            .env_remove("SHIM_TELL_SYNCS");
        command
    }
}

/// A folder in memory where there is such a place: a process that is killed leaves there what it leaves on a disk, and no
/// test waits for one.
///
/// # Panics
/// If there is no temporary folder.
#[must_use]
pub fn folder_in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()),
        false => tempfile::tempdir(),
    }
    .expect("a temporary folder")
}
