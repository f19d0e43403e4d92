//! A PostgreSQL server, and a PgBouncer before it.
//!
//! The programs are those of the system's packages (Debian: `postgresql`, `pgbouncer`). PostgreSQL refuses to run as root:
//! root starts it as the user `postgres`, or else as `nobody`.

use crate::{folder::Folder, free_port};
use std::{
    env, fs, io,
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// The longest that a server may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A PostgreSQL server on a free port of loopback, with a cluster of its own in a temporary folder. It is stopped and its
/// folder removed when the handle is dropped, and when the process ends, however it ends.
///
/// Its superuser is `postgres`, without a password from loopback.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    port: u16,
    settings: Vec<String>,
    server: Option<Child>,
    folder: Folder,
}

impl Postgres {
    /// Makes a cluster and starts a server, with these settings beside ours (`name=value`).
    ///
    /// # Errors
    /// There is no PostgreSQL on this machine, or it does not start: its log is in the message.
    pub fn start(settings: &[&str]) -> io::Result<Self> {
        let bin = find()?;
        let folder = Folder::new(owner()?)?;
        let mut initdb = command(&bin.join("initdb"), &folder)?;
        initdb
            .args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8"])
            .args(["--locale=C", "-D"])
            .arg(folder.path().join("data"));
        let made = initdb.stdin(Stdio::null()).output()?;
        if !made.status.success() {
            let text = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(io::Error::other(format!("initdb failed: {text}")));
        }
        let mut server = Self {
            bin,
            port: free_port()?,
            settings: settings.iter().map(|&one| one.to_owned()).collect(),
            server: None,
            folder,
        };
        server.resume()?;
        Ok(server)
    }

    /// A hot standby of this server, which follows it and takes no writes until it is
    /// [promoted](Self::promote).
    ///
    /// # Errors
    /// It cannot be copied, or does not start.
    pub fn standby(&self) -> io::Result<Self> {
        let folder = Folder::new(owner()?)?;
        let copied = command(&self.bin.join("pg_basebackup"), &folder)?
            .args(["-h", "127.0.0.1", "-U", "postgres", "-R", "-X", "stream"])
            .args([
                "-c",
                "fast",
                "--no-sync",
                "-p",
                &self.port.to_string(),
                "-D",
            ])
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .output()?;
        if !copied.status.success() {
            let text = String::from_utf8_lossy(&copied.stderr).into_owned();
            return Err(io::Error::other(format!("pg_basebackup failed: {text}")));
        }
        let mut standby = Self {
            bin: self.bin.clone(),
            port: free_port()?,
            settings: self.settings.clone(),
            server: None,
            folder,
        };
        standby.resume()?;
        Ok(standby)
    }

    /// Makes a standby a server of its own.
    ///
    /// # Errors
    /// It was none.
    pub fn promote(&self) -> io::Result<()> {
        self.psql("select pg_promote()").map(drop)
    }

    /// Asks for a password from this role from now on.
    ///
    /// # Errors
    /// The file of the cluster cannot be written.
    pub fn ask_for_password(&self, role: &str) -> io::Result<()> {
        let file = self.data().join("pg_hba.conf");
        let rest = fs::read_to_string(&file)?;
        fs::write(
            &file,
            format!("host all {role} 127.0.0.1/32 scram-sha-256\n{rest}"),
        )?;
        self.psql("select pg_reload_conf()").map(drop)
    }

    /// Offers TLS from now on, under a certificate for `localhost` and 127.0.0.1, made by `openssl`. Gives the certificate of
    /// the authority that has signed it.
    ///
    /// # Errors
    /// There is no `openssl`, or the server does not take it.
    pub fn offer_tls(&self) -> io::Result<PathBuf> {
        let make = "set -e
            new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'
            openssl req -x509 $new -keyout ca.key -out ca.pem -subj /CN=authority
            openssl req $new -keyout data/server.key -out server.csr -subj /CN=localhost
            echo 'subjectAltName = DNS:localhost, IP:127.0.0.1' > extensions
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                -extfile extensions -out data/server.crt
            chmod 600 data/server.key";
        let made = command(Path::new("sh"), &self.folder)?
            .args(["-c", make])
            .stdin(Stdio::null())
            .output()?;
        if !made.status.success() {
            let text = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(io::Error::other(format!("openssl failed: {text}")));
        }
        self.psql("alter system set ssl = on")?;
        self.psql("select pg_reload_conf()")?;
        wait_until(|| self.psql("show ssl").map(|ssl| ssl == "on"))?;
        Ok(self.folder.path().join("ca.pem"))
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of its database `postgres`, as the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The folder of its cluster.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs statements as the superuser with `psql`, and gives what it prints.
    ///
    /// # Errors
    /// Those of psql, and what it says of a statement that failed.
    pub fn psql(&self, sql: &str) -> io::Result<String> {
        let output = Command::new(self.bin.join("psql"))
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url()])
            .stdin(Stdio::null())
            .output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(io::Error::other(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )),
        }
    }

    /// Stops the server in good order: connections are ended, what they were at is rolled back.
    ///
    /// # Errors
    /// It does not stop.
    pub fn stop(&mut self) -> io::Result<()> {
        self.end("INT")
    }

    /// Kills the server as a power cut would: nothing of it can react.
    ///
    /// # Errors
    /// It does not end.
    pub fn kill(&mut self) -> io::Result<()> {
        // Its processes first: they would go on for a moment without the one that started them.
        if let Some(server) = &self.server {
            let children = format!("pkill -KILL -P {}; kill -KILL {0}", server.id());
            Command::new("sh").args(["-c", &children]).status()?;
        }
        self.end("KILL")
    }

    /// Starts a server that was stopped or killed, on the same port.
    ///
    /// # Errors
    /// It does not start: its log is in the message.
    pub fn resume(&mut self) -> io::Result<()> {
        if self.server.is_some() {
            return Ok(());
        }
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        let mut command = command(&self.bin.join("postgres"), &self.folder)?;
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "max_connections=300"]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let server = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.server = Some(server);
        // It is ready once a statement runs: it takes connections earlier, to say that it is starting.
        wait_until(|| match self.psql("select 1") {
            Ok(_) => Ok(true),
            Err(cause) => self.is_running().map(|runs| !runs).and_then(|ended| {
                if ended {
                    return Err(io::Error::other(format!("{cause}\n{}", self.log())));
                }
                Ok(false)
            }),
        })
    }

    fn is_running(&self) -> io::Result<bool> {
        let Some(server) = &self.server else {
            return Ok(false);
        };
        let stat = fs::read_to_string(format!("/proc/{}/stat", server.id()));
        Ok(stat.is_ok_and(|stat| !stat.contains(") Z ")))
    }

    fn end(&mut self, signal: &str) -> io::Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        send(signal, server.id())?;
        let mut ended = Ok(());
        let waited = wait_until(|| match server.try_wait() {
            Ok(status) => Ok(status.is_some()),
            Err(cause) => {
                ended = Err(cause);
                Ok(true)
            }
        });
        waited.and(ended)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.end("QUIT"));
    }
}

