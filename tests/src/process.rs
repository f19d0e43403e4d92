//! Real processes: the examples, built once and started as a user would start them.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

/// The time limit of a start or a stop, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// The interval at which a process is polled.
const STEP: Duration = Duration::from_millis(20);

/// The binary of an example.
///
/// # Panics
/// If the examples cannot be built, or none has this name.
#[must_use]
pub fn example(name: &str) -> &'static Path {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let packages = ["-p", "server", "-p", "client", "-p", "shop"];
        let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        build(&packages, Path::new(workspace))
    });
    built
        .get(name)
        .unwrap_or_else(|| panic!("no example `{name}` was built"))
}

/// Builds the package in this folder, and returns the paths of its binaries as reported by cargo.
///
/// # Panics
/// If the build fails.
#[must_use]
pub fn build(arguments: &[&str], folder: &Path) -> BTreeMap<String, PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{folder:?} cannot be built");
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            let path = message["executable"].as_str()?;
            Some((name.to_owned(), PathBuf::from(path)))
        })
        .collect()
}

/// The command that starts an example on a free port, with its data in this directory.
///
/// # Panics
/// If the examples cannot be built.
#[must_use]
pub fn example_command(name: &str, data: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(example(name));
    command
        .env("PORT", "0")
        .env("DATA", data)
        .env_remove("SECURE")
        .env_remove("STORE")
        .env_remove("MOVE_TO")
        .envs(settings.iter().copied());
    command
}

/// A server process, which is killed on drop.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts an example on a free port, with its data in this directory, and waits until it serves.
    ///
    /// # Panics
    /// If it does not start to serve.
    #[must_use]
    pub fn example(name: &str, data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::of_example(&mut example_command(name, data, settings))
    }

    /// Starts a command from [`example_command`].
    ///
    /// # Panics
    /// If it does not start to serve.
    #[must_use]
    pub fn of_example(command: &mut Command) -> Self {
        Self::start(command, |line| {
            line.rsplit_once("http://")?.1.trim().parse().ok()
        })
    }

    /// Starts a process, and waits for an output line in which `address` finds an address.
    ///
    /// # Panics
    /// If there is no such line.
    #[must_use]
    pub fn start(
        command: &mut Command,
        address: impl Fn(&str) -> Option<SocketAddr> + Send + 'static,
    ) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|cause| panic!("{command:?} cannot be started: {cause}"));
        let output = child.stdout.take().expect("it is piped");
        let (found, finding) = mpsc::channel();
        // The thread reads to the end of the output, so that the process never blocks on a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = address(&line) {
                    let _ = found.send(address);
                }
            }
        });
        match finding.recv_timeout(PATIENCE) {
            Ok(address) => Self { child, address },
            Err(_) => {
                let _ = child.kill();
                panic!("{command:?} did not come to serve: {:?}", child.wait());
            }
        }
    }

    /// Starts a process that prints no address, and waits until it serves at a known address.
    ///
    /// # Panics
    /// If it does not start to serve.
    #[must_use]
    pub fn at(command: &mut Command, address: SocketAddr) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|cause| panic!("{command:?} cannot be started: {cause}"));
        let mut server = Self { child, address };
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            // A connection from an unused port to itself does not count (TCP simultaneous open).
            let stream = TcpStream::connect(address);
            if stream.is_ok_and(|stream| stream.local_addr().is_ok_and(|local| local != address)) {
                return server;
            }
            if let Some(status) = server.child.try_wait().expect("it can be waited for") {
                panic!("{command:?} ended: {status}");
            }
            thread::sleep(STEP);
        }
        panic!("{command:?} did not come to serve");
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the process to shut down (SIGTERM), and waits until it has.
    ///
    /// # Panics
    /// If it does not exit.
    pub fn stop(mut self) -> ExitStatus {
        // `kill` is a builtin of the shell; not every machine has the program.
        let kill = format!("kill -s TERM {}", self.child.id());
        let asked = Command::new("sh").args(["-c", &kill]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill failed");
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            thread::sleep(STEP);
        }
        panic!("it does not end when it is asked to");
    }

    /// Kills the process (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
