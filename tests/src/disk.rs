//! A small disk, which a test can fill.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A small file system of its own; `None`, and a line in the log, where this user may not mount one.
#[derive(Debug)]
pub struct Disk(PathBuf, tempfile::TempDir);

impl Disk {
    /// Mounts one of this size.
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

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Fills it to the last block. The file that does can be removed.
    ///
    /// # Panics
    /// If no file can be made.
    #[must_use]
    pub fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = fs::File::create(&ballast).expect("a file");
        while file.write_all(&[1; 4_096]).is_ok() {}
        ballast
    }

    /// Mounts it with another setting.
    ///
    /// # Panics
    /// If that is not possible.
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
        // Lazily: the store may still have files there when a test fails.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = &self.1;
    }
}
