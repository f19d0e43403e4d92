//! A Redis or Valkey server, and a Redis Cluster.

use crate::free_port;
use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    num::NonZero,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How long a server may take to start, or to run a command.
const SOON: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(10);
/// The number of steps in `SOON`.
const STEPS: u32 = 3_000;

/// The server programs on this machine: names and paths.
///
/// These are the system's `redis-server`, and the programs that `tests/run` installs in `target/tools`; `tests/run` prints
/// which ones are missing.
#[must_use]
pub fn programs() -> Vec<(&'static str, PathBuf)> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let candidates = [
        ("redis", find_in_path("redis-server")),
        ("redis-8", Some(tools.join("redis-8/redis-server"))),
        ("valkey-9", Some(tools.join("valkey-9/valkey-server"))),
    ];
    let there = |(name, path): (&'static str, Option<PathBuf>)| {
        path.filter(|path| path.is_file()).map(|path| (name, path))
    };
    candidates.into_iter().filter_map(there).collect()
}

/// The path of a server program by name, if it is installed.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let mut all = programs().into_iter();
    all.find(|(other, _)| *other == name).map(|(_, path)| path)
}

fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|path| path.is_file())
}

/// A running server.
pub struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    folder: tempfile::TempDir,
    child: Mutex<Option<Child>>,
}

impl Server {
    /// Starts a server on loopback in its own directory, with these additional arguments.
    ///
    /// # Errors
    /// An I/O error, or the output of a server that did not start.
    pub fn start(program: &Path, arguments: &[&str]) -> io::Result<Self> {
        // Another program may take the free port in the meantime.
        let mut last = None;
        for _ in 0..5 {
            let server = Self {
                program: program.to_owned(),
                arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
                port: free_port()?,
                folder: tempfile::tempdir()?,
                child: Mutex::new(None),
            };
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("no attempt was made")))
    }

    /// Starts a sentinel with this configuration file, which the sentinel modifies.
    ///
    /// # Errors
    /// The errors of [`start`](Self::start).
    pub fn sentinel(program: &Path, config: &Path) -> io::Result<Self> {
        let server = Self {
            program: program.to_owned(),
            arguments: vec!["--sentinel".to_owned()],
            port: free_port()?,
            folder: tempfile::tempdir()?,
            child: Mutex::new(None),
        };
        server.begin(Some(config)).map(|()| server)
    }

    /// Restarts the server after [`kill`](Self::kill) or [`stop`](Self::stop), with the same port and directory.
    ///
    /// # Errors
    /// The errors of [`start`](Self::start).
    pub fn start_again(&self) -> io::Result<()> {
        self.begin(None)
    }

    fn begin(&self, config: Option<&Path>) -> io::Result<()> {
        let log = self.folder.path().join("log");
        let output = File::options().append(true).create(true).open(&log)?;
        let mut command = Command::new(&self.program);
        command.args(config);
        if config.is_none() {
            command.args(["--save", ""]);
        }
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(["--daemonize", "no"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(output));
        let mut child = command.spawn()?;
        let mut steps = 0;
        loop {
            if child.try_wait()?.is_some() {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(io::Error::other(format!(
                    "the server exited during startup: {said}"
                )));
            }
            // An error reply counts as well, for example if the server requires a password.
            if let Ok(answer) = self.say(&["PING"])
                && !answer.starts_with("-LOADING")
            {
                break;
            }
            steps += 1;
            if steps > STEPS {
                let _ = child.kill();
                let _ = child.wait();
                return Err(io::Error::other("the server does not respond"));
            }
            thread::sleep(STEP);
        }
        *self.lock() = Some(child);
        Ok(())
    }

    /// Kills the server, like `kill -9`.
    pub fn kill(&self) {
        if let Some(mut child) = self.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Shuts the server down, as an operator would.
    pub fn stop(&self) {
        let _ = self.say(&["SHUTDOWN"]);
        if let Some(mut child) = self.lock().take() {
            let _ = child.wait();
        }
    }

    /// The server's port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The server's directory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Child::id)
    }

    /// Sends a command over a new connection, and returns all lines of the reply as they are on the wire.
    ///
    /// # Errors
    /// I/O errors.
    pub fn say(&self, command: &[&str]) -> io::Result<String> {
        say(self.port, command)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Sends a command to a server on loopback.
///
/// # Errors
/// I/O errors.
pub fn say(port: u16, command: &[&str]) -> io::Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SOON))?;
    let mut out = format!("*{}\r\n", command.len());
    for word in command {
        out += &format!("${}\r\n{word}\r\n", word.len());
    }
    (&stream).write_all(out.as_bytes())?;
    let mut input = BufReader::new(&stream);
    let mut text = String::new();
    answer(&mut input, &mut text)?;
    Ok(text)
}

