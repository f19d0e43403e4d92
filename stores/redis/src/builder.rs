//! The settings of the store, and connecting.

use crate::{
    RedisStore,
    cache::{Cache, Kept},
    check,
    counts::Counters,
    ended,
    keys::Keys,
    link::{Dial, Link},
    outage::Outages,
    script::Hashes,
    servers::Servers,
    shared::{Replication, Shared},
    sizes::Sizes,
};
use level_session_store::{ConfigError, Error, Result, Turns, WatchList};
use redis::IntoConnectionInfo as _;
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

/// How to react to a server that may lose sessions by itself: one that evicts keys when its memory is full, or does not
/// write an append-only file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Safety {
    /// A warning in the log when the store connects: the default.
    #[default]
    Warn,
    /// Connecting is an error.
    Refuse,
    /// Nothing: it is not checked.
    Ignore,
}

/// The settings of a [`RedisStore`].
///
/// ```no_run
/// # async fn connect() -> level_session_store::Result<()> {
/// use level_session_redis::{RedisStore, Safety};
/// use std::time::Duration;
///
/// let store = RedisStore::builder()
///     .prefix("shop")
///     .response_timeout(Duration::from_millis(250))
///     .safety(Safety::Refuse)
///     .tell_ended(true)
///     .connect("redis://shop:secret@sessions.internal:6379/2")
///     .await?;
/// # Ok(()) }
/// ```
///
/// `Debug` shows no password.
#[derive(Clone)]
#[must_use = "a builder does nothing before it connects"]
pub struct RedisStoreBuilder {
    prefix: String,
    response_timeout: Duration,
    connect_timeout: Duration,
    homes: Option<u16>,
    client_name: String,
    credentials: Option<(Option<String>, String)>,
    replication: Option<Replication>,
    safety: Safety,
    tell_ended: bool,
    cache: Option<(usize, Duration)>,
    #[cfg(feature = "tls")]
    root_certificates: Option<Vec<u8>>,
}

impl Default for RedisStoreBuilder {
    fn default() -> Self {
        Self {
            prefix: "session".to_owned(),
            response_timeout: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(1),
            homes: None,
            client_name: "level-session".to_owned(),
            credentials: None,
            replication: None,
            safety: Safety::default(),
            tell_ended: false,
            cache: None,
            #[cfg(feature = "tls")]
            root_certificates: None,
        }
    }
}

/// The default number of homes of a store on a Cluster: three masters get about equal shares, and so do up to 64.
const CLUSTER_HOMES: u16 = 64;

/// The contract allows no more (`Store::home`): with this many, 6 bits of the id of a renewed session are known to
/// anyone who knows its old id.
const MOST_HOMES: u16 = 64;

impl RedisStoreBuilder {
    /// The prefix of all keys: 1 to 100 letters, digits, or any of `-._/`. Stores with different prefixes are
    /// independent. Default: `session`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a response may take. After this time a read is retried once, and a commit returns an error that says
    /// that it [may be stored](Error::may_be_stored). A command that did not run is sent again for up to four times as
    /// long. Default: 500 ms. With the default, a request fails after about 2 s if the server refuses connections. If
    /// the server hangs, a request fails after 3 s, and after up to twice that while many requests wait for it.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// How long connecting may take. Default: 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The number of homes at which the sessions are kept, each of which is one slot of a Cluster: 1 to 64. It cannot
    /// be changed while there are sessions. Default: 1 on a single server, 64 on a Cluster. A single server that is to
    /// become a Cluster later needs 64 from the beginning. With more than one home, limits per entry are [not
    /// exact](level_session_store::Abilities::exact_limits), as on a Cluster.
    pub fn homes(mut self, homes: u16) -> Self {
        self.homes = Some(homes);
        self
    }

