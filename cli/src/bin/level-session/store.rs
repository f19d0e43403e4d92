//! A store under inspection.

use crate::out::{Failure, Result};
use futures_util::future::join_all;
use level_session::{
    Clock, Expiry, FieldName, Keyring, SessionHandle, Sessions, Timestamp,
    store::{
        Bytes, Cursor, Digest, Error, Flaw, Loaded, Meta, Page, Result as StoreResult, Select,
        Store, StoreFuture,
    },
};
use std::{collections::BTreeSet, time::Duration};

/// How many sessions are read at a time, which bounds memory use.
const PAGE: usize = 128;

pub(crate) struct Inspected {
    pub(crate) sessions: Sessions,
    clock: Clock,
    own: Option<Box<dyn Checks>>,
}

/// The consistency checks of a store, which are not part of the store contract.
pub(crate) trait Checks: Send + Sync {
    fn flaws<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Flaw>>;
}

#[cfg(feature = "fjall")]
impl Checks for level_session::FjallStore {
    fn flaws<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        _: Timestamp,
    ) -> StoreFuture<'a, Page<Flaw>> {
        self.flaws(after, limit)
    }
}

#[cfg(feature = "redis")]
impl Checks for level_session::RedisStore {
    fn flaws<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Flaw>> {
        self.flaws(after, limit, now)
    }
}

#[cfg(feature = "postgres")]
impl Checks for level_session::PostgresStore {
    fn flaws<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        _: Timestamp,
    ) -> StoreFuture<'a, Page<Flaw>> {
        self.flaws(after, limit)
    }
}

/// The content of a live session.
pub(crate) struct Read {
    pub(crate) meta: Meta,
    pub(crate) fields: Vec<(FieldName, Bytes)>,
}

