//! The settings of the store, and opening it.

use crate::{
    PostgresStore, Shared,
    address::{Address, Protection},
    ends::{self, Ends},
    fault,
    load::Asides,
    schema::{self, Schema},
    server::Server,
    sweep,
};
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use level_session_store::{Clock, Error, ErrorKind, Result, Turns, WatchList};
use std::{
    fmt,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};
use tokio::sync::RwLock;

/// When a commit returns: PostgreSQL's setting of the same name, for commits of sessions.
#[doc(alias = "Durability")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SynchronousCommit {
    /// Once it is on the disk of the server and of the synchronous standbys, if there are any.
    On,
    /// Once it is on the server's disk.
    Local,
    /// Like `On`, but the standbys have only received it.
    RemoteWrite,
    /// Like `On`, and a read from a synchronous standby sees it.
    RemoteApply,
    /// At once. If the server crashes, the commits of the last moments are lost, at most three times the server's
    /// `wal_writer_delay` (200 ms): sessions that ended within that time may be live again. A commit is never lost in
    /// part.
    Off,
}

impl SynchronousCommit {
    fn level(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Local => "local",
            Self::RemoteWrite => "remote_write",
            Self::RemoteApply => "remote_apply",
            Self::Off => "off",
        }
    }
}

/// The settings of a [`PostgresStore`].
///
/// ```no_run
/// # async fn open() -> level_session_store::Result<()> {
/// use level_session_postgres::PostgresStore;
///
/// let settings = PostgresStore::builder("postgres://shop:secret@localhost/shop")
///     .schema("shop_sessions")
///     .pool_size(8);
/// settings.migrate().await?;
/// let store = settings.open().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing before `open`"]
pub struct PostgresStoreBuilder {
    source: Source,
    protection: Protection,
    schema: String,
    pool_size: usize,
    timeout: Duration,
    pgbouncer: bool,
    synchronous_commit: Option<SynchronousCommit>,
    tell_ended: bool,
    listen_at: Option<String>,
    sweep_every: Option<Duration>,
    clock: Clock,
}

#[derive(Clone)]
enum Source {
    Url(String),
    Pool(Pool),
}

impl PostgresStoreBuilder {
    pub(crate) fn by_url(url: String) -> Self {
        Self::of(Source::Url(url))
    }

