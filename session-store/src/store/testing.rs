//! A store that fails on demand: for the tests of applications, and of this library.

use super::{
    Commit, Cursor, Found, Loaded, Outcome, Page, Select, Step, Store, StoreFuture, Swept, Wrapper,
};
use crate::{
    clock::Timestamp,
    digest::Digest,
    error::{Error, Result},
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Wraps a store, records every call, and fails or hangs as its [`Faults`] are set.
///
/// ```
/// use level_session_store::{
///     Commit, Digest, ErrorKind, MemoryStore, Step, Store, Timestamp, testing::FaultyStore,
/// };
///
/// # async fn run() {
/// let (store, faults) = FaultyStore::new(MemoryStore::new());
/// let id = Digest::from_bytes([7; 32]);
/// let commit = Commit::new(id, Timestamp::from_millis(0), Step::keep(None));
///
/// faults.fail_commits(true);
/// assert_eq!(store.commit(commit).await.unwrap_err().kind(), ErrorKind::Store);
/// assert_eq!(faults.calls().len(), 1);
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run());
/// ```
pub struct FaultyStore<S> {
    inner: S,
    faults: Faults,
}

/// The faults of a [`FaultyStore`], and a record of its calls. Clones share both.
#[derive(Clone)]
pub struct Faults {
    state: Arc<Mutex<Switches>>,
    hang: Arc<watch::Sender<bool>>,
}

#[derive(Default)]
struct Switches {
    fail_loads: bool,
    fail_commits: bool,
    fail_commits_afterwards: bool,
    calls: Vec<Call>,
}

/// One call of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// [`Store::load`] of these fields; `None` for all of them.
    Load(Option<Vec<String>>),
    /// [`Store::commit`] of a change of these fields.
    #[non_exhaustive]
    Commit {
        /// The step.
        step: Step,
        /// The fields that were written.
        fields: Vec<String>,
    },
    /// Any other call, by the name of the method.
    Other(&'static str),
}

impl<S: Store> FaultyStore<S> {
    /// Wraps a store, with no faults set.
    pub fn new(inner: S) -> (Self, Faults) {
        let faults = Faults {
            state: Arc::default(),
            hang: Arc::new(watch::Sender::new(false)),
        };
        let store = Self {
            inner,
            faults: faults.clone(),
        };
        (store, faults)
    }

    /// Waits while the store hangs.
    fn pass<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let mut hang = self.faults.hang.subscribe();
        let hangs = *hang.borrow_and_update();
        match hangs {
            false => call(),
            true => StoreFuture::boxed(async move {
                // The sender lives as long as `self`.
                let _ = hang.wait_for(|hangs| !hangs).await;
                call().await
            }),
        }
    }
}

impl Faults {
    /// Sets whether every read fails from now on.
    pub fn fail_loads(&self, fail: bool) {
        self.lock().fail_loads = fail;
    }

    /// Sets whether every commit fails from now on, without being stored.
    pub fn fail_commits(&self, fail: bool) {
        self.lock().fail_commits = fail;
    }

    /// Sets whether every commit fails from now on after it was stored, as if a connection broke before the response.
    pub fn fail_commits_afterwards(&self, fail: bool) {
        self.lock().fail_commits_afterwards = fail;
    }

    /// Sets whether every call hangs from now on, until this is called with `false`.
    pub fn hang(&self, hang: bool) {
        self.hang.send_replace(hang);
    }

    /// Takes the calls recorded since the last time.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock().calls)
    }

    fn note(&self, call: Call) {
        self.lock().calls.push(call);
    }

    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure<'a, T: Send + 'a>(what: &'static str) -> StoreFuture<'a, T> {
    StoreFuture::ready(Err(injected(what)))
}

fn injected(what: &'static str) -> Error {
    Error::store(what, "a fault injected by a test")
}

impl<S: Store> Wrapper for FaultyStore<S> {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        self.faults.note(Call::Load(match select {
            Select::Nothing => Some(Vec::new()),
            Select::Names(names) => Some(names.iter().map(|name| (*name).to_owned()).collect()),
            Select::All => None,
        }));
        if self.faults.lock().fail_loads {
            return failure("reading a session");
        }
        self.pass(move || self.inner.load(id, select, now))
    }

    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        let fields = commit.writes.iter().map(|write| write.field.to_string());
        self.faults.note(Call::Commit {
            step: commit.step,
            fields: fields.collect(),
        });
        if self.faults.lock().fail_commits {
            return failure("storing a session");
        }
        if self.faults.lock().fail_commits_afterwards {
            return self.pass(move || {
                StoreFuture::boxed(async move {
                    let stored: Result<_> = self.inner.commit(commit).await;
                    stored.and_then(|_| Err(injected("waiting for a commit").uncertain_if(true)))
                })
            });
        }
        self.pass(move || self.inner.commit(commit))
    }

    fn wrap_find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>> {
        self.faults.note(Call::Other("find"));
        self.pass(move || self.inner.find(field, entry, after, limit, now))
    }

    fn wrap_page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        self.faults.note(Call::Other("page"));
        self.pass(move || self.inner.page(after, limit, now))
    }

    fn wrap_sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        self.faults.note(Call::Other("sweep"));
        self.pass(move || self.inner.sweep(now, limit))
    }

    fn wrap_close(&self) -> StoreFuture<'_, ()> {
        self.faults.note(Call::Other("close"));
        self.pass(move || self.inner.close())
    }
}

impl<S> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").finish_non_exhaustive()
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}
