//! The store that several processes share: sessions in Redis, Valkey or a Redis Cluster.
//!
//! ```no_run
//! # async fn connect() -> level_session_store::Result<()> {
//! use level_session_redis::RedisStore;
//!
//! let store = RedisStore::connect("redis://sessions.internal:6379").await?;
//! # let _: &dyn level_session_store::Store = &store;
//! # Ok(()) }
//! ```
//!
//! The same call opens a Cluster, by the URL of one of its nodes; [`RedisStoreBuilder::sentinel`] asks sentinels for the
//! master. Needed is Redis 6.2 or newer, or Valkey.
//!
//! # What it costs
//! A load is one command, a commit one script: one round trip each, for any number of fields. More take
//! - a use or a write by a former id, for its grace: two;
//! - a renewal that keeps an index entry which it does not set again, and once in an idle period the use of a session that
//!   has one: two;
//! - an addition whose numbers pass 2^52: two;
//! - a commit within a [`Limit`](level_session_store::Limit): two or three on a single server, some ten on a Cluster;
//! - a look-up by an index entry: two, to all nodes at the same time.
//!
//! With a [cache](RedisStoreBuilder::cache) in the process's memory, off by default, a read of a session that was read before
//! takes none. The server tells of every change, and proves again and again that it has: so a session that another process
//! has ended or changed can be *read* as it was for `max_stale`, and no longer, whatever happens to connections and servers. It
//! is never *written* so: a commit is decided at the server. What this store has committed it reads as it is.
//!
//! # Never twice
//! A commit is sent again only where the server says that it did not run it: the script is not known there, the slot has
//! moved or is on its way, the cluster is down, the server is a replica or still reads its data. Where an answer is lost, the
//! error says that the commit [may be stored](level_session_store::Error::may_be_stored), whole, and it is not sent again.
//! A read whose answer is lost is tried once more.
//!
//! # The server
//! ```text
//! maxmemory-policy noeviction   # else a full server drops sessions, and the marks of ended ones
//! appendonly yes                # else a restart loses sessions, or brings back ended ones
//! min-replicas-to-write 1       # with replicas: a master that was cut off takes no writes
//! ```
//! The first two are looked at when the store connects: see [`Safety`]. A server that has reached its `maxmemory` refuses
//! commits whole. Reads, sign-outs and renewals go on, and so do those that end all sessions of a user, or all but one
//! ([`Commit::ends_others`](level_session_store::Commit::ends_others)): they store what else is in the same commit.
//!
//! While a server is away, or refuses commands, each request tries again. The log says so once, again after 1, 2, 4 minutes
//! and so on up to an hour, and once when it is back.
//!
//! ## What a failover or a restored backup can undo
//! | event | sessions and changes | sign-outs and renewals |
//! |---|---|---|
//! | the server's process ends, also by `kill -9`, with `appendonly yes` | kept, if they were answered | kept, if they were answered |
//! | the same without it | all since the last snapshot are lost | an ended session of the snapshot lives again |
//! | the machine loses power, `appendfsync everysec` (the server's default) | the last second is lost | an end of the last second may be undone |
//! | the same, `appendfsync always` | kept, if they were answered | kept, if they were answered |
//! | a replica takes the master's place | what it had not received is lost | an end that it had not received is undone: that session lives again, until it is ended once more or expires |
//! | the same, with [`replicated`](RedisStoreBuilder::replicated) | as above ([`replicated_always`](RedisStoreBuilder::replicated_always): what was answered is at so many replicas) | what was answered is at so many replicas; another replica may still win the election |
//! | a backup is restored | all since then are lost | **all ends since then are undone**: change the keys of the cookie's signature, or empty the store |
//! | keys are evicted (`maxmemory-policy` other than `noeviction`, which connecting warns of or refuses: [`Safety`]) | sessions vanish | the mark of an end may vanish: a request in flight then makes a new session instead of an error. An index entry may vanish: its session lives on, and is neither listed nor ended with all sessions of its user |
//! | the server is emptied (`FLUSHALL`) | all are lost | everybody is signed out; a request in flight that only writes makes a new session |
//!
//! # A Cluster
//! Sessions are kept at 64 homes, each of which is one slot, spread evenly: so a commit, a renewal too, is one script at one
//! node. That tells who knows an old id 6 of the 192 bits of the new one. Slots may migrate while the store is in use.
//! Limits are [not exact](level_session_store::Abilities::exact_limits) there: sign-ins of one user take turns by a lock that
//! lasts 5 s, and whoever is held up for longer may pass a limit, until the next sign-in puts that right. A listing of all
//! sessions (for [`copy`](level_session_store::copy)) may miss those whose slot migrates meanwhile.
//!
//! # The server's user
//! ```text
//! ACL SETUSER shop on >password resetchannels &session@* ~session:* ~session!* ~session@* ~session{*
//!   -@all +hello +auth +select +client|setname +client|tracking +info +ping +hget +hmget +hgetall +hset +hsetnx +hdel +hlen +hkeys
//!   +hexists +exists +del +rename +pexpire +pttl +persist +zadd +zrem +zcard +zrangebyscore +zremrangebyscore +scan
//!   +eval +evalsha +set +get +publish +subscribe +wait +cluster|slots +asking
//! ```
//!
//! # What is absent
//! Values are kept as they are: who can read the server's
//! memory can read them. The keys are digests, from which no cookie can be made.
//!
//! # In the code
//! `commit.lua` decides and writes; `script` speaks its language, `record` reads what it stores, `keys` names it. `commit`
//! and `listing` are the conversations, `cache` keeps what was read; `servers` knows which server a command goes to and when it is sent again, `link` is
//! one connection, `outage` what the log says of a server that is away, `fault` the errors. `builder` and `check` connect, `ended` listens to other processes.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod cache;
mod check;
mod commit;
mod counts;
mod ended;
mod fault;
mod flaws;
mod keys;
mod link;
mod listing;
mod outage;
mod record;
mod script;
mod servers;
mod shared;

