//! A store that yields to other requests: before a call, and again before its result arrives.

use super::{
    commit::Learned,
    watch::{Watch, Watched},
};
use level_session::{
    Timestamp,
    store::{
        Commit, Digest, ErrorKind, Loaded, Outcome, Result, Select, Store, StoreFuture, Wrapper,
    },
};
use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// The store of a history.
pub(super) struct WatchedStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) watched: Watched,
}

impl WatchedStore {
    /// Yields, makes the call, and yields again before the result arrives. The call itself is one step, no matter how
    /// many threads the store has.
    fn call<'a, T: Send + 'a, U: Send + 'a>(
        &'a self,
        call: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
        step: impl FnOnce(&mut Watch, &Result<T>) -> U + Send + 'a,
        answered: impl FnOnce(&mut Watch, U) + Send + 'a,
    ) -> StoreFuture<'a, T> {
        StoreFuture::boxed(async move {
            turn().await;
            let answer = wait(call());
            let seen = step(&mut self.watched.lock(), &answer);
            turn().await;
            answered(&mut self.watched.lock(), seen);
            answer
        })
    }
}

impl Wrapper for WatchedStore {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        if self.watched.lock().worker {
            return self.inner.load(id, select, now);
        }
        self.call(
            move || self.inner.load(id, select, now),
            move |watch, answer| {
                if let Err(error) = answer {
                    watch.violated(format!("the store fails: {error:?}"));
                }
                let loaded = answer.as_ref().ok()?;
                Some(watch.loaded(id, select, now, loaded))
            },
            |watch, seen| {
                if let Some(seen) = seen {
                    watch.absorb(seen);
                }
            },
        )
    }

    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        let same = commit;
        if self.watched.lock().worker {
            let outcome = wait(self.inner.commit(commit));
            if let Ok(outcome) = &outcome {
                self.watched.lock().worker_committed(&same, outcome);
            }
            return StoreFuture::ready(outcome);
        }
        self.call(
            move || self.inner.commit(commit),
            move |watch, answer| match answer {
                Ok(outcome) => watch.committed(&same, outcome),
                Err(error) if watch.overflows(error.kind() == ErrorKind::Overflow) => {
                    Learned::Nothing
                }
                Err(error) => {
                    watch.violated(format!("the store fails: {error:?}"));
                    Learned::Nothing
                }
            },
            Watch::learn,
        )
    }
}

/// Yields once.
pub(super) async fn turn() {
    let mut waited = false;
    poll_fn(|_| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks on this thread.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
