//! The store contract: what a place that keeps sessions must do, and nothing that it need not know.

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
mod watch;
mod wrapper;

pub use crate::schema::WhenFull;
pub use commit::{Clear, Commit, Done, Guard, Limit, Meta, Op, Outcome, Step, Write};
pub use copy::copy;
pub use future::StoreFuture;
pub use lease::{Lease, Lifetime, Timeouts, Use};
pub use loaded::{Answer, Cursor, Fields, Found, Loaded, Page, Select, Snapshot, Swept};
pub use memory::MemoryStore;
pub use moving::Moving;
pub use watch::{Watch, WatchList, Watcher};
pub use wrapper::Wrapper;

use crate::{
    clock::Timestamp,
    digest::{Digest, Home},
};
use std::{sync::Weak, time::Duration};

/// How long a store remembers at least that a session was ended on purpose (destroyed, or renewed to another id), so
/// that a request that was in flight then gets an error instead of a new session. What is kept is the digest and the
/// time.
pub const ENDED_IS_REMEMBERED: Duration = Duration::from_secs(3600);

/// A place that keeps sessions.
///
/// All methods take `&self` and may be called from any task at any time. A method whose work is short and in memory
/// does it inline and answers [`StoreFuture::ready`]; anything that waits (a network, an fsync) answers a boxed future.
///
/// No method has a default: a store that wraps another one and forgets to forward a method would break a promise. Such a
/// store implements [`Wrapper`], which forwards everything that it does not change.
pub trait Store: Send + Sync + 'static {
    /// Reads a session: whether it lives at `now`, and the fields that were asked for, all of one moment.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store cannot be read.
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded>;

    /// Applies a commit, or says why not.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store cannot be read or written, and what
    /// [`Add::apply`](crate::Add::apply) answers. Nothing was applied then, unless the error says that it
    /// [may have been](crate::Error::may_be_stored): then it was applied whole or not at all.
    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome>;

    /// The home of a digest. The core draws the id of a renewal until its digest has the home of the old one, so that a
    /// sharded store keeps a session in one place for ever and a commit is one atomic step. With n homes that takes n
    /// draws on average, and makes log2(n) bits of the new id known to those who know the old one: 64 at most.
    ///
    /// A store that is not sharded answers [`Home::ONLY`].
    fn home(&self, id: Digest) -> Home;

    /// Sessions that live at `now` and have an index entry of this `field` and value, in any order, at most `limit` of
    /// them. A limit of 0 counts as 1.
    ///
    /// Pages that begin `after` the [next](Page::next) of the one before list each session at least once that lives
    /// under one id, with the entry, from the first of them to the last.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store), also for a cursor that this store did not make.
    fn find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>>;

    /// The digests of sessions that live at `now`, in any order, about `limit` of them: for [`copy`], and to inspect a
    /// store. Pages are as those of [`find`](Self::find). A session whose record cannot be read may be among them: its
    /// [`load`](Self::load) is the error.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>>;

    /// Looks at up to `limit` sessions and marks of ended ones that may be due, and removes those that are dead at
    /// `now` or need no longer be remembered. A store that expires by itself has nothing to do.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store); what was removed before stays removed.
    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept>;

    /// Waits for commits in flight, makes everything durable and stops what runs in the background. A store that was
    /// closed answers every call with an error; closing it again is no error. Before it waits, it tells the watchers of
    /// [`watch_ended`](Self::watch_ended) that it [closes](Watcher::closed): connections that wait for the end of a session
    /// must not hold up a shutdown.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the last writes cannot be made durable.
    fn close(&self) -> StoreFuture<'_, ()>;

    /// What this store promises beyond the contract.
    fn abilities(&self) -> Abilities;

    /// Calls `watch`, for as long as it exists, with every session that this store removes because it had expired: once
    /// each, after it was removed (requirement L13). A store whose server removes them need not: see
    /// [`Abilities::tells_expired`].
    fn watch_expired(&self, watch: Weak<Watch>);

    /// Calls `watch`, for as long as it exists, with every digest that was ended on purpose, by whatever process:
    /// destroyed (under its current id), renewed to another id, or ended by a [`Limit`]. Soon after the end, and at least
    /// once unless a connection was broken meanwhile (requirement L17). A store that cannot tell of ends made by other
    /// processes need not: see [`Abilities::tells_ended`]. Every store tells that it was [closed](Self::close).
    fn watch_ended(&self, watch: Weak<Watch>);
}

/// What a store promises beyond the contract: [`Store::abilities`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// Whether a [`Limit`] holds whatever races. Where it does not, as on a Redis Cluster, it holds once commits that
    /// ran at the same time are over.
    pub exact_limits: bool,
    /// Whether [`Store::watch_expired`] calls back.
    pub tells_expired: bool,
    /// Whether [`Store::watch_ended`] calls back, also for what other processes end.
    pub tells_ended: bool,
}

impl Abilities {
    /// Everything: a store that belongs to one process.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            exact_limits: true,
            tells_expired: true,
            tells_ended: true,
        }
    }

    /// Whether limits hold whatever races.
    #[must_use]
    pub const fn with_exact_limits(mut self, exact: bool) -> Self {
        self.exact_limits = exact;
        self
    }

    /// Whether the store tells of sessions that it removes because they have expired.
    #[must_use]
    pub const fn with_tells_expired(mut self, tells: bool) -> Self {
        self.tells_expired = tells;
        self
    }

    /// Whether the store tells of ends.
    #[must_use]
    pub const fn with_tells_ended(mut self, tells: bool) -> Self {
        self.tells_ended = tells;
        self
    }
}
