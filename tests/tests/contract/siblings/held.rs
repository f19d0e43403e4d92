//! A store whose calls can be paused before they are made or before their result arrives, to test events in between.

use level_session::{
    Timestamp,
    store::{Commit, Digest, Loaded, Outcome, Select, Store, StoreFuture, Wrapper},
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Where a call is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Before the store gets it.
    Call,
    /// After the store has applied it, before the result arrives.
    Answer,
}

/// How a commit ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    #[default]
    Stored,
    /// With an error, and not stored.
    Failed,
    /// With an error, but stored.
    Lost,
}

/// Pauses the next call, once.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<Option<Holding>>>);

struct Holding {
    at: At,
    reached: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

/// A call that is paused, or will be.
pub(crate) struct Held {
    reached: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

#[derive(Clone, Default)]
pub(crate) struct Gates {
    pub(crate) loads: Gate,
    pub(crate) commits: Gate,
    fate: Arc<Mutex<Fate>>,
}

pub(crate) struct HeldStore {
    inner: Arc<dyn Store>,
    gates: Gates,
}

impl HeldStore {
    pub(crate) fn over(inner: Arc<dyn Store>) -> (Arc<dyn Store>, Gates) {
        let gates = Gates::default();
        let store = Self {
            inner,
            gates: gates.clone(),
        };
        (Arc::new(store), gates)
    }
}

impl Gates {
    /// Sets how commits end from now on.
    pub(crate) fn set(&self, fate: Fate) {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = fate;
    }

    fn fate(&self) -> Fate {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Pauses the next call at this point.
    pub(crate) fn hold(&self, at: At) -> Held {
        let (reached, is_reached) = oneshot::channel();
        let (release, released) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Holding {
            at,
            reached,
            released,
        });
        Held {
            reached: is_reached,
            release,
        }
    }

    async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        let holding = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(holding) = holding else {
            return call.await;
        };
        let hold = async {
            let _ = holding.reached.send(());
            let _ = holding.released.await;
        };
        match holding.at {
            At::Call => {
                hold.await;
                call.await
            }
            At::Answer => {
                let answer = call.await;
                hold.await;
                answer
            }
        }
    }
}

impl Held {
    /// Waits until the call is paused.
    pub(crate) async fn reached(&mut self) {
        (&mut self.reached).await.expect("a call");
    }

    /// Resumes the call.
    pub(crate) fn release(self) {
        let _ = self.release.send(());
    }
}

impl Wrapper for HeldStore {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        let call = async move { self.inner.load(id, select, now).await };
        StoreFuture::boxed(self.gates.loads.pass(call))
    }

    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        let lost = || {
            level_session::store::Error::store("storing a session", "a fault injected by a test")
        };
        let call = async move {
            let outcome: level_session::store::Result<_> = match self.gates.fate() {
                Fate::Stored => return self.inner.commit(commit).await,
                Fate::Failed => Err(lost()),
                Fate::Lost => {
                    let stored = self.inner.commit(commit).await;
                    stored.and(Err(lost().uncertain_if(true)))
                }
            };
            outcome
        };
        StoreFuture::boxed(self.gates.commits.pass(call))
    }
}