impl Inspected {
    #[cfg_attr(
        not(any(feature = "fjall", feature = "redis", feature = "postgres")),
        expect(dead_code, reason = "no store can be opened")
    )]
    pub(crate) fn checked<S: Store + Checks + Clone>(store: S) -> Result<Self> {
        let own = Box::new(store.clone());
        Ok(Self {
            own: Some(own),
            ..Self::new(store)?
        })
    }

    pub(crate) fn new(store: impl Store) -> Result<Self> {
        // Nothing is signed here, so any keyring will do. The deployment's timeouts are unknown, so only stored ones apply.
        let keyring = Keyring::generate().map_err(Failure::of)?;
        let clock = Clock::system();
        let sessions = Sessions::builder(store, keyring)
            .expiry(Expiry::idle(Duration::MAX))
            .clock(clock.clone())
            .build()
            .map_err(Failure::of)?;
        Ok(Self {
            sessions,
            clock,
            own: None,
        })
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.sessions.store()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.sessions.close().await.map_err(Failure::of)
    }

    pub(crate) async fn page(&self, after: Option<&Cursor>) -> Result<Page<Digest>> {
        let page = self.store().page(after, PAGE, self.now()).await;
        page.map_err(Failure::store)
    }

    /// The inconsistencies that the store itself finds; none if it has no checks.
    pub(crate) async fn flaws(&self, after: Option<&Cursor>) -> Result<Page<Flaw>> {
        match &self.own {
            None => Ok(Page::new(Vec::new(), None)),
            Some(own) => own
                .flaws(after, PAGE, self.now())
                .await
                .map_err(Failure::store),
        }
    }

    /// The sessions with an index entry.
    pub(crate) async fn page_of(
        &self,
        field: &str,
        entry: &[u8],
        after: Option<&Cursor>,
    ) -> Result<Page<Digest>> {
        let found = self.store().find(field, entry, after, PAGE, self.now());
        let page = found.await.map_err(Failure::store)?;
        let ids = page.items.into_iter().map(|found| found.id);
        Ok(Page::new(ids.collect(), page.next))
    }

    /// The subset of `sessions` that the index entry does not list.
    pub(crate) async fn missing(
        &self,
        field: &str,
        entry: &[u8],
        mut sessions: BTreeSet<Digest>,
    ) -> Result<BTreeSet<Digest>> {
        let mut after = None;
        while !sessions.is_empty() {
            let page = self.page_of(field, entry, after.as_ref()).await?;
            for id in &page.items {
                sessions.remove(id);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(sessions)
    }

    /// Reads a session with all fields or none. Returns `None` if no session is live under this id.
    pub(crate) async fn read(&self, id: Digest, fields: bool) -> StoreResult<Option<Read>> {
        let select = match fields {
            true => Select::All,
            false => Select::Nothing,
        };
        let Loaded::Live(snapshot) = self.store().load(id, select, self.now()).await? else {
            return Ok(None);
        };
        if snapshot.by_former_id {
            return Ok(None); // the session is listed under its new id
        }
        let all = match fields {
            true => snapshot.fields.into_all(),
            false => Some(Vec::new()),
        };
        let fields = all.ok_or_else(|| {
            let kind = level_session::store::ErrorKind::Store;
            Error::new(
                kind,
                "the store did not return all fields; this is a bug in the store",
            )
        })?;
        let meta = snapshot.meta;
        Ok(Some(Read { meta, fields }))
    }

    /// Reads the sessions of a page concurrently, and returns one result per session. If the store itself fails, the whole call
    /// fails.
    pub(crate) async fn read_page(
        &self,
        ids: &[Digest],
        fields: bool,
    ) -> Result<Vec<(Digest, StoreResult<Option<Read>>)>> {
        let reads = ids
            .iter()
            .map(|id| async move { (*id, self.read(*id, fields).await) });
        let read = join_all(reads).await;
        if read.iter().any(|(_, read)| read.is_err()) {
            self.must_answer().await?;
        }
        Ok(read)
    }

    /// Fails if the store is unavailable, which is tested by loading a session that does not exist.
    pub(crate) async fn must_answer(&self) -> Result<()> {
        let nobody = Digest::of("level-session/inspector", b"nobody");
        let asked = self.store().load(nobody, Select::Nothing, self.now()).await;
        asked.map(drop).map_err(Failure::store)
    }
}

pub(crate) fn handle(id: Digest) -> SessionHandle {
    id.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{copy, find, out::Out, reindex, verify};
    use level_session::{
        MemoryStore,
        store::{Commit, Step, StoreFuture, Timeouts, Wrapper, Write},
    };
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    /// Counts how much is requested at a time.
    #[derive(Clone, Default)]
    struct Counting {
        store: Arc<MemoryStore>,
        pages: Arc<AtomicUsize>,
        since_page: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
        most_loads: Arc<AtomicUsize>,
    }

    impl Counting {
        fn page_of(&self, limit: usize) {
            self.pages.fetch_add(1, Ordering::Relaxed);
            let loads = self.since_page.swap(0, Ordering::Relaxed);
            self.most_loads.fetch_max(loads, Ordering::Relaxed);
            self.most.fetch_max(limit, Ordering::Relaxed);
        }
    }

    impl Wrapper for Counting {
        fn inner(&self) -> &dyn Store {
            &*self.store
        }

        fn wrap_load<'a>(
            &'a self,
            id: Digest,
            select: Select<'a>,
            now: Timestamp,
        ) -> StoreFuture<'a, Loaded> {
            self.since_page.fetch_add(1, Ordering::Relaxed);
            self.store.load(id, select, now)
        }

        fn wrap_page<'a>(
            &'a self,
            after: Option<&'a Cursor>,
            limit: usize,
            now: Timestamp,
        ) -> StoreFuture<'a, Page<Digest>> {
            self.page_of(limit);
            self.store.page(after, limit, now)
        }
    }

    /// Prevents: memory use that grows with the number of sessions.
    #[tokio::test]
    async fn no_command_asks_for_more_than_a_page_at_once() {
        const SESSIONS: u32 = 600;
        let store = Counting::default();
        let now = Clock::system().now();
        let lease = Timeouts::new(Duration::from_secs(3600)).lease(now, now);
        for n in 0..SESSIONS {
            let id = Digest::of("test", &n.to_be_bytes());
            let value = level_session::Value::from(n).to_stored(None);
            let write = [Write::set("n".into(), value.expect("it is short"))];
            let create = Commit::new(id, now, Step::create(now, lease)).with_writes(&write);
            let done = store.store.commit(create).await.expect("it is in memory");
            assert!(done.is_done());
        }
        let Ok(inspected) = Inspected::new(store.clone()) else {
            panic!("it can be inspected")
        };
        let Ok(target) = Inspected::new(MemoryStore::new()) else {
            panic!("it can be copied to")
        };
        let mut out = Out::to(true, std::io::sink());
        let index = ["n".to_owned()];
        let view = crate::args::View {
            fields: true,
            values: false,
        };
        for command in 0..4 {
            store.pages.store(0, Ordering::Relaxed);
            let done = match command {
                0 => reindex::reindex(&inspected, &index, &mut out).await,
                1 => verify::verify(&inspected, &index, &mut out).await,
                2 => find::list(&inspected, &view, &mut out).await,
                _ => copy::copy(&inspected, &target, &index, &mut out).await,
            };
            assert!(matches!(done, Ok(true)), "command {command}");
            let pages = store.pages.load(Ordering::Relaxed);
            assert!(pages >= 600 / PAGE, "{command}: {pages} pages");
        }
        let most = store.most.load(Ordering::Relaxed);
        // `copy` first calls `count`, whose larger pages contain only ids.
        assert!(most <= 1_000, "{most} at once");
        let loads = store.most_loads.load(Ordering::Relaxed);
        assert_eq!(loads, PAGE, "sessions of one page");
    }

    /// Fails to load one session, or any session.
    struct Failing {
        store: MemoryStore,
        only: Option<Digest>,
    }

    impl Wrapper for Failing {
        fn inner(&self) -> &dyn Store {
            &self.store
        }

        fn wrap_load<'a>(
            &'a self,
            id: Digest,
            select: Select<'a>,
            now: Timestamp,
        ) -> StoreFuture<'a, Loaded> {
            if self.only.is_none_or(|only| only == id) {
                let kind = level_session::store::ErrorKind::Store;
                return StoreFuture::ready(Err(Error::new(kind, "it is gone")));
            }
            self.store.load(id, select, now)
        }
    }

    /// Prevents: an unavailable server that is reported as damage of every session.
    #[tokio::test]
    async fn a_store_that_answers_nothing_is_a_failure_and_one_session_a_finding() {
        let id = Digest::of("test", b"one");
        for only in [Some(id), None] {
            let store = MemoryStore::new();
            let now = Clock::system().now();
            let lease = Timeouts::new(Duration::from_secs(3600)).lease(now, now);
            let create = Commit::new(id, now, Step::create(now, lease));
            let done = store.commit(create).await.expect("it is in memory");
            assert!(done.is_done());
            let Ok(inspected) = Inspected::new(Failing { store, only }) else {
                panic!("it can be inspected")
            };
            let mut out = Out::to(true, std::io::sink());
            let verified = verify::verify(&inspected, &[], &mut out).await;
            match (only, verified) {
                (Some(_), Ok(false)) => {}
                (None, Err(Failure::Told(message))) => assert_eq!(message, "it is gone"),
                (only, _) => panic!("wrong where {only:?} fails"),
            }
        }
    }
}
