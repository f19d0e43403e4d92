//! A redis-server for the benchmarks, on loopback.

use std::{
    error::Error,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

/// The server is stopped, and its data removed, when this is dropped.
pub struct Redis {
    child: Child,
    pub port: u16,
    _dir: tempfile::TempDir,
}

impl Redis {
    /// Starts a server that appends every write to its log before it replies, and syncs the log once per second: like
    /// `Buffer`, its data survives a kill of its process.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn start() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let dir = tempfile::tempdir()?;
        // The port was free a moment ago: redis-server cannot choose one itself.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"])
            .arg(dir.path())
            .args([
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
            ])
            .stdout(Stdio::null())
            .spawn()?;
        let this = Self {
            child,
            port,
            _dir: dir,
        };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(this);
            }
            sleep(Duration::from_millis(50));
        }
        Err("redis-server does not answer".into())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
