//! A small disk that a test can fill.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A small file system. If this user may not mount one, [`mount`](Self::mount) prints a note and returns `None`.
#[derive(Debug)]
pub struct Disk(PathBuf, tempfile::TempDir);

impl Disk {
    /// Mounts a file system of this size.
    ///
    /// # Panics
    /// If there is no temporary folder.
    #[must_use]
    pub fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().to_owned();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&path)
            .stderr(Stdio::null())
            .status();
        match mounted {
            Ok(status) if status.success() => Some(Self(path, folder)),
            _ => {
                println!("skipped: mounting a small disk takes root on Linux");
                None
            }
        }
    }

    /// The mount point.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Fills the disk to the last block, and returns the file that fills it. Removing the file frees the disk.
    ///
    /// # Panics
    /// If the file cannot be created.
    #[must_use]
    pub fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = fs::File::create(&ballast).expect("a file");
        while file.write_all(&[1; 4_096]).is_ok() {}
        ballast
    }

    /// Remounts the disk with another setting.
    ///
    /// # Panics
    /// If it cannot be remounted.
    pub fn remount(&self, how: &str) {
        let remounted = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.0)
            .status();
        assert!(remounted.expect("mount").success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A lazy unmount: if a test fails, the store may still have open files there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = &self.1;
    }
}
