//! The program under test: started, asked to end, killed, and started again over the same data.

use crate::client::Client;
use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How long a start or a stop may take on a machine that is busy, in steps.
const STEPS: u32 = 6_000;
/// How often it is looked whether it is over.
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
            data: tempfile::tempdir().expect("a temporary folder"),
            running: None,
        }
    }

    /// Where it serves; it is started if it does not.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let Self { program, data, .. } = self;
        let (_, address) = self.running.get_or_insert_with(|| {
            let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|port| port.local_addr());
            let address = free.expect("a free port");
            let mut command = program();
            command.env("PORT", address.port().to_string());
            command.env("DATA", data.path()).stdin(Stdio::null());
            let mut child = command.spawn().expect("the program can be started");
            wait("it did not come to serve", || {
                let ended = child.try_wait().expect("it can be waited for");
                assert!(ended.is_none(), "the program ended: {ended:?}");
                // A connection from a port that nobody listens at to itself is none.
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

    /// Asks it to end (SIGTERM), and waits until it has.
    pub(crate) fn stop(&mut self) {
        let Some((mut child, _)) = self.running.take() else {
            return;
        };
        // The shell has `kill` built in; the program is not on every machine.
        let kill = format!("kill -s TERM {}", child.id());
        let asked = Command::new("sh").args(["-c", &kill]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill failed");
        let mut ended = None;
        wait("it does not end when it is asked to", || {
            ended = child.try_wait().expect("it can be waited for");
            ended.is_some()
        });
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }

    /// Ends it at once (SIGKILL).
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

/// Waits until something is so.
pub(crate) fn wait(or: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..STEPS {
        if is() {
            return;
        }
        thread::sleep(STEP);
    }
    panic!("{or}");
}