fn answer(input: &mut impl BufRead, text: &mut String) -> io::Result<()> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let count = line.get(1..).unwrap_or_default().trim().parse::<i64>();
    match (line.as_bytes().first(), count) {
        (Some(b'$'), Ok(len @ 0..)) => {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0) + 2];
            input.read_exact(&mut bytes)?;
            *text += String::from_utf8_lossy(&bytes).trim_end();
            text.push('\n');
        }
        (Some(b'*'), Ok(count @ 0..)) => {
            for _ in 0..count {
                answer(input, text)?;
            }
        }
        _ => {
            *text += line.trim_end();
            text.push('\n');
        }
    }
    Ok(())
}

/// A Cluster of three masters, each with a third of the slots.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// Starts three servers and joins them to a Cluster.
    ///
    /// # Errors
    /// The errors of [`Server::start`], or if the nodes do not form a Cluster in time.
    pub fn start(program: &Path, arguments: &[&str]) -> io::Result<Self> {
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
        all.extend(arguments);
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..3 {
            let (node, bus) = Self::node(program, &all)?;
            nodes.push(node);
            buses.push(bus);
        }
        let cluster = Self { nodes };
        for (n, (first, last)) in [(0, 5_461), (5_462, 10_922), (10_923, 16_383)]
            .into_iter()
            .enumerate()
        {
            let slots: Vec<String> = (first..=last).map(|slot: u32| slot.to_string()).collect();
            let mut add = vec!["CLUSTER", "ADDSLOTS"];
            add.extend(slots.iter().map(String::as_str));
            cluster.nodes[n].say(&add)?;
            cluster.nodes[n].say(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()])?;
        }
        for (node, bus) in cluster.nodes.iter().zip(&buses).skip(1) {
            let port = node.port.to_string();
            ok(cluster.nodes[0].say(&["CLUSTER", "MEET", "127.0.0.1", &port, bus])?)?;
        }
        cluster.wait_until_whole()?;
        Ok(cluster)
    }

    /// Starts a node. Its bus port, by default the node's port plus 10,000, must also be free, so it is chosen explicitly.
    fn node(program: &Path, arguments: &[&str]) -> io::Result<(Server, String)> {
        let mut last = None;
        for _ in 0..10 {
            let bus = free_port()?.to_string();
            let mut all = arguments.to_vec();
            all.extend(["--cluster-port", &bus]);
            match Server::start(program, &all) {
                Ok(server) => return Ok((server, bus)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("no attempt was made")))
    }

    /// Waits until every node knows all slots.
    ///
    /// # Errors
    /// If this takes too long.
    pub fn wait_until_whole(&self) -> io::Result<()> {
        let mut steps = 0;
        for node in &self.nodes {
            loop {
                let info = node.say(&["CLUSTER", "INFO"])?;
                if info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3") {
                    break;
                }
                steps += 1;
                if steps > STEPS {
                    return Err(io::Error::other(format!(
                        "the cluster is not complete: {info}"
                    )));
                }
                thread::sleep(STEP);
            }
        }
        Ok(())
    }

    /// Waits until all nodes know the last change. A node that takes a slot before it knows the newest epoch may lose the slot
    /// and its keys again, because of a message from the former owner that was in flight.
    fn wait_until_agreed(&self) -> io::Result<()> {
        let mut steps = 0;
        loop {
            let mut epochs = Vec::new();
            for node in &self.nodes {
                let info = node.say(&["CLUSTER", "INFO"])?;
                let epoch = info
                    .lines()
                    .find(|line| line.starts_with("cluster_current_epoch"));
                epochs.push(epoch.map(str::to_owned));
            }
            if epochs.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(());
            }
            steps += 1;
            if steps > STEPS {
                return Err(io::Error::other("the nodes do not agree"));
            }
            thread::sleep(STEP);
        }
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The URL of the first node.
    #[must_use]
    pub fn url(&self) -> String {
        self.nodes[0].url()
    }

    /// Moves a slot with its keys from its owner to another node, a few keys at a time.
    ///
    /// # Errors
    /// I/O errors, or the error reply of a node.
    pub fn migrate(&self, slot: u16, to: usize) -> io::Result<()> {
        if self.begin_to_migrate(slot, to)? {
            self.end_migration(slot, to)?;
        }
        Ok(())
    }

    /// Moves the keys of a slot, but not the slot itself: its owner redirects each command to the other node. Returns `false`
    /// if that node already owns the slot.
    ///
    /// # Errors
    /// The errors of [`migrate`](Self::migrate).
    pub fn begin_to_migrate(&self, slot: u16, to: usize) -> io::Result<bool> {
        let ids = self.ids()?;
        let Some(from) = self.owner(slot)? else {
            return Err(io::Error::other("no node owns the slot"));
        };
        if from == to {
            return Ok(false);
        }
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let slot = slot.to_string();
        ok(target.say(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[from]])?)?;
        ok(source.say(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[to]])?)?;
        // Keys are arbitrary bytes, so they are copied unchanged from the reply to the next request.
        let port = target.port.to_string();
        loop {
            let moved = migrate_some(source.port, &slot, &port)?;
            if moved == 0 {
                break;
            }
        }
        Ok(true)
    }

    /// Assigns the slot to the node that has its keys.
    ///
    /// # Errors
    /// The errors of [`migrate`](Self::migrate).
    pub fn end_migration(&self, slot: u16, to: usize) -> io::Result<()> {
        let (ids, slot) = (self.ids()?, slot.to_string());
        // Notify the new owner first, then all others.
        let give = ["CLUSTER", "SETSLOT", &slot, "NODE", &ids[to]];
        ok(self.nodes[to].say(&give)?)?;
        for node in &self.nodes {
            ok(node.say(&give)?)?;
        }
        self.wait_until_agreed()
    }

    /// The node that owns a slot, according to the first node.
    ///
    /// # Errors
    /// I/O errors.
    pub fn owner(&self, slot: u16) -> io::Result<Option<usize>> {
        let nodes = self.nodes[0].say(&["CLUSTER", "NODES"])?;
        for line in nodes.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let has = words.iter().skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                match (first.parse::<u16>(), last.parse::<u16>()) {
                    (Ok(first), Ok(last)) => (first..=last).contains(&slot),
                    _ => false,
                }
            });
            if has {
                let port = words[1]
                    .split('@')
                    .next()
                    .and_then(|it| it.rsplit(':').next());
                let port = port.and_then(|port| port.parse().ok());
                return Ok(self.nodes.iter().position(|node| Some(node.port) == port));
            }
        }
        Ok(None)
    }

    fn ids(&self) -> io::Result<Vec<String>> {
        let id = |node: &Server| Ok(node.say(&["CLUSTER", "MYID"])?.trim().to_owned());
        self.nodes.iter().map(id).collect()
    }
}

