//! The program under test: started, terminated, killed, and started again with the same data.

use crate::client::Client;
use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How long a start or a stop may take on a busy machine, in steps.
const STEPS: u32 = 6_000;
/// The interval between two checks.
const STEP: Duration = Duration::from_millis(10);

/// The number of starts: another process may take the free port before the program binds it, and the program ends then.
const STARTS: u32 = 5;

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
            let mut ended = None;
            for _ in 0..STARTS {
                match start(program(), data.path()) {
                    Ok(running) => return running,
                    Err(status) => ended = Some(status),
                }
            }
            panic!("the program ended at each of {STARTS} starts: {ended:?}");
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

/// Starts the program on a free port, and waits until it serves, or ends.
fn start(mut program: Command, data: &Path) -> Result<(Child, SocketAddr), ExitStatus> {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|port| port.local_addr());
    let address = free.expect("a free port");
    program.env("PORT", address.port().to_string());
    program.env("DATA", data).stdin(Stdio::null());
    let mut child = program.spawn().expect("the program can be started");
    let mut ended = None;
    wait("the program does not start serving", || {
        // A connection from an unused port to itself does not count (TCP simultaneous open).
        let serves = TcpStream::connect(address)
            .is_ok_and(|stream| stream.local_addr().is_ok_and(|local| local != address));
        ended = child.try_wait().expect("the program can be waited for");
        serves || ended.is_some()
    });
    match ended {
        Some(status) => Err(status),
        None => Ok((child, address)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;

    /// The program of the test below: its first start ends as one whose port is taken.
    #[test]
    #[ignore = "started by the test below"]
    fn program() {
        let setting = |name: &str| env::var(name).expect("a setting of the test below");
        let started = Path::new(&setting("DATA")).join("started");
        assert!(started.exists(), "{:?}", std::fs::write(&started, ""));
        let port = setting("PORT").parse().expect("a number");
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        for _ in listener.incoming() {}
    }

    /// Prevents: a conformance run that fails because another process took the port before the program did.
    #[test]
    fn a_program_that_loses_its_port_is_started_on_another() {
        let mut server = Server::new(Box::new(|| {
            let mut command = Command::new(env::current_exe().expect("a test"));
            command.args(["--exact", "server::tests::program", "--ignored"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        }));
        let address = server.address();
        assert!(TcpStream::connect(address).is_ok());
    }
}