/// A PgBouncer in transaction mode before a server, on a free port of loopback. It ends as [`Postgres`] does.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    server: Child,
    _folder: Folder,
}

impl PgBouncer {
    /// Starts one.
    ///
    /// # Errors
    /// There is no PgBouncer on this machine, or it does not start.
    pub fn start(before: &Postgres) -> io::Result<Self> {
        let folder = Folder::new(owner()?)?;
        let (port, at) = (free_port()?, folder.path().display());
        let settings = format!(
            "[databases]\n\
             * = host=127.0.0.1 port={}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = transaction\n\
             default_pool_size = 8\n\
             max_client_conn = 500\n\
             logfile = {at}/log\n\
             pidfile = {at}/bouncer.pid\n",
            before.port()
        );
        // Under `any` every user of a client is that of its database line: the superuser.
        let settings = settings.replace("port=", "user=postgres port=");
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings)?;
        let program = [
            "/usr/sbin/pgbouncer",
            "/usr/bin/pgbouncer",
            "/usr/local/bin/pgbouncer",
        ]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or_else(|| missing("PgBouncer", "pgbouncer"))?;
        let server = command(Path::new(program), &folder)?
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let bouncer = Self {
            port,
            server,
            _folder: folder,
        };
        wait_until(|| Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()))?;
        Ok(bouncer)
    }

    /// The address of the database `postgres` through it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(send("KILL", self.server.id()));
        drop(self.server.wait());
    }
}

/// The folder of PostgreSQL's programs, of the newest version that is there.
fn find() -> io::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .collect();
    found.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|folder| (0, folder));
    found
        .into_iter()
        .rev()
        .chain(in_path)
        .map(|(_, bin)| bin)
        .find(|bin| {
            ["initdb", "postgres", "psql"]
                .iter()
                .all(|name| bin.join(name).exists())
        })
        .ok_or_else(|| missing("PostgreSQL", "postgresql"))
}

fn missing(program: &str, package: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("there is no {program} on this machine (Debian: apt-get install {package})"),
    )
}

/// The user and group that a server runs as, where this process is root.
fn owner() -> io::Result<Option<(u32, u32)>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let is_root = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"));
    if !is_root {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    for name in ["postgres", "nobody"] {
        for line in users.lines() {
            let parts: Vec<_> = line.split(':').collect();
            if let [user, _, uid, gid, ..] = parts[..]
                && user == name
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
            {
                return Ok(Some((uid, gid)));
            }
        }
    }
    Err(io::Error::other(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as",
    ))
}

/// A program that runs as the owner of the folder, and in it.
fn command(program: &Path, folder: &Folder) -> io::Result<Command> {
    let mut command = Command::new(program);
    command.current_dir(folder.path()).env("LC_ALL", "C");
    if let Some((uid, gid)) = owner()? {
        command.uid(uid).gid(gid);
    }
    Ok(command)
}

fn send(signal: &str, process: u32) -> io::Result<()> {
    Command::new("kill")
        .args([&format!("-{signal}"), &process.to_string()])
        .stderr(Stdio::null())
        .status()
        .map(drop)
}

/// Looks at intervals until it holds.
fn wait_until(mut holds: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    const INTERVAL: Duration = Duration::from_millis(20);
    for _ in 0..PATIENCE.as_millis() / INTERVAL.as_millis() {
        if holds()? {
            return Ok(());
        }
        thread::sleep(INTERVAL);
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("a server did not start or stop in {PATIENCE:?}"),
    ))
}
