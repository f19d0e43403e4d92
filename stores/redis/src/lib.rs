//! The Redis store.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod check;
mod commit;
mod counts;
mod ended;
mod fault;
mod keys;
mod link;
mod listing;
mod record;
mod script;
mod servers;
mod shared;

pub use builder::{RedisStoreBuilder, Safety};
pub use counts::Counts;

use level_session_store::{
    Abilities, Commit, Cursor, Digest, Found, Home, Loaded, Outcome, Page, Result, Select, Store,
    StoreFuture, Swept, Timestamp, Watch,
};
use shared::Shared;
use std::{
    fmt,
    sync::{Arc, Weak},
};

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
        self.shared().servers.counters().read()
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
        StoreFuture::boxed(async move {
            let shared = self.shared();
            let _open = shared.enter().await?;
            shared.load(id, select, now).await
        })
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::boxed(async move {
            let shared = self.shared();
            let _open = shared.enter().await?;
            shared.write(&commit).await
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
