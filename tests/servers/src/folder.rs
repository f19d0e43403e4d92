//! The directory of a server, which is removed when the process ends.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Waits for the end of its input, which comes when the test process ends. Then stops the server whose process id is in the
/// directory, and removes the directory. Needed because a test process does not run the destructors of statics.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
read -r _
for file in "$0"/data/postmaster.pid "$0"/*.pid; do
    [ -f "$file" ] && kill -QUIT "$(head -n 1 "$file")" 2>/dev/null
done
# The server writes to the directory until it has stopped.
for pause in 0.1 0.5 1 2 4; do
    sleep "$pause"
    rm -rf "$0" 2>/dev/null
    [ -e "$0" ] || exit
done
"#;

/// A temporary directory. When the handle is dropped, and when the process ends in any way, a server whose process id is in the
/// directory is stopped and the directory is removed.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: tempfile::TempDir,
    watchdog: Child,
}

impl Folder {
    /// Creates a directory that belongs to this user and group, if given.
    pub(crate) fn new(owner: Option<(u32, u32)>) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700))?;
        if let Some((uid, gid)) = owner {
            chown(dir.path(), Some(uid), Some(gid))?;
        }
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG])
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { dir, watchdog })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        drop(self.watchdog.wait());
    }
}
