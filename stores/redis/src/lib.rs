//! The store for several processes: sessions in Redis, Valkey or a Redis Cluster.
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
//! master. Redis 6.2 or newer is required, or Valkey.
//!
//! # Costs
//! A load is one command, a commit one script: one round trip each, for any number of fields. A session of at most 4
//! KiB and 64 fields is read whole at the first read of a request, so further reads take no round trip. The fields of a
//! larger session are read on request; a process knows that a session is large once it has read it. The following take
//! more round trips:
//! - a use or a write by a former id, during its grace period: two;
//! - a renewal that keeps an index entry without setting it again, and once in an idle period the use of a session that
//!   has an index entry: two;
//! - an addition whose numbers exceed 2^52: two;
//! - a commit within a [`Limit`](level_session_store::Limit): two or three on a single server, some ten on a Cluster;
//! - a look-up by an index entry: two, to all nodes at the same time.
//!
//! With a [cache](RedisStoreBuilder::cache) in the process's memory, off by default, a read of a session that was read before
//! takes none. The server sends invalidations for every change, and the store checks regularly that it has received
//! them: so a session that another process has ended or changed can be *read* in its former state for `max_stale`, and
//! no longer, whatever happens to connections and servers. It is never *written* in that state: the server decides
//! every commit. Changes committed by this store are visible to it at once.
//!
//! # Never twice
//! A commit is sent again only if the server reports that it did not run it: the script is unknown there, the slot has
//! moved or is migrating, the cluster is down, the server is a replica or is still loading its data. If a response is
//! lost, the error says that the commit [may be stored](level_session_store::Error::may_be_stored), whole, and it is
//! not sent again. A read whose response is lost is retried once.
//!
//! # The server
//! ```text
//! maxmemory-policy noeviction   # else a full server drops sessions, and the marks of ended ones
//! appendonly yes                # else a restart loses sessions, or brings back ended ones
//! min-replicas-to-write 1       # with replicas: a master that was cut off takes no writes
//! ```
//! The first two are checked when the store connects: see [`Safety`]. A server that has reached its `maxmemory` rejects
//! whole commits. Reads, sign-outs and renewals still work, and so do commits that end all sessions of a user, or all
//! but one ([`Commit::ends_others`](level_session_store::Commit::ends_others)), including the other changes in the same
//! commit.
//!
//! While a server is unreachable, or rejects commands, each request retries. This is logged once, again after 1, 2, 4
//! minutes and so on up to an hour, and once when the server is back.
//!
//! ## What a failover or a restored backup can undo
//! | event | sessions and changes | sign-outs and renewals |
//! |---|---|---|
//! | the server's process ends, also by `kill -9`, with `appendonly yes` | kept, if they were acknowledged; with `appendfsync everysec` and a busy disk, the last two seconds may be lost | the same |
//! | the same without it | all since the last snapshot are lost | an ended session of the snapshot is live again |
//! | the machine loses power, `appendfsync everysec` (the server's default) | the last second is lost | an end of the last second may be undone |
//! | the same, `appendfsync always` | kept, if they were acknowledged | kept, if they were acknowledged |
//! | a replica takes the master's place | changes that it had not received are lost | an end that it had not received is undone: that session is live again, until it is ended once more or expires |
//! | the same, with [`replicated`](RedisStoreBuilder::replicated) | as above ([`replicated_always`](RedisStoreBuilder::replicated_always): acknowledged changes are on that many replicas) | acknowledged ends are on that many replicas; another replica may still win the election |
//! | a backup is restored | all since then are lost | **all ends since then are undone**: to prevent it, empty the store, or start with a keyring that contains only new keys |
//! | keys are evicted (`maxmemory-policy` other than `noeviction`, which is logged or an error when connecting: [`Safety`]) | sessions vanish | the mark of an end may vanish: a request in flight then creates a new session instead of an error. An index entry may vanish: its session lives on, and is neither listed nor ended with all sessions of its user |
//! | the server is emptied (`FLUSHALL`) | all are lost | every user is signed out; a request in flight that only writes creates a new session |
//!
//! # A Cluster
//! Sessions are kept at 64 homes, each of which is one slot, spread evenly: so a commit, even a renewal, is one script
//! on one node. This reveals 6 of the 192 bits of a new id to anyone who knows the old one. Slots may migrate while the
//! store is in use. Limits are [not exact](level_session_store::Abilities::exact_limits) on a Cluster: sign-ins of one
//! user take turns by a lock that lasts 5 s, and a commit that is delayed for longer may exceed a limit, until the next
//! sign-in corrects it. A listing of all sessions (for [`copy`](level_session_store::copy)) may miss those whose slot
//! migrates meanwhile.
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
//! Values are not encrypted: anyone who can read the server's memory can read them. The keys are digests, from which no
//! cookie can be made.
//!
//! # In the code
//! `commit.lua` decides and writes; `script` encodes its arguments, `record` parses its records, `keys` names the keys.
//! `commit` and `listing` are the exchanges with the server, `cache` keeps sessions that were read; `servers` knows
//! which server a command is sent to and when it is sent again, `link` is one connection, `outage` decides what is
//! logged about a server that is unreachable, `fault` has the errors. `builder` and `check` connect, `ended` listens to
//! other processes.

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
mod sizes;

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
/// Clones share the store.
#[derive(Clone)]
pub struct RedisStore(Arc<Handle>);

struct Handle(Arc<Shared>);

impl RedisStore {
    /// Connects with default settings: see [`RedisStoreBuilder::connect`].
    ///
    /// # Errors
    /// Those of [`RedisStoreBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder().connect(url).await
    }

    /// The settings: prefix, timeouts, replication, safety, Sentinel, Cluster.
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::default()
    }

    /// Waits for calls in flight, and rejects new ones: [`Store::close`], without the trait in scope.
    ///
    /// # Errors
    /// None at present.
    pub async fn close(&self) -> Result<()> {
        Store::close(self).await
    }

    /// Returns counters of this store and its clones, since it was opened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let shared = self.shared();
        let mut counts = shared.servers.counters().read();
        counts.cached = shared.cache.as_ref().map_or(0, |cache| cache.kept.hits());
        counts
    }

    /// Looks for data on the servers that contradicts a session, for an inspector: returns a page of the flaws among
    /// about `limit` sessions that are live at `now`. A page may be empty although more follow. It may be called at any
    /// time: sessions that change meanwhile are not reported.
    ///
    /// It finds sessions that are missing from the index although their record has an entry, and sessions that have a
    /// deadline and whose key has no time to live. An index entry without a session is not a flaw here: ended and
    /// expired sessions leave entries, which are removed in the background, or else one idle period after the session
    /// would have expired, and look-ups skip them. There is no list of deadlines: the servers remove keys by their time
    /// to live.
    ///
    /// # Errors
    /// Those of [`page`](Store::page).
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

    /// The slot of each home: for tests that migrate them.
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

    /// There is nothing to do: the servers remove dead sessions.
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

    /// The servers remove expired sessions, without a notification.
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
