//! The state that all clones of a store share.

use crate::{
    cache::Cache,
    keys::{EntryHash, Keys},
    script::{Hashes, Request},
    servers::{Make, Servers},
    sizes::Sizes,
};
use level_session_store::{
    Digest, Error, ErrorKind, Home, Loaded, Result, Select, Step, Timestamp, Turns, WatchList,
    rules,
};
use redis::Value;
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::JoinHandle,
};

/// More than the concurrent calls of a process.
const CALLS: u32 = 1 << 20;

pub(crate) struct Shared {
    pub(crate) me: Weak<Self>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) servers: Arc<Servers>,
    /// Separate connections for commits that wait for replicas, since waiting blocks a connection.
    pub(crate) waiting: Option<(Servers, Replication)>,
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) hashes: Hashes,
    pub(crate) sizes: Sizes,
    /// Whether ends are reported to all processes.
    pub(crate) tells: bool,
    pub(crate) ended: Arc<WatchList>,
    pub(crate) turns: Turns,
    pub(crate) gate: Semaphore,
    pub(crate) background: Mutex<Vec<JoinHandle<()>>>,
}

/// The commits that wait for replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replication {
    pub(crate) replicas: u32,
    pub(crate) timeout: Duration,
    pub(crate) every_commit: bool,
}

impl Shared {
    /// Admits a call while the store is open.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        self.gate.acquire().await.map_err(|_| rules::closed())
    }

    /// A cached session, while the store is open.
    pub(crate) fn at_hand(&self, id: Digest, select: Select<'_>, now: Timestamp) -> Option<Loaded> {
        let cache = self.cache.as_ref().filter(|_| !self.gate.is_closed())?;
        cache.at_hand(id, select, now)
    }

    /// Waits for the calls in flight, and admits no new ones. It does not wait for ever: a call that is no longer polled
    /// does not end.
    pub(crate) async fn close(&self) -> Result<()> {
        self.ended.tell_closed();
        let idle = self.gate.acquire_many(CALLS);
        let _idle = tokio::time::timeout(self.servers.patience(), idle).await;
        self.gate.close();
        self.stop();
        Ok(())
    }

    pub(crate) fn stop(&self) {
        let mut tasks = self
            .background
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }

    /// A session was changed here: evicts it before a watcher can read its former state.
    pub(crate) fn forget(&self, id: Digest) {
        if let Some(cache) = &self.cache {
            cache.kept.forget(id);
        }
    }

    pub(crate) fn gate() -> Semaphore {
        Semaphore::new(CALLS as usize)
    }

    /// The servers to send a commit to: over the separate connections, if the commit waits for replicas.
    pub(crate) fn link_for(&self, request: &Request<'_>) -> &Servers {
        let ends = matches!(request.commit.step, Step::Destroy | Step::Renew { .. });
        match &self.waiting {
            Some((servers, how)) if ends || how.every_commit => servers,
            _ => &self.servers,
        }
    }

    /// Waits until replicas have the commit, if that is configured.
    pub(crate) async fn replicated(&self, request: &Request<'_>, ends: bool) -> Result<()> {
        let Some((servers, how)) = &self.waiting else {
            return Ok(());
        };
        if !(ends || how.every_commit) {
            return Ok(());
        }
        let millis = u64::try_from(how.timeout.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let make = |_| {
            let mut wait = redis::cmd("WAIT");
            wait.arg(how.replicas).arg(millis);
            wait
        };
        let doing = "wait for replicas";
        let have = servers.call(doing, request.home(), true, &make).await;
        match have.map_err(|error| error.uncertain_if(true))? {
            Value::Int(have) if have >= i64::from(how.replicas) => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Store,
                format!(
                    "the changes are stored, but fewer than {} replicas have them: a failover may undo them",
                    how.replicas
                ),
            )
            .uncertain_if(true)),
        }
    }

    /// Removes stale index entries, without delaying any call. If that fails, the entries are removed at their horizon.
    pub(crate) fn tidy(&self, id: Digest, stale: Vec<EntryHash>) {
        if stale.is_empty() {
            return;
        }
        let Some(this) = self.me.upgrade() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            for hash in stale {
                let make: &Make<'_> = &|whole| this.hashes.tidy(whole, &this.keys, id, &hash);
                let home: Home = this.keys.home(id);
                if let Err(error) = this
                    .servers
                    .call("remove stale index entries", home, false, make)
                    .await
                {
                    tracing::debug!(%error, "stale index entries were not removed");
                    return;
                }
            }
        });
    }
}
