//! The program under test: started, terminated, killed, and started again with the same data.

use crate::client::Client;
use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How long a start or a stop may take on a busy machine, in steps.
const STEPS: u32 = 6_000;
/// The interval between two checks.
const STEP: Duration = Duration::from_millis(10);

pub(crate) struct Server {
    program: Box<dyn Fn() -> Command>,
    data: TempDir,
    running: Option<(Child, SocketAddr)>,
}

impl Server {
    pub(crate) fn new(program: Box<dyn Fn() -> Command>) -> Self {
        Self {
            program,
            data: tempfile::tempdir().expect("a temporary directory"),
            running: None,
        }
    }

    /// The address of the server, which is started if it is not running.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let Self { program, data, .. } = self;
        let (_, address) = self.running.get_or_insert_with(|| {
            let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|port| port.local_addr());
            let address = free.expect("a free port");
            let mut command = program();
            command.env("PORT", address.port().to_string());
            command.env("DATA", data.path()).stdin(Stdio::null());
            let mut child = command.spawn().expect("the program can be started");
            wait("the program does not start serving", || {
                let ended = child.try_wait().expect("the program can be waited for");
                assert!(ended.is_none(), "the program exited: {ended:?}");
                // Without a listener, a socket may connect to itself.
                TcpStream::connect(address)
                    .is_ok_and(|stream| stream.local_addr().is_ok_and(|local| local != address))
            });
            (child, address)
        });
        *address
    }

    /// A client without a cookie.
    pub(crate) fn client(&mut self) -> Client {
        Client::new(self.address())
    }

    /// Sends SIGTERM, and waits until the program has exited.
    pub(crate) fn stop(&mut self) {
        let Some((mut child, _)) = self.running.take() else {
            return;
        };
        // The shell has a built-in `kill`; the program may be missing.
        let kill = format!("kill -s TERM {}", child.id());
        let asked = Command::new("sh").args(["-c", &kill]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill failed");
        let mut ended = None;
        wait("the program does not exit at SIGTERM", || {
            ended = child.try_wait().expect("the program can be waited for");
            ended.is_some()
        });
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }

    /// Kills the program (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a condition holds.
pub(crate) fn wait(or: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..STEPS {
        if is() {
            return;
        }
        thread::sleep(STEP);
    }
    panic!("{or}");
}