fn ok(answer: String) -> io::Result<()> {
    match answer.starts_with('-') {
        true => Err(io::Error::other(answer)),
        false => Ok(()),
    }
}

/// Moves up to four keys of a slot, and returns how many.
fn migrate_some(port: u16, slot: &str, to: &str) -> io::Result<usize> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(SOON))?;
    let ask = ["CLUSTER", "GETKEYSINSLOT", slot, "4"].map(str::as_bytes);
    (&stream).write_all(&packed(&ask))?;
    let mut input = BufReader::new(&stream);
    let mut line = String::new();
    input.read_line(&mut line)?;
    let count: usize = line[1..].trim().parse().map_err(io::Error::other)?;
    let mut keys = Vec::new();
    for _ in 0..count {
        line.clear();
        input.read_line(&mut line)?;
        let len: usize = line[1..].trim().parse().map_err(io::Error::other)?;
        let mut key = vec![0; len + 2];
        input.read_exact(&mut key)?;
        key.truncate(len);
        keys.push(key);
    }
    if keys.is_empty() {
        return Ok(0);
    }
    let mut migrate = ["MIGRATE", "127.0.0.1", to, "", "0", "5000", "KEYS"]
        .map(str::as_bytes)
        .to_vec();
    migrate.extend(keys.iter().map(Vec::as_slice));
    (&stream).write_all(&packed(&migrate))?;
    line.clear();
    input.read_line(&mut line)?;
    ok(line)?;
    Ok(count)
}

