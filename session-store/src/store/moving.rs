//! Moves sessions from one store to another while the application runs.

use super::{
    Abilities, Commit, Cursor, Fields, Found, Loaded, Outcome, Page, Select, Snapshot, Step, Store,
    StoreFuture, Swept, Timeouts, Watch, copy::copy_one, rules,
};
use crate::{
    clock::{Clock, Timestamp},
    digest::{Digest, Home},
    error::{Error, ErrorKind, Result},
    schema::Schema,
};
use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::OnceCell;

/// How many sessions are moved between two progress reports.
const PAGE: usize = 256;

/// The lifetime of the session that tests whether the stores are distinct, in case it cannot be removed.
const PROBE_LIVES: Duration = Duration::from_secs(60);

/// Moves sessions from one store to another while an application uses them: nobody is signed out, and no change of a
/// request is lost.
///
/// A session is moved when it is first used, and [`move_all`](Self::move_all) moves the others. From then on it is in the
/// new store only. Deploy the application with a `Moving` instead of its store, wait until `move_all` has finished, then
/// deploy it with the new store.
///
/// Every process that uses the old store must use this instead: a process that still changes sessions in the old store may
/// change sessions that were already moved. An embedded store has one process anyway.
///
/// A store cannot be moved to itself. Before the first session is moved, an empty session is created in the new store and
/// looked up in the old one; if it is found there, every call that would move a session fails.
///
/// While sessions are being moved:
/// - A load or a commit of a session that is in neither store asks both.
/// - If a session was renewed within its grace before the move began, a request with the former id can read, but gets an
///   error if it changes something. With no grace, the default, there is no such request.
/// - Sessions that are found by index, and sessions that a limit counts, are moved first.
///
/// ```
/// # use level_session_store::{Clock, MemoryStore, Moving, schema::Schema};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session_store::Result<()> {
/// # let (embedded, shared) = (MemoryStore::new(), MemoryStore::new());
/// # let schemas: Vec<&'static Schema> = Vec::new();
/// let store = Moving::new(embedded, shared).with_schemas(&schemas);
/// // Sessions::builder(store.clone(), keyring) ..
/// let moved = store.move_all(&Clock::system(), |moved| println!("{moved} sessions")).await?;
/// # assert_eq!(moved, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Moving(Arc<Both>);

#[derive(Clone)]
struct Both {
    from: Arc<dyn Store>,
    to: Arc<dyn Store>,
    schemas: Vec<&'static Schema>,
    /// Whether the stores are known to be distinct.
    are_two: OnceCell<()>,
}

/// The state of a session of the old store.
enum Moved {
    /// It is in the new store.
    ToNew,
    /// It was not moved, since it is not live there, or is live by a former id: this is its state.
    No(Loaded),
}

impl Moving {
    /// Moves sessions from one store to another: see [`Moving`].
    ///
    /// ```
    /// use level_session_store::{MemoryStore, Moving};
    ///
    /// let (from, to) = (MemoryStore::new(), MemoryStore::new()); // any two stores
    /// let store = Moving::new(from, to);
    /// # let _ = store;
    /// ```
    pub fn new(from: impl Store, to: impl Store) -> Self {
        Self(Arc::new(Both {
            from: Arc::new(from),
            to: Arc::new(to),
            schemas: Vec::new(),
            are_two: OnceCell::new(),
        }))
    }

    /// The schemas of the structs that declare indexed fields, as for [`copy`](super::copy). Without them, moved sessions are
    /// not found by index until they are written.
    ///
    /// ```
    /// use level_session_store::{MemoryStore, Moving, schema::Schema};
    ///
    /// # let (from, to) = (MemoryStore::new(), MemoryStore::new());
    /// # let shop: Vec<&'static Schema> = Vec::new();
    /// // in an application: `&[Shop::SCHEMA]`
    /// let store = Moving::new(from, to).with_schemas(&shop);
    /// # let _ = store;
    /// ```
    #[must_use]
    pub fn with_schemas(self, schemas: &[&'static Schema]) -> Self {
        let mut both = Arc::unwrap_or_clone(self.0);
        both.schemas = schemas.to_vec();
        Self(Arc::new(both))
    }

    /// Moves all sessions, reports the number moved so far to `progress` from time to time, and returns the total. Sessions
    /// that end or expire meanwhile are not counted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> level_session_store::Result<()> {
    /// use level_session_store::{Clock, MemoryStore, Moving};
    ///
    /// # let (from, to) = (MemoryStore::new(), MemoryStore::new());
    /// let store = Moving::new(from, to);
    /// store.move_all(&Clock::system(), |moved| println!("{moved} sessions")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) of either store. Sessions that were moved stay moved; call it again.
    pub async fn move_all(&self, clock: &Clock, mut progress: impl FnMut(usize)) -> Result<usize> {
        let mut moved = 0;
        let mut after = None;
        loop {
            let page = self.0.from.page(after.as_ref(), PAGE, clock.now()).await?;
            for &id in &page.items {
                if let Moved::ToNew = self.0.bring(id, clock.now()).await? {
                    moved += 1;
                }
            }
            progress(moved);
            after = page.next;
            if after.is_none() {
                return Ok(moved);
            }
        }
    }
}

impl Both {
    /// Moves a session that is in the old store. It stays there until it is in the new store; if it is in both, the new
    /// store's copy counts, and an end ends both.
    async fn bring(&self, id: Digest, now: Timestamp) -> Result<Moved> {
        match self.from.load(id, Select::All, now).await? {
            Loaded::Live(snapshot) if !snapshot.by_former_id => {
                self.are_two.get_or_try_init(|| self.look(now)).await?;
                copy_one(id, snapshot, &*self.to, &self.schemas, now).await?;
                self.end_in_old(id, now).await?;
                Ok(Moved::ToNew)
            }
            known => Ok(Moved::No(known)),
        }
    }

