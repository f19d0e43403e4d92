//! Two handles of one store.

use super::Store;
use crate::{
    Abilities, Commit, Cursor, Digest, Found, Home, Loaded, Outcome, Page, Select, StoreFuture,
    Swept, Timestamp, Watch,
};
use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A store that alternates its calls between two handles of the same store, so that each promise is tested between two
/// processes as well: for [`conformance_tests!`](crate::conformance_tests).
///
/// The order (the Thue-Morse sequence) has every succession of the two handles, and is the same in each test. Closing
/// closes both. The first handle must report ends, whichever handle made them; the handle that removes expired sessions
/// must report those.
pub struct InTurn {
    handles: [Arc<dyn Store>; 2],
    calls: AtomicUsize,
}

impl InTurn {
    /// Two handles of one store, each with its own connections and caches.
    pub fn new(first: impl Store, second: impl Store) -> Self {
        Self {
            handles: [Arc::new(first), Arc::new(second)],
            calls: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> &dyn Store {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        &*self.handles[call.count_ones() as usize % 2]
    }
}

impl Store for InTurn {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        self.next().load(id, select, now)
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        self.next().commit(commit)
    }

    fn home(&self, id: Digest) -> Home {
        self.next().home(id)
    }

    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>> {
        self.next().find(field, entry, after, limit, now)
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        self.next().page(after, limit, now)
    }

    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        self.next().sweep(now, limit)
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        let [first, second] = &self.handles;
        StoreFuture::boxed(async move {
            let closed = first.close().await;
            second.close().await.and(closed)
        })
    }

    fn abilities(&self) -> Abilities {
        self.handles[0].abilities()
    }

    fn watch_expired(&self, watch: Weak<Watch>) {
        for handle in &self.handles {
            handle.watch_expired(Weak::clone(&watch));
        }
    }

    fn watch_ended(&self, watch: Weak<Watch>) {
        self.handles[0].watch_ended(watch);
    }
}

impl fmt::Debug for InTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTurn").finish_non_exhaustive()
    }
}
