//! A small C library that is preloaded into a child process. It kills the child before its n-th file operation, or
//! reports how far each journal was synced. It works on Linux, and is built with the C compiler that cargo uses as the
//! linker.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The compiled library.
#[derive(Debug)]
pub struct Shim(PathBuf);

impl Shim {
    /// Builds the library into this folder. If that is not possible, prints a note and returns `None`.
    ///
    /// # Panics
    /// If there is a C compiler but the compilation fails.
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

    /// A command with the library preloaded: its process is killed before its `nth` operation that changes files, if it
    /// gets that far.
    #[must_use]
    pub fn kills_before(&self, program: &str, nth: u32) -> Command {
        let mut command = self.command(program);
        command.env("SHIM_KILL_BEFORE", nth.to_string());
        command
    }

    /// A command with the library preloaded: after each sync of a journal it writes a line `synced FILE BYTES` to its
    /// standard output, before `sync` returns to the program.
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

/// A temporary folder in memory, if possible. A killed process leaves the same files there as on a disk, and tests need
/// not wait for a disk.
///
/// # Panics
/// If no temporary folder can be created.
#[must_use]
pub fn folder_in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()),
        false => tempfile::tempdir(),
    }
    .expect("a temporary folder")
}