    /// Returns an error if both are the same store: moving a session would end it.
    async fn look(&self, now: Timestamp) -> Result<()> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|cause| {
            Error::store("the operating system's random generator failed", cause)
        })?;
        let id = Digest::from_bytes(bytes);
        let lease = Timeouts::new(PROBE_LIVES).lease(now, now);
        let probe = Commit::new(id, now, Step::create(now, lease));
        self.to.commit(probe).await?;
        let seen = self.from.load(id, Select::Nothing, now).await?;
        self.to.commit(Commit::new(id, now, Step::Destroy)).await?;
        match seen {
            Loaded::Missing => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Config,
                "sessions cannot be moved from a store to itself: both stores of `Moving` hold the same sessions; give it two \
                 stores, or use the store without `Moving`",
            )),
        }
    }

    /// Moves all sessions with an index entry.
    async fn bring_all(&self, field: &str, entry: &[u8], now: Timestamp) -> Result<()> {
        loop {
            let page = self.from.find(field, entry, None, PAGE, now).await?;
            if page.items.is_empty() && page.next.is_none() {
                return Ok(());
            }
            for found in &page.items {
                self.bring(found.id, now).await?;
            }
        }
    }

    async fn end_in_old(&self, id: Digest, now: Timestamp) -> Result<()> {
        let end = Commit::new(id, now, Step::Destroy);
        self.from.commit(end).await.map(drop)
    }

    async fn load(&self, id: Digest, select: Select<'_>, now: Timestamp) -> Result<Loaded> {
        match self.to.load(id, select, now).await? {
            Loaded::Missing => {}
            known => return Ok(known),
        }
        let known = match self.bring(id, now).await? {
            Moved::ToNew => Loaded::Missing,
            Moved::No(known) => known,
        };
        // Another request may have moved it meanwhile, which ended it in the old store.
        match (self.to.load(id, select, now).await?, known) {
            (Loaded::Missing, Loaded::Live(snapshot)) => {
                let fields = match select {
                    Select::Nothing => Fields::nothing(),
                    _ => snapshot.fields,
                };
                let snapshot = Snapshot::new(snapshot.meta, fields);
                Ok(Loaded::Live(snapshot.with_by_former_id(true)))
            }
            (Loaded::Missing, known) => Ok(known),
            (loaded, _) => Ok(loaded),
        }
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<Outcome> {
        let (id, now) = (commit.id, commit.now);
        for limit in commit.limits {
            self.bring_all(&limit.field, &limit.entry, now).await?;
        }
        match commit.step {
            Step::Create { .. } => match self.from.load(id, Select::Nothing, now).await? {
                Loaded::Missing => self.to.commit(commit).await,
                _ => Ok(Outcome::Exists),
            },
            // Most sessions in use were moved by their first use.
            Step::Keep { .. } => match self.to.commit(commit).await? {
                Outcome::Gone => {
                    self.bring(id, now).await?;
                    self.to.commit(commit).await
                }
                outcome => Ok(outcome),
            },
            // A copy that an interrupted move left in the old store must not outlive the session.
            _ => {
                self.bring(id, now).await?;
                self.to.commit(commit).await
            }
        }
    }

    async fn page(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Digest>> {
        let (tag, inner) = match after.map(Cursor::as_bytes) {
            None => (OLD, None),
            Some([OLD]) => (NEW, None),
            Some([tag @ (OLD | NEW), inner @ ..]) => (*tag, Some(Cursor::new(inner))),
            Some(_) => return Err(rules::foreign_cursor()),
        };
        let store = if tag == OLD { &self.from } else { &self.to };
        let page = store.page(inner.as_ref(), limit, now).await?;
        let next = match page.next {
            Some(next) => Some(Cursor::new([&[tag], next.as_bytes()].concat())),
            None => (tag == OLD).then(|| Cursor::new([OLD])),
        };
        Ok(Page::new(page.items, next))
    }
}

/// The first byte of a cursor: sessions of the old store are listed first, so that a session that is moved meanwhile is
/// listed twice rather than not at all. The cursor `[OLD]` is the beginning of the new store.
const OLD: u8 = 0;
const NEW: u8 = 1;

impl Store for Moving {
    fn load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        StoreFuture::boxed(self.0.load(id, select, now))
    }

    fn commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::boxed(self.0.commit(commit))
    }

    fn home(&self, id: Digest) -> Home {
        self.0.to.home(id)
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
            self.0.bring_all(field, entry, now).await?;
            self.0.to.find(field, entry, after, limit, now).await
        })
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        StoreFuture::boxed(self.0.page(after, limit, now))
    }

    fn sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        StoreFuture::boxed(async move {
            let old = self.0.from.sweep(now, limit).await?;
            let new = self.0.to.sweep(now, limit).await?;
            Ok(Swept::new(
                old.sessions + new.sessions,
                old.more || new.more,
            ))
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        StoreFuture::boxed(async move {
            let old = self.0.from.close().await;
            self.0.to.close().await.and(old)
        })
    }

    fn abilities(&self) -> Abilities {
        self.0.to.abilities()
    }

    fn watch_expired(&self, watch: Weak<Watch>) {
        self.0.from.watch_expired(Weak::clone(&watch));
        self.0.to.watch_expired(watch);
    }

    /// The old store would report every session that is moved.
    fn watch_ended(&self, watch: Weak<Watch>) {
        self.0.to.watch_ended(watch);
    }
}

impl fmt::Debug for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moving").finish_non_exhaustive()
    }
}