    /// The name of the connections in the server's client list. Default: `level-session`.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = name.into();
        self
    }

    /// The password, and the user if it is not the default one: replaces those in the URL.
    pub fn credentials(mut self, user: Option<&str>, password: impl Into<String>) -> Self {
        self.credentials = Some((user.map(str::to_owned), password.into()));
        self
    }

    /// Makes ends and renewals wait until this many replicas have them; if that takes longer than the timeout, they
    /// return an error that says that they may be stored. This reduces what a failover can undo, but does not prevent
    /// it. It uses a separate connection, since waiting blocks it. Default: none.
    pub fn replicated(mut self, replicas: u32, timeout: Duration) -> Self {
        self.replication = Some(Replication {
            replicas,
            timeout,
            every_commit: false,
        });
        self
    }

    /// Like [`replicated`](Self::replicated), for every commit.
    pub fn replicated_always(mut self, replicas: u32, timeout: Duration) -> Self {
        self.replication = Some(Replication {
            replicas,
            timeout,
            every_commit: true,
        });
        self
    }

    /// How to react to a server that may lose sessions by itself. Default: [`Safety::Warn`].
    pub fn safety(mut self, safety: Safety) -> Self {
        self.safety = safety;
        self
    }

    /// Whether processes notify each other of ends, so that an open connection notices a sign-out by another process at
    /// once instead of within a minute. This takes one more connection for each process, and a message for each end.
    /// All processes need the same setting. Default: no.
    pub fn tell_ended(mut self, tell: bool) -> Self {
        self.tell_ended = tell;
        self
    }

    /// Caches up to this many sessions in this process's memory. A session is read from the cache only if the servers
    /// have proven that it was current at most `max_stale` before the read began. They send invalidations for every
    /// change, over one more connection to each of them. Default: no cache.
    ///
    /// The trade-off: a session that another process has changed, renewed or ended may be read here in its former
    /// state, for up to `max_stale`. It is never written in that state: the server decides every commit. Changes
    /// committed by this store itself are visible at once. With a `max_stale` of zero each read requests a proof, which
    /// is less data than a session.
    ///
    /// A cached session takes at most 4 KiB on average; a session larger than 64 KiB is not cached. A session that is
    /// not cached is read whole, unless it is that large. On a Cluster each node sends its own invalidations. The
    /// server must allow `CLIENT TRACKING` to the connection's user.
    ///
    /// ```no_run
    /// # async fn connect() -> level_session_store::Result<()> {
    /// # use level_session_redis::RedisStore;
    /// use std::time::Duration;
    ///
    /// let store = RedisStore::builder()
    ///     .cache(10_000, Duration::from_secs(1))
    ///     .connect("redis://sessions.internal:6379")
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn cache(mut self, sessions: usize, max_stale: Duration) -> Self {
        self.cache = (sessions > 0).then_some((sessions, max_stale));
        self
    }

    /// The root certificates to verify the server's with, in PEM format, instead of the system's: for `rediss://`.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// Connects to a server, or to a Cluster by one of its nodes: `redis://[user:password@]host[:port][/database]`, or
    /// `rediss://` for TLS (feature `redis-tls` of level-session, `tls` of this crate).
    ///
    /// # Errors
    /// [`ErrorKind::Config`](level_session_store::ErrorKind::Config) for an invalid setting, or one that contradicts
    /// the data stored under the prefix; [`ErrorKind::Store`](level_session_store::ErrorKind::Store) if the server
    /// cannot be reached, rejects the password, is too old, or is a replica.
    pub async fn connect(self, url: &str) -> Result<RedisStore> {
        self.connect_any(&[url]).await
    }

    /// Like [`connect`](Self::connect), by the first of several nodes of a Cluster that responds.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect), for the last node.
    pub async fn connect_any(self, urls: &[&str]) -> Result<RedisStore> {
        let counters = Arc::default();
        let seeds = self.links(urls, &counters)?;
        let mut last = None;
        for (seed, dial) in &seeds {
            match check::server(seed).await {
                Ok(server) if server.is_cluster => {
                    let links = seeds.iter().map(|(link, _)| Arc::clone(link)).collect();
                    return self.open(Place::Cluster(links), dial.clone()).await;
                }
                Ok(_) => return self.open(Place::Single, dial.clone()).await,
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            ConfigError::new("the address of the Redis server", "it is missing").into()
        }))
    }

    /// Connects to the master with this name, as reported by the sentinels at these URLs. User, password, database and
    /// TLS are those of the first URL, for sentinels and servers alike.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn sentinel(self, urls: &[&str], master: &str) -> Result<RedisStore> {
        let counters = Arc::default();
        let sentinels = self.links(urls, &counters)?;
        let Some((_, dial)) = sentinels.first().cloned() else {
            return Err(
                ConfigError::new("the addresses of the sentinels", "they are missing").into(),
            );
        };
        let links = sentinels.into_iter().map(|(link, _)| link).collect();
        self.open(Place::Sentinel(links, master.to_owned()), dial)
            .await
    }

    fn links(&self, urls: &[&str], counters: &Arc<Counters>) -> Result<Vec<(Arc<Link>, Dial)>> {
        self.check()?;
        let outages = Arc::default();
        let links = urls.iter().map(|url| {
            let dial = self.dial(url, Arc::clone(counters), &outages)?;
            Ok((Link::new(dial.clone())?, dial))
        });
        links.collect()
    }

    fn dial(&self, url: &str, counters: Arc<Counters>, outages: &Arc<Outages>) -> Result<Dial> {
        // The client's own message may quote the URL, and with it the password.
        let refused = |problem: &'static str| -> Error {
            ConfigError::new("the URL of the Redis server", problem).into()
        };
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme {
            "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => {}
            "rediss" | "valkeys" if cfg!(feature = "tls") => {}
            "rediss" | "valkeys" => {
                return Err(refused(
                    "TLS needs the feature `redis-tls` of level-session (`tls` of level-session-redis)",
                ));
            }
            _ => return Err(refused("it must begin with `redis://` or `rediss://`")),
        }
        let info = url.into_connection_info().map_err(|_| {
            refused("it must have the form `redis://[user:password@]host[:port][/database]`, with special characters of the password as %XX")
        })?;
        let info = match &self.credentials {
            None => info,
            Some((user, password)) => {
                let mut redis = info.redis_settings().clone().set_password(password);
                if let Some(user) = user {
                    redis = redis.set_username(user);
                }
                info.set_redis_settings(redis)
            }
        };
        #[cfg(feature = "tls")]
        let info = self.with_certificates(info)?;
        let dial = Dial {
            info,
            client_name: self.client_name.clone(),
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            counters,
            outages: Arc::clone(outages),
            tracks: None,
        };
        Ok(dial.tuned())
    }

    #[cfg(feature = "tls")]
    fn with_certificates(&self, info: redis::ConnectionInfo) -> Result<redis::ConnectionInfo> {
        let is_tls = matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. });
        let Some(pem) = self.root_certificates.as_ref().filter(|_| is_tls) else {
            return Ok(info);
        };
        let certificates = redis::TlsCertificates {
            client_tls: None,
            root_cert: Some(pem.clone()),
        };
        let client = redis::Client::build_with_tls(info, certificates).map_err(|_| {
            ConfigError::new(
                "the root certificates",
                "they are not certificates in PEM format",
            )
        })?;
        Ok(client.get_connection_info().clone())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
        if !(1..=100).contains(&self.prefix.len()) || !self.prefix.bytes().all(fits) {
            return Err(ConfigError::new(
                "the prefix",
                "it must be 1 to 100 letters, digits, or any of `-._/`",
            ));
        }
        if self
            .homes
            .is_some_and(|homes| !(1..=MOST_HOMES).contains(&homes))
        {
            return Err(ConfigError::new(
                "the number of homes",
                "it must be 1 to 64",
            ));
        }
        let name = self.client_name.as_bytes();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(ConfigError::new(
                "the client's name",
                "it must not be empty or contain white space",
            ));
        }
        if self.response_timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(ConfigError::new("a timeout", "it must be longer than zero"));
        }
        if let Some(how) = self.replication
            && (how.replicas == 0 || how.timeout.is_zero())
        {
            return Err(ConfigError::new(
                "the replication",
                "it needs at least one replica, and a timeout longer than zero",
            ));
        }
        Ok(())
    }

    async fn open(self, place: Place, dial: Dial) -> Result<RedisStore> {
        let homes = match (&place, self.homes) {
            (Place::Cluster(_), Some(1)) => {
                return Err(ConfigError::new(
                    "the number of homes",
                    "a Redis Cluster needs at least 2: with 1, all sessions would be at one node",
                )
                .into());
            }
            (_, Some(homes)) => homes,
            (Place::Cluster(_), None) => CLUSTER_HOMES,
            (_, None) => 1,
        };
        let keys = Arc::new(Keys::new(&self.prefix, homes));
        let servers = Arc::new(place.servers(&keys, dial.clone())?);
        check::whole(&servers, &keys).await?;
        let masters = servers.masters().await?;
        if let Place::Sentinel(..) = place {
            for link in &masters {
                check::server(link).await?;
            }
        }
        if self.safety != Safety::Ignore {
            for link in &masters {
                for danger in check::dangers(link).await? {
                    if self.safety == Safety::Refuse {
                        let problem =
                            format!("the server at {} may lose sessions: {danger}", link.place());
                        return Err(ConfigError::new("the Redis server", problem).into());
                    }
                    tracing::warn!(
                        server = link.place(),
                        "this Redis server may lose sessions: {danger}"
                    );
                }
            }
        }
        check::layout(&servers, &keys).await?;
        let waiting = match self.replication {
            None => None,
            Some(how) => {
                let mut slow = dial.clone();
                slow.response_timeout = self.response_timeout + how.timeout;
                Some((place.servers(&keys, slow)?, how))
            }
        };
        let cache = match self.cache {
            None => None,
            Some((sessions, max_stale)) => {
                let kept = Arc::new(Kept::new(Arc::clone(&keys), sessions, max_stale));
                let mut told = dial.clone();
                told.tracks = Some(Arc::clone(&kept));
                let cache = Cache::new(kept, place.servers(&keys, told)?, Arc::clone(&servers));
                cache.check().await?;
                Some(cache)
            }
        };
        let shared = Arc::new_cyclic(|me| Shared {
            me: std::sync::Weak::clone(me),
            keys,
            servers,
            waiting,
            cache,
            hashes: Hashes::new(),
            sizes: Sizes::new(),
            tells: self.tell_ended,
            ended: Arc::new(WatchList::default()),
            turns: Turns::default(),
            gate: Shared::gate(),
            background: Mutex::default(),
        });
        if self.tell_ended {
            // If subscribing fails now, it is retried in the background.
            let _ = ended::listen(&shared, &dial).await;
        }
        Ok(RedisStore::of(shared))
    }
}

/// The location of the sessions.
enum Place {
    Single,
    Sentinel(Vec<Arc<Link>>, String),
    Cluster(Vec<Arc<Link>>),
}

impl Place {
    fn servers(&self, keys: &Keys, dial: Dial) -> Result<Servers> {
        Ok(match self {
            Self::Single => Servers::single(dial)?,
            Self::Sentinel(links, master) => Servers::sentinel(links.clone(), master.clone(), dial),
            Self::Cluster(seeds) => Servers::cluster(seeds.clone(), keys, dial),
        })
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| user);
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("homes", &self.homes)
            .field("client_name", &self.client_name)
            .field("user", &user)
            .field("replication", &self.replication)
            .field("safety", &self.safety)
            .field("tell_ended", &self.tell_ended)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