    pub(crate) fn by_pool(pool: Pool) -> Self {
        Self::of(Source::Pool(pool))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            protection: Protection::default(),
            schema: schema::DEFAULT.to_owned(),
            pool_size: 16,
            timeout: Duration::from_secs(5),
            pgbouncer: false,
            synchronous_commit: None,
            tell_ended: false,
            listen_at: None,
            sweep_every: Some(Duration::from_secs(60)),
            clock: Clock::system(),
        }
    }

    /// The schema that contains the tables: 1 to 63 letters, digits or `_`. Default: `level_session`.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// The maximum number of connections, in addition to a listening one if [`tell_ended`](Self::tell_ended) is set. It
    /// has no effect on the application's own pool. Default: 16.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections;
        self
    }

    /// How long a call waits for a connection, and a statement may run (`statement_timeout`). A commit that has not
    /// returned by then [may be stored](Error::may_be_stored), unless the server itself cancelled it. With
    /// [`pgbouncer`](Self::pgbouncer), and on the application's own pool, the server's own timeout is left as it is.
    /// Default: 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether the store connects through PgBouncer, or another pooler, in transaction mode: no state is kept on a
    /// connection then, and statements are not prepared. Each is planned again, which takes two to five times as long.
    /// PgBouncer 1.21 and later prepares statements by itself (`max_prepared_statements`) and does not need this
    /// setting, except that it rejects the settings of a connection. Default: no.
    pub fn pgbouncer(mut self, pgbouncer: bool) -> Self {
        self.pgbouncer = pgbouncer;
        self
    }

    /// Whether sessions and passwords may cross a network unencrypted. If not, connections to other machines use TLS
    /// and verify the certificate, whatever the address's `sslmode`; if the crate was built without the feature `tls`,
    /// such an address is an error. If so, TLS is used only where the address has `sslmode=require`. Default: no.
    pub fn plain_text(mut self, allowed: bool) -> Self {
        self.protection = match allowed {
            true => Protection::PlainText,
            false => Protection::OffLoopback,
        };
        self
    }

    /// When a commit returns. Default: the setting of the server, the database or the role.
    pub fn synchronous_commit(mut self, level: SynchronousCommit) -> Self {
        self.synchronous_commit = Some(level);
        self
    }

    /// Whether processes notify each other of ended sessions, by `NOTIFY`, within some tens of milliseconds. This takes
    /// one more connection, which listens: behind a pooler in transaction mode it needs a separate address, see
    /// [`listen_at`](Self::listen_at). Without this setting an end takes effect in every process at its next access,
    /// and open connections notice it then. Default: no.
    pub fn tell_ended(mut self, tell: bool) -> Self {
        self.tell_ended = tell;
        self
    }

    /// The address for the listening connection, bypassing a pooler, or for a store on the application's pool.
    pub fn listen_at(mut self, url: impl Into<String>) -> Self {
        self.listen_at = Some(url.into());
        self
    }

    /// How often dead sessions are removed in the background; with `None`, the application calls
    /// [`sweep`](level_session_store::Store::sweep). Any number of processes may sweep. An expired session is dead
    /// whether or not it was removed. Default: every minute.
    pub fn sweep_every(mut self, interval: Option<Duration>) -> Self {
        self.sweep_every = interval;
        self
    }

    /// The clock of the background sweep. The server's clock is used instead if it is earlier. Default: the system
    /// clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the text of `schema.sql` for this schema, for applications with their own migrations.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an invalid name of the schema.
    pub fn schema_sql(&self) -> Result<String> {
        Ok(Schema::new(&self.schema)?.sql())
    }

    /// Creates the tables, or brings them up to date; does nothing if they are. Any number of processes may call it
    /// when they start, also at the same time, and also if the role has no right to create anything: it needs the right
    /// to create tables in the schema only if tables are missing or out of date, and the right to create a schema only
    /// if the schema does not exist.
    ///
    /// # Errors
    /// [`ErrorKind::Store`]: the server cannot be reached or reports an error, or the tables belong to a newer
    /// level-session. [`ErrorKind::Config`] for an invalid setting.
    pub async fn migrate(&self) -> Result<()> {
        let schema = Schema::new(&self.schema)?;
        let doing = "make the tables of the session store";
        match &self.source {
            // A separate connection: it ends, and its transaction with it, if this future is dropped.
            Source::Url(url) => {
                let client = self.address(url)?.client().await;
                let client =
                    client.map_err(|cause| fault::pool(doing, cause.into(), self.timeout))?;
                schema.migrate(&client).await
            }
            Source::Pool(pool) => {
                let client = pool.get().await;
                let client = client.map_err(|cause| fault::pool(doing, cause, self.timeout))?;
                schema.migrate(&Object::take(client)).await
            }
        }
    }

    /// Connects, and checks the version of the tables. Call it within the tokio runtime that the connections will
    /// belong to.
    ///
    /// # Errors
    /// [`ErrorKind::Store`]: the server cannot be reached or reports an error, or the tables do not exist or have
    /// another version. [`ErrorKind::Config`] for an invalid setting.
    pub async fn open(&self) -> Result<PostgresStore> {
        let schema = Schema::new(&self.schema)?;
        let refuse = |what: &'static str| Err(Error::new(ErrorKind::Config, what));
        if self.pool_size == 0 {
            return refuse("`pool_size` must be at least 1");
        }
        if self.timeout.is_zero() {
            return refuse("`timeout` must be longer than zero");
        }
        if self.sweep_every.is_some_and(|every| every.is_zero()) {
            return refuse("`sweep_every` must be longer than zero");
        }
        let listener = self.listener()?;
        let level = self.synchronous_commit.map(SynchronousCommit::level);
        let (pool, is_ours) = match &self.source {
            Source::Url(url) => (self.pool(self.address(url)?)?, true),
            Source::Pool(pool) => (pool.clone(), false),
        };
        let on_connection = is_ours && !self.pgbouncer;
        let server = Server {
            pool,
            schema,
            asides: Asides::new(),
            unnamed: self.pgbouncer,
            synchronous_commit: level.filter(|_| !on_connection),
            // The server's own timeout comes first: it leaves no doubt about the outcome.
            patience: self.timeout + self.timeout / 4,
            closed: AtomicBool::new(false),
            calls: RwLock::default(),
        };
        {
            let client = server.pool.get().await;
            let doing = "open the session store";
            let client = client.map_err(|cause| fault::pool(doing, cause, self.timeout))?;
            server.schema.check(&client).await?;
        }
        let ends = match self.tell_ended {
            true => Some(Arc::new(Ends::new(sender()?))),
            false => None,
        };
        let shared = Arc::new(Shared {
            server,
            turns: Turns::default(),
            expired: WatchList::default(),
            ended: WatchList::default(),
            ends: ends.clone(),
            is_ours,
            may_lose: self.synchronous_commit == Some(SynchronousCommit::Off),
            tasks: Mutex::default(),
        });
        if let (Some(ends), Some(address)) = (ends, listener) {
            let weak = Arc::downgrade(&shared);
            let channel = ends::channel(&shared.server.schema);
            let hears = ends::listen(weak.clone(), address, channel, ends.sender.clone()).await?;
            shared.keep(hears);
            shared.keep(tokio::spawn(ends::tell(weak, ends)));
        }
        if let Some(every) = self.sweep_every {
            let weak = Arc::downgrade(&shared);
            let sweeps = sweep::in_background(weak, self.clock.clone(), every);
            shared.keep(tokio::spawn(sweeps));
        }
        Ok(PostgresStore(shared))
    }

    fn listener(&self) -> Result<Option<Address>> {
        if !self.tell_ended {
            return Ok(None);
        }
        let url = match (&self.listen_at, &self.source) {
            (Some(url), _) => url,
            (None, Source::Url(url)) if !self.pgbouncer => url,
            _ => {
                return Err(Error::new(
                    ErrorKind::Config,
                    "`tell_ended` needs a connection that no pooler shares: set `listen_at`",
                ));
            }
        };
        self.address(url).map(Some)
    }

    fn address(&self, url: &str) -> Result<Address> {
        let mut address = Address::new(url, self.protection)?;
        if address.config.get_connect_timeout().is_none() {
            address.config.connect_timeout(self.timeout);
        }
        // A connection that only listens would take two hours to notice that its peer is gone.
        address.config.keepalives_idle(Duration::from_secs(30));
        address.config.keepalives_interval(Duration::from_secs(10));
        address.config.keepalives_retries(3);
        Ok(address)
    }

    fn pool(&self, mut address: Address) -> Result<Pool> {
        if !self.pgbouncer {
            let config = &mut address.config;
            let mut options = config.get_options().unwrap_or_default().to_owned();
            let millis = self.timeout.as_millis().clamp(1, 2_000_000_000);
            options.push_str(&format!(
                " -c default_transaction_isolation=read\\ committed -c statement_timeout={millis}"
            ));
            if let Some(level) = self.synchronous_commit {
                options.push_str(&format!(" -c synchronous_commit={}", level.level()));
            }
            config.options(options);
        }
        let config = address.config.clone();
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_connect(config, address, recycling);
        let timeouts = Timeouts {
            wait: Some(self.timeout),
            create: Some(self.timeout),
            recycle: Some(self.timeout),
        };
        // Used connections have their statements prepared.
        let pool = Pool::builder(manager)
            .max_size(self.pool_size)
            .queue_mode(QueueMode::Lifo)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build();
        pool.map_err(|_| Error::new(ErrorKind::Config, "cannot create the connection pool"))
    }
}

/// This process's name in its messages to others.
fn sender() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|cause| Error::store("the operating system's random generator failed", cause))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// Without the address: it contains a password.
impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .field("timeout", &self.timeout)
            .field("pgbouncer", &self.pgbouncer)
            .field("synchronous_commit", &self.synchronous_commit)
            .field("tell_ended", &self.tell_ended)
            .field("sweep_every", &self.sweep_every)
            .finish_non_exhaustive()
    }
}
