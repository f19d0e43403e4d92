//! Stores that wrap other stores.

use super::{
    Abilities, Commit, Cursor, Found, Loaded, Outcome, Page, Select, Store, StoreFuture, Swept,
    Watch,
};
use crate::{
    clock::Timestamp,
    digest::{Digest, Home},
};
use std::sync::{Arc, Weak};

/// A store that wraps another one: it is a [`Store`], and forwards every method that it does not override. The methods
/// have their own names, so that a call of the store is never ambiguous.
///
/// ```
/// use level_session_store::{Commit, MemoryStore, Outcome, Store, StoreFuture, Wrapper};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// struct Counting<S> {
///     inner: S,
///     commits: AtomicUsize,
/// }
///
/// impl<S: Store> Wrapper for Counting<S> {
///     fn inner(&self) -> &dyn Store {
///         &self.inner
///     }
///     fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
///         self.commits.fetch_add(1, Ordering::Relaxed);
///         self.inner.commit(commit)
///     }
/// }
///
/// let store = Counting { inner: MemoryStore::new(), commits: AtomicUsize::new(0) };
/// let _: &dyn Store = &store;
/// ```
pub trait Wrapper: Send + Sync + 'static {
    /// The wrapped store.
    fn inner(&self) -> &dyn Store;

    /// As [`Store::load`].
    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        self.inner().load(id, select, now)
    }

    /// As [`Store::commit`].
    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        self.inner().commit(commit)
    }

    /// As [`Store::home`].
    fn wrap_home(&self, id: Digest) -> Home {
        self.inner().home(id)
    }

    /// As [`Store::find`].
    fn wrap_find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>> {
        self.inner().find(field, entry, after, limit, now)
    }

    /// As [`Store::page`].
    fn wrap_page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        self.inner().page(after, limit, now)
    }

    /// As [`Store::sweep`].
    fn wrap_sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        self.inner().sweep(now, limit)
    }

    /// As [`Store::close`].
    fn wrap_close(&self) -> StoreFuture<'_, ()> {
        self.inner().close()
    }

    /// As [`Store::abilities`].
    fn wrap_abilities(&self) -> Abilities {
        self.inner().abilities()
    }

    /// As [`Store::watch_expired`].
    fn wrap_watch_expired(&self, watch: Weak<Watch>) {
        self.inner().watch_expired(watch);
    }

    /// As [`Store::watch_ended`].
    fn wrap_watch_ended(&self, watch: Weak<Watch>) {
        self.inner().watch_ended(watch);
    }
}

/// Implements [`Store`] for a type by calling the methods of another trait, or of another store.
macro_rules! store_by {
    ([$($generics:tt)*] $type:ty, |$this:ident| $to:expr, $by:ident:
        $load:ident $commit:ident $home:ident $find:ident $page:ident $sweep:ident $close:ident
        $abilities:ident $watch_expired:ident $watch_ended:ident) => {
        impl<$($generics)*> Store for $type {
            fn load<'a>(
                &'a self,
                id: Digest,
                select: Select<'a>,
                now: Timestamp,
            ) -> StoreFuture<'a, Loaded> {
                let $this = self;
                $by::$load($to, id, select, now)
            }
            fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
                let $this = self;
                $by::$commit($to, commit)
            }
            fn home(&self, id: Digest) -> Home {
                let $this = self;
                $by::$home($to, id)
            }
            fn find<'a>(
                &'a self,
                field: &'a str,
                entry: &'a [u8],
                after: Option<&'a Cursor>,
                limit: usize,
                now: Timestamp,
            ) -> StoreFuture<'a, Page<Found>> {
                let $this = self;
                $by::$find($to, field, entry, after, limit, now)
            }
            fn page<'a>(
                &'a self,
                after: Option<&'a Cursor>,
                limit: usize,
                now: Timestamp,
            ) -> StoreFuture<'a, Page<Digest>> {
                let $this = self;
                $by::$page($to, after, limit, now)
            }
            fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
                let $this = self;
                $by::$sweep($to, now, limit)
            }
            fn close(&self) -> StoreFuture<'_, ()> {
                let $this = self;
                $by::$close($to)
            }
            fn abilities(&self) -> Abilities {
                let $this = self;
                $by::$abilities($to)
            }
            fn watch_expired(&self, watch: Weak<Watch>) {
                let $this = self;
                $by::$watch_expired($to, watch);
            }
            fn watch_ended(&self, watch: Weak<Watch>) {
                let $this = self;
                $by::$watch_ended($to, watch);
            }
        }
    };
}

store_by!([W: Wrapper] W, |this| this, Wrapper:
    wrap_load wrap_commit wrap_home wrap_find wrap_page wrap_sweep wrap_close wrap_abilities wrap_watch_expired
    wrap_watch_ended);
store_by!([S: Store + ?Sized] Arc<S>, |this| &**this, Store:
    load commit home find page sweep close abilities watch_expired watch_ended);
store_by!([] Box<dyn Store>, |this| &**this, Store:
    load commit home find page sweep close abilities watch_expired watch_ended);
