//! The store contract: everything that a store must do, and nothing that it need not know.

mod commit;
#[cfg(any(test, feature = "conformance"))]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;
mod copy;
mod future;
mod lease;
mod loaded;
pub mod local;
mod memory;
mod moving;
pub mod rules;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
#[cfg(test)]
mod tests;
mod turns;
mod watch;
mod wrapper;

pub use crate::schema::WhenFull;
pub use commit::{Clear, Commit, Done, Guard, Limit, Meta, Op, Outcome, Step, Write};
pub use copy::copy;
pub use future::StoreFuture;
pub use lease::{Lease, Lifetime, Timeouts, Use};
pub use loaded::{Answer, Cursor, Fields, Flaw, Found, Loaded, Page, Select, Snapshot, Swept};
pub use memory::MemoryStore;
pub use moving::Moving;
pub use turns::{Turn, Turns};
pub use watch::{Watch, WatchList, Watcher};
pub use wrapper::Wrapper;

use crate::{
    clock::Timestamp,
    digest::{Digest, Home},
};
use std::{sync::Weak, time::Duration};

/// The minimum time for which a store remembers that a session was ended on purpose (destroyed, or renewed to another
/// id), so that a request in flight at that time gets an error instead of a new session. The digest and the time are
/// kept.
pub const ENDED_IS_REMEMBERED: Duration = Duration::from_secs(3600);

/// A store for sessions.
///
/// All methods take `&self` and may be called from any task at any time. A method whose work is short and in memory does it
/// inline and returns [`StoreFuture::ready`]; a method that waits (for a network, for an fsync) returns a boxed future.
///
/// No method has a default implementation: a store that wraps another one and forgets to forward a method would break a
/// promise. Such a store implements [`Wrapper`], which forwards everything that it does not change.
pub trait Store: Send + Sync + 'static {
    /// Reads a session: whether it is live at `now`, and the requested fields, all at one moment.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store cannot be read.
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded>;

    /// Applies a commit, or returns why it was not applied.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store cannot be read or written, and the errors of
    /// [`Add::apply`](crate::Add::apply). Nothing was applied then, unless the error says that the commit
    /// [may be stored](crate::Error::may_be_stored): then it was applied as a whole or not at all.
    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome>;

    /// The home of a digest. The core draws the id of a renewal until its digest has the home of the old one, so that a sharded
    /// store keeps a session on the same shard for ever and a commit is one atomic step. With n homes this takes n draws on
    /// average, and reveals log2(n) bits of the new id to anyone who knows the old one; n is at most 64.
    ///
    /// A store that is not sharded returns [`Home::ONLY`].
    fn home(&self, id: Digest) -> Home;

    /// Returns at most `limit` sessions, in any order, that are live at `now` and have an index entry of this `field` and value.
    /// A limit of 0 counts as 1.
    ///
    /// Pages that begin `after` the [next](Page::next) of the previous page list a session at least once if it is live under the
    /// same id, with the entry, from the first page to the last.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store), also for the cursor of another store.
    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>>;

    /// Returns about `limit` digests, in any order, of sessions that are live at `now`: for [`copy`], and to inspect a store.
    /// Pages work like those of [`find`](Self::find). A session whose record cannot be read may be listed: its
    /// [`load`](Self::load) returns the error.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>>;

    /// Examines up to `limit` sessions and marks of ended sessions that may be due, and removes those that are dead at `now` or
    /// need no longer be remembered. A store whose entries expire by themselves has nothing to do.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store). Sessions that were removed before stay removed.
    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept>;

    /// Waits for commits in flight, makes everything durable and stops background work. A commit whose future is held
    /// without being polled delays this by a few seconds at most. A closed store returns an error for every call;
    /// closing it again is not an error. Before it waits, it notifies the watchers of
    /// [`watch_ended`](Self::watch_ended) that it [closes](Watcher::closed), so that connections that wait for the end
    /// of a session do not delay a shutdown.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the last writes cannot be made durable.
    fn close(&self) -> StoreFuture<'_, ()>;

    /// The promises of this store beyond the contract.
    fn abilities(&self) -> Abilities;

    /// Calls `watch`, for as long as it exists, with every session that this store removes because it has expired: once each,
    /// after the removal (requirement L13). A store whose server removes them need not: see [`Abilities::tells_expired`].
    fn watch_expired(&self, watch: Weak<Watch>);

    /// Calls `watch`, for as long as it exists, with every digest that any process ended on purpose: destroyed (under its
    /// current id), renewed to another id, or ended by a [`Limit`]. It does so soon after the end, and at least once unless a
    /// connection was broken meanwhile (requirement L17). A store that cannot report ends made by other processes need not: see
    /// [`Abilities::tells_ended`]. Every store reports that it is [closed](Self::close).
    fn watch_ended(&self, watch: Weak<Watch>);
}

/// The promises of a store beyond the contract: see [`Store::abilities`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// Whether a [`Limit`] holds under concurrency. Otherwise, as on a Redis Cluster, it holds once concurrent commits are done.
    pub exact_limits: bool,
    /// Whether [`Store::watch_expired`] calls back.
    pub tells_expired: bool,
    /// Whether [`Store::watch_ended`] calls back, also for sessions that other processes end.
    pub tells_ended: bool,
}

impl Abilities {
    /// All abilities: those of a store that belongs to one process.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            exact_limits: true,
            tells_expired: true,
            tells_ended: true,
        }
    }

    /// Whether limits hold under concurrency.
    #[must_use]
    pub const fn with_exact_limits(mut self, exact: bool) -> Self {
        self.exact_limits = exact;
        self
    }

    /// Whether the store reports sessions that it removes because they have expired.
    #[must_use]
    pub const fn with_tells_expired(mut self, tells: bool) -> Self {
        self.tells_expired = tells;
        self
    }

    /// Whether the store reports sessions that were ended.
    #[must_use]
    pub const fn with_tells_ended(mut self, tells: bool) -> Self {
        self.tells_ended = tells;
        self
    }
}
