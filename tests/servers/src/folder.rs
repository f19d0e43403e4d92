//! A folder of a server that goes when the process does.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Waits until its input ends, which it does when the process that holds the other end does, and then ends the server
/// whose number lies in the folder and removes the folder. A test process runs no destructors of its statics.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
read -r _
for file in "$0"/data/postmaster.pid "$0"/*.pid; do
    [ -f "$file" ] && kill -QUIT "$(head -n 1 "$file")" 2>/dev/null
done
# It writes there until it has ended.
for pause in 0.1 0.5 1 2 4; do
    sleep "$pause"
    rm -rf "$0" 2>/dev/null
    [ -e "$0" ] || exit
done
"#;

/// A temporary folder. It is removed, and a server that left its number there is ended, when the handle is dropped and
/// when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: tempfile::TempDir,
    watchdog: Child,
}

impl Folder {
    /// A new one, that belongs to this user and group if one is given.
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
