//! Stores that break one promise each. If the suite accepted one of them, it would prove nothing.

use crate::{
    Answer, Commit, Digest, Fields, Home, Loaded, MemoryStore, Op, Outcome, Select, Step, Store,
    StoreFuture, Timestamp, Wrapper, Write,
    conformance::{self, InTurn},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::task::yield_now;

/// A store whose every call yields before and after its work, that returns all fields where some are requested, and
/// that has several homes: none of this breaks a promise.
pub(super) struct Remote(MemoryStore);

impl Remote {
    pub(super) fn new() -> Self {
        Self(MemoryStore::new())
    }
}

impl Wrapper for Remote {
    fn inner(&self) -> &dyn Store {
        &self.0
    }
    fn wrap_home(&self, id: Digest) -> Home {
        Home::new(u16::from(id.as_bytes()[0] % 4))
    }
    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        let select = match select {
            Select::Names(_) => Select::All,
            other => other,
        };
        StoreFuture::boxed(async move {
            yield_now().await;
            let loaded = self.0.load(id, select, now).await;
            yield_now().await;
            loaded
        })
    }
    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        if let Step::Renew { to, .. } = commit.step {
            assert_eq!(self.wrap_home(to), self.wrap_home(commit.id));
        }
        StoreFuture::boxed(async move {
            yield_now().await;
            let outcome = self.0.commit(commit).await;
            yield_now().await;
            outcome
        })
    }
}

/// Looks up the session of a former id, and writes to it in a separate step.
#[derive(Default)]
struct LooksFirst {
    inner: MemoryStore,
    renewed: Mutex<HashMap<Digest, Digest>>,
}

impl Wrapper for LooksFirst {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }
    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::boxed(async move {
            if let Step::Renew { to, .. } = commit.step {
                self.renewed.lock().unwrap().insert(commit.id, to);
            }
            let to = self.renewed.lock().unwrap().get(&commit.id).copied();
            let Some(to) = to.filter(|_| matches!(commit.step, Step::Keep { .. })) else {
                return self.inner.commit(commit).await;
            };
            let works = self.inner.load(commit.id, Select::Nothing, commit.now);
            if !matches!(works.await?, Loaded::Live(_)) {
                return Ok(Outcome::Gone);
            }
            yield_now().await;
            self.inner.commit(Commit { id: to, ..commit }).await
        })
    }
}

#[tokio::test]
#[should_panic(expected = "a commit by a former id that has ended writes nothing")]
async fn one_that_looks_first() {
    let store = Arc::new(LooksFirst::default());
    conformance::a_former_id_that_ends_between_look_and_write_writes_nothing(store).await;
}

/// Applies a commit in two steps.
struct InHalves(MemoryStore);

impl Wrapper for InHalves {
    fn inner(&self) -> &dyn Store {
        &self.0
    }
    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::boxed(async move {
            let (first, rest) = commit.writes.split_at(commit.writes.len() / 2);
            let outcome = self.0.commit(commit.with_writes(first)).await?;
            if !rest.is_empty() && outcome.is_done() {
                yield_now().await;
                let rest = Commit::new(commit.id, commit.now, Step::keep(None)).with_writes(rest);
                return self.0.commit(rest).await;
            }
            Ok(outcome)
        })
    }
}

#[tokio::test]
#[should_panic(expected = "a dropped commit is whole or not at all")]
async fn one_that_commits_in_halves() {
    let store = Arc::new(InHalves(MemoryStore::new()));
    conformance::a_dropped_commit_is_whole_or_not_at_all(store).await;
}

#[tokio::test]
#[should_panic(expected = "a dropped create is whole or not at all")]
async fn one_that_creates_in_halves() {
    let store = Arc::new(InHalves(MemoryStore::new()));
    conformance::a_dropped_step_is_whole_or_not_at_all(store).await;
}

/// Calculates an addition from the value that the caller has read.
struct TrustsSeen(MemoryStore);

impl Wrapper for TrustsSeen {
    fn inner(&self) -> &dyn Store {
        &self.0
    }
    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        StoreFuture::boxed(async move {
            let trusting = |write: &Write| match &write.op {
                Op::Add {
                    add,
                    seen: Some(seen),
                } => {
                    let sum = add.apply(seen.as_deref(), commit.now);
                    Write::set(write.field.clone(), sum.expect("a sum"))
                }
                _ => write.clone(),
            };
            let writes: Vec<_> = commit.writes.iter().map(trusting).collect();
            self.0.commit(commit.with_writes(&writes)).await
        })
    }
}

#[tokio::test]
#[should_panic(expected = "not to what was seen")]
async fn one_that_trusts_what_was_seen() {
    let store = Arc::new(TrustsSeen(MemoryStore::new()));
    conformance::what_a_caller_has_seen_changes_no_sum(store).await;
}

/// Caches the fields of a session for ever, as if no other process existed.
struct Stale {
    inner: Arc<MemoryStore>,
    cache: Mutex<HashMap<Digest, Loaded>>,
}

impl Stale {
    fn pair() -> InTurn {
        let inner = Arc::new(MemoryStore::new());
        let [first, second] = [(); 2].map(|()| Self {
            inner: Arc::clone(&inner),
            cache: Mutex::default(),
        });
        InTurn::new(first, second)
    }
}

impl Wrapper for Stale {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }
    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        StoreFuture::boxed(async move {
            if let Some(loaded) = self.cache.lock().unwrap().get(&id) {
                return Ok(loaded.clone());
            }
            let loaded = self.inner.load(id, Select::All, now).await?;
            self.cache.lock().unwrap().insert(id, loaded);
            self.inner.load(id, select, now).await
        })
    }
    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        self.cache.lock().unwrap().clear();
        self.inner.commit(commit)
    }
}

#[tokio::test]
#[should_panic(expected = "a commit changes the fields that it names")]
async fn one_with_a_cache_that_hears_of_no_other_process() {
    let store = Arc::new(Stale::pair());
    conformance::a_commit_changes_only_the_fields_it_names(store).await;
}

/// The same store with a single handle passes: detecting the fault takes two.
#[tokio::test]
async fn the_same_without_another_process_keeps_the_promise() {
    let store = Arc::new(Stale {
        inner: Arc::new(MemoryStore::new()),
        cache: Mutex::default(),
    });
    conformance::a_commit_changes_only_the_fields_it_names(store).await;
}

/// `Remote` must return all fields where some are requested: otherwise it would test nothing.
#[tokio::test]
async fn a_remote_store_answers_all() {
    let store = Remote::new();
    let now = Timestamp::from_millis(1);
    let id = Digest::from_bytes([1; 32]);
    let lease = crate::Timeouts::new(std::time::Duration::MAX).lease(now, now);
    let create = Commit::new(id, now, Step::create(now, lease));
    assert!(Store::commit(&store, create).await.unwrap().is_done());
    let loaded = Store::load(&store, id, Select::Names(&["a"]), now).await;
    let Loaded::Live(snapshot) = loaded.unwrap() else {
        panic!("it lives");
    };
    let fields: Fields = snapshot.fields;
    assert!(matches!(fields.into_answer(), Answer::All(_)));
}
