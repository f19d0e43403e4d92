//! The servers that are compared over HTTP, each in a separate process: the applications, and servers that do not use
//! axum or need another server.

use crate::{apps, machine, redis::Redis};
use std::{
    env,
    error::Error,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The servers over Redis, and the framework of one of them without sessions.
const WITH_REDIS: &[&str] = &["tower-sessions-redis", "actix", "actix-session-redis"];
/// The servers in Node, and their framework without sessions.
const IN_NODE: &[&str] = &["express", "express-session", "node-level-session"];
/// The servers that are compared over one redis-server: level-session's, and the others.
const ON_ONE_REDIS: &[&str] = &[
    "level-session-axum-redis",
    "tower-sessions-redis",
    "level-session-actix-redis",
    "actix-session-redis",
];
const EXPRESS_ON_REDIS: &str = "express-connect-redis";
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node");

/// Whether it is a framework without sessions, possibly with a layer that has none.
pub fn is_bare(name: &str) -> bool {
    matches!(name, "bare" | "a layer" | "actix" | "express")
}

/// Whether it keeps its sessions in Redis.
pub fn is_over_redis(name: &str) -> bool {
    name.ends_with("-redis")
}

/// The servers that can be measured on this machine, and the missing programs for the others.
pub fn names() -> (Vec<&'static str>, Vec<String>) {
    let (mut names, mut missing) = (apps::NAMES.to_vec(), Vec::new());
    for (more, there) in [(WITH_REDIS, redis_is_there()), (IN_NODE, node_is_there())] {
        match there {
            Ok(()) => names.extend(more),
            Err(why) => missing.push(format!("{} left out: {why}.", more.join(", "))),
        }
    }
    (names, missing)
}

/// The servers that can be measured over one redis-server, and the missing programs for the others.
pub fn names_on_one_redis() -> (Vec<&'static str>, Vec<String>) {
    let (mut names, mut missing) = (Vec::new(), Vec::new());
    match redis_is_there() {
        Ok(()) if cfg!(feature = "redis-store") => names.extend(ON_ONE_REDIS),
        Ok(()) => missing.push("built without the feature `redis-store`.".to_owned()),
        Err(why) => missing.push(format!("nothing is measured: {why}.")),
    }
    match node_is_there() {
        Ok(()) if !names.is_empty() => names.push(EXPRESS_ON_REDIS),
        Ok(()) => {}
        Err(why) => missing.push(format!("{EXPRESS_ON_REDIS} left out: {why}.")),
    }
    (names, missing)
}

fn redis_is_there() -> std::result::Result<(), String> {
    if !cfg!(feature = "redis") {
        return Err("built without the feature `redis`".to_owned());
    }
    run("redis-server", ["--version"])
}

/// Installs the dependencies of the servers in Node, unless they are installed.
fn node_is_there() -> std::result::Result<(), String> {
    if !cfg!(feature = "peers") {
        return Err("built without the feature `peers`".to_owned());
    }
    run("node", ["--version"])?;
    if Path::new(NODE)
        // The one that was added last.
        .join("node_modules/connect-redis/package.json")
        .exists()
    {
        return Ok(());
    }
    run("npm", ["ci", "--prefix", NODE])
}

fn run<const N: usize>(program: &str, args: [&str; N]) -> std::result::Result<(), String> {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "`{program} {}` fails: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("there is no {program} ({error})")),
    }
}

/// A server, ended when it is dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    redis: Option<Rc<Redis>>,
    _dir: tempfile::TempDir,
}

impl Server {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// If it does not.
    pub fn start(name: &str) -> Result<Self> {
        let redis = is_over_redis(name).then(Redis::start).transpose()?;
        Self::over(name, redis.map(Rc::new))
    }

    /// Starts it over this redis-server, which others may use as well.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn over(name: &str, redis: Option<Rc<Redis>>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut command;
        if IN_NODE.contains(&name) || name == EXPRESS_ON_REDIS {
            command = Command::new("node");
            command
                .env("NODE_ENV", "production")
                .arg(Path::new(NODE).join("server.js"))
                .arg(name)
                .arg(dir.path().join("db"))
                .args(redis.as_ref().map(|redis| redis.port.to_string()));
        } else {
            command = Command::new(env::current_exe()?);
            command.args(["serve", name]);
            command.args(redis.as_ref().map(|redis| redis.port.to_string()));
        }
        let mut this = Self {
            child: command.stdout(Stdio::piped()).spawn()?,
            port: 0,
            redis,
            _dir: dir,
        };
        let mut line = String::new();
        if let Some(stdout) = &mut this.child.stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let port = line.trim().parse();
        this.port = port.map_err(|_| format!("the server `{name}` does not start"))?;
        Ok(this)
    }

    /// The CPU time in nanoseconds: its own, and its redis-server's.
    pub fn cpu_nanos(&self) -> [u64; 2] {
        let redis = self
            .redis
            .as_ref()
            .map(|redis| machine::cpu_nanos(redis.pid()));
        [machine::cpu_nanos(self.child.id()), redis.unwrap_or(0)]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