pub use builder::{RedisStoreBuilder, Safety};
pub use counts::Counts;

use level_session_store::{
    Abilities, Commit, Cursor, Digest, Flaw, Found, Home, Loaded, Outcome, Page, Result, Select,
    Store, StoreFuture, Swept, Timestamp, Watch,
};
use shared::Shared;
use std::{
    fmt,
    sync::{Arc, Weak},
};
use tracing::Instrument as _;

/// Keeps sessions in Redis, Valkey or a Redis Cluster, shared by any number of processes.
///
/// Clones are the same store.
#[derive(Clone)]
pub struct RedisStore(Arc<Handle>);

struct Handle(Arc<Shared>);

impl RedisStore {
    /// Connects with all settings at their defaults: see [`RedisStoreBuilder::connect`].
    ///
    /// # Errors
    /// As [`RedisStoreBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder().connect(url).await
    }

    /// Settings: prefix, timeouts, replication, safety, Sentinel, Cluster.
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::default()
    }

    /// Waits for calls under way, and lets no other one in: as [`Store::close`], without the trait in scope.
    ///
    /// # Errors
    /// None today.
    pub async fn close(&self) -> Result<()> {
        Store::close(self).await
    }

    /// What this store, with its clones, has done since it was opened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let shared = self.shared();
        let mut counts = shared.servers.counters().read();
        counts.cached = shared.cache.as_ref().map_or(0, |cache| cache.kept.hits());
        counts
    }

    /// Looks for what the servers have filed beside a session and contradicts it, for an inspector: a page of the flaws
    /// among about `limit` sessions that live at `now`. A page may be empty although there is more. It can be asked at any
    /// time: what changes meanwhile is not told.
    ///
    /// Found are a session that the index does not lead to although its record says so, and a session that has a deadline
    /// and whose key has no time to live. An entry of the index without a session is no flaw here: what has ended or
    /// expired leaves entries, which go in the background or with their horizon, and look-ups pass over them. There is no
    /// list of deadlines: the servers remove keys by their time to live.
    ///
    /// # Errors
    /// As [`page`](Store::page).
    pub fn flaws<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Flaw>> {
        StoreFuture::boxed(async move {
            let shared = self.shared();
            let _open = shared.enter().await?;
            shared.flaws(after, limit, now).await
        })
    }

    /// The slot of each home: for tests that move them.
    #[doc(hidden)]
    #[must_use]
    pub fn slots(&self) -> Vec<u16> {
        let keys = &self.shared().keys;
        (0..keys.homes())
            .map(|home| keys.slot(Home::new(home)))
            .collect()
    }

    fn of(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Handle(shared)))
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }
}

impl Store for RedisStore {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        if let Some(found) = self.shared().at_hand(id, select, now) {
            return StoreFuture::ready(Ok(found));
        }
        StoreFuture::boxed(async move {
            let shared = self.shared();
            let _open = shared.enter().await?;
            let span = tracing::trace_span!("redis load", session = %id.short());
            shared.load(id, select, now).instrument(span).await
        })
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::boxed(async move {
            let shared = self.shared();
            let _open = shared.enter().await?;
            let span = tracing::debug_span!("redis commit", session = %commit.id.short());
            shared.write(&commit).instrument(span).await
        })
    }

    fn home(&self, id: Digest) -> Home {
        self.shared().keys.home(id)
    }

    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>> {
        StoreFuture::boxed(async move {
            let shared = self.shared();
            let _open = shared.enter().await?;
            shared.find(field, entry, after, limit, now).await
        })
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        StoreFuture::boxed(async move {
            let shared = self.shared();
            let _open = shared.enter().await?;
            shared.page(after, limit, now).await
        })
    }

    /// There is nothing to do: the servers remove what is dead.
    fn sweep(&self, _: Timestamp, _: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::boxed(async move {
            let _open = self.shared().enter().await?;
            Ok(Swept::default())
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        StoreFuture::boxed(self.shared().close())
    }

    fn abilities(&self) -> Abilities {
        let shared = self.shared();
        Abilities::default()
            .with_exact_limits(shared.keys.homes() == 1)
            .with_tells_ended(shared.tells)
    }

    /// The servers remove what has expired, and tell nobody.
    fn watch_expired(&self, _: Weak<Watch>) {}

    fn watch_ended(&self, watch: Weak<Watch>) {
        self.shared().ended.add(watch);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}
