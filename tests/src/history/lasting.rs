//! Stores whose connections need a runtime, for histories, which run without one.

use level_session::store::{
    Commit, Cursor, Digest, Found, Loaded, Outcome, Page, Select, Store, StoreFuture, Swept,
    Timestamp, Wrapper,
};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, OnceLock},
};
use tokio::runtime::{Builder, Runtime};

/// Stores on a runtime that lives as long as the process. Its thread serves the connections, and calls can be polled
/// from any thread. One store is used for reads and one for writes; they may be the same.
pub struct Lasting {
    reads: Arc<dyn Store>,
    writes: Arc<dyn Store>,
}

impl fmt::Debug for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lasting").finish_non_exhaustive()
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let made = builder.worker_threads(1).enable_all().build();
        made.expect("a runtime")
    })
}

impl Lasting {
    /// Opens the stores that this function returns: one for reads, and one for writes.
    pub fn new(make: impl Future<Output = (Arc<dyn Store>, Arc<dyn Store>)>) -> Self {
        let (reads, writes) = runtime().block_on(make);
        Self { reads, writes }
    }
}

fn inside<'a, T: Send + 'a>(call: impl FnOnce() -> StoreFuture<'a, T>) -> StoreFuture<'a, T> {
    let _inside = runtime().enter();
    let mut future = call();
    StoreFuture::boxed(poll_fn(move |cx| {
        let _inside = runtime().enter();
        Pin::new(&mut future).poll(cx)
    }))
}

impl Wrapper for Lasting {
    fn inner(&self) -> &dyn Store {
        &self.writes
    }

    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        inside(|| self.reads.load(id, select, now))
    }

    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        inside(|| self.writes.commit(commit))
    }

    fn wrap_find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>> {
        inside(|| self.reads.find(field, entry, after, limit, now))
    }

    fn wrap_page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        inside(|| self.reads.page(after, limit, now))
    }

    fn wrap_sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        inside(|| self.writes.sweep(now, limit))
    }
}