fn packed(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// A proxy between a client and a server that drops replies: the command has run, but the client does not learn its result.
pub struct Proxy {
    port: u16,
    state: Arc<ProxyState>,
}

#[derive(Default)]
struct ProxyState {
    target: u16,
    /// Drops the reply of every nth command with this name. Zero means never.
    every: AtomicU64,
    seen: AtomicU64,
    cut: AtomicU64,
    /// Holds replies back without breaking connections.
    stalled: AtomicBool,
    stopped: AtomicBool,
    /// Ports to replace in replies, so that a client of a Cluster always uses the proxies.
    names: Mutex<Vec<(u16, u16)>>,
    command: Mutex<Vec<u8>>,
}

impl Proxy {
    /// Starts a proxy in front of a server on loopback.
    ///
    /// # Errors
    /// I/O errors.
    pub fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(ProxyState {
            target,
            ..ProxyState::default()
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.stopped.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(client) = client {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        let _ = pass(&client, &shared);
                    });
                }
            }
        });
        Ok(Self { port, state })
    }

    /// The proxy's port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on, cuts the connection after every `every`th command with this name has run, before its reply is forwarded.
    /// Zero means never.
    pub fn cut(&self, command: &str, every: u64) {
        let name = command.as_bytes().to_vec();
        *self
            .state
            .command
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = name;
        self.state.every.store(every, Ordering::Release);
    }

    /// How many replies were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.state.cut.load(Ordering::Acquire)
    }

    /// Sets whether replies are held back.
    pub fn stall(&self, stalled: bool) {
        self.state.stalled.store(stalled, Ordering::Release);
    }

    /// Sets the ports to replace in replies: pairs of a server's port and its proxy's port.
    pub fn rename(&self, names: &[(u16, u16)]) {
        let names = names.to_vec();
        *self
            .state
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = names;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Release);
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Forwards bytes in both directions. A connection is cut after the server has replied, so the command has run.
fn pass(client: &TcpStream, state: &Arc<ProxyState>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", state.target))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let doomed = Arc::new(AtomicBool::new(false));
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    let (flag, shared) = (Arc::clone(&doomed), Arc::clone(state));
    thread::spawn(move || {
        let _ = requests(&from, &to, &shared, &flag);
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let len = (&server).read(&mut bytes)?;
        if len == 0 || state.stopped.load(Ordering::Acquire) {
            break;
        }
        if doomed.load(Ordering::Acquire) {
            state.cut.fetch_add(1, Ordering::AcqRel);
            break;
        }
        while state.stalled.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(5));
        }
        let names = state
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let answer = renamed(&bytes[..len], &names);
        {
            let mut client = client;
            client.write_all(&answer)?;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    Ok(())
}

fn requests(
    from: &TcpStream,
    mut to: &TcpStream,
    state: &ProxyState,
    doomed: &AtomicBool,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let mut from = from;
        let len = from.read(&mut bytes)?;
        if len == 0 {
            return Ok(());
        }
        if let Some(every) = NonZero::new(state.every.load(Ordering::Acquire)) {
            let name = state
                .command
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let count = bytes[..len]
                .windows(name.len())
                .filter(|part| **part == *name)
                .count() as u64;
            let before = state.seen.fetch_add(count, Ordering::AcqRel);
            if count > 0 && before / every != (before + count) / every {
                doomed.store(true, Ordering::Release);
            }
        }
        to.write_all(&bytes[..len])?;
    }
}

/// Replaces ports that are separate numbers, as in `CLUSTER SLOTS`, or follow a colon, as in a redirection.
fn renamed(answer: &[u8], names: &[(u16, u16)]) -> Vec<u8> {
    let mut out = answer.to_vec();
    for (server, proxy) in names {
        let (old, new) = (format!(":{server}\r\n"), format!(":{proxy}\r\n"));
        let mut at = 0;
        while let Some(found) = out[at..]
            .windows(old.len())
            .position(|part| part == old.as_bytes())
        {
            out.splice(at + found..at + found + old.len(), new.bytes());
            at += found + new.len();
        }
    }
    out
}
