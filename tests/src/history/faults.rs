//! A failing store between the requests and the watched store. The calls of the watched store are known, and so are the
//! results that the requests received.

use super::{
    stepping::WatchedStore,
    unit::{Answer, Phase},
    watch::{Fault, Question, Watched},
};
use level_session::{
    Timestamp,
    store::{
        Commit, Digest, Loaded, Outcome, Select, Store, StoreFuture, Wrapper,
        testing::{Faults, FaultyStore},
    },
};
use std::{future::poll_fn, pin::Pin};

/// The store of the requests of a history.
pub(super) struct UnreliableStore {
    inner: FaultyStore<WatchedStore>,
    watched: Watched,
}

impl UnreliableStore {
    pub(super) fn new(inner: WatchedStore) -> (Self, Faults) {
        let watched = inner.watched.clone();
        let (inner, faults) = FaultyStore::new(inner);
        (Self { inner, watched }, faults)
    }
}

impl Fault {
    /// Sets the failure mode, replacing the previous one.
    pub(super) fn begin(self, faults: &Faults, watched: &Watched) {
        faults.fail_loads(self == Self::Loads);
        faults.fail_commits(self == Self::Commits);
        faults.fail_commits_afterwards(self == Self::Answers);
        faults.hang(self == Self::Hang);
        let _ = faults.calls(); // the recorded calls are not needed
        let mut watch = watched.lock();
        watch.fault = self;
        watch.tell(|_| format!("the store's fault: {self:?}"));
    }
}

impl Wrapper for UnreliableStore {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        let question = {
            let mut watch = self.watched.lock();
            if watch.worker {
                drop(watch);
                return self.inner.load(id, select, now);
            }
            let unit = watch.unit();
            // A renewal of a session that was not loaded yet loads it first, and has already taken the pending changes.
            let first = matches!(select, Select::Nothing) && unit.renews_blindly();
            if first {
                unit.plan();
            }
            Question {
                epoch: unit.epoch,
                // No other task reads while a commit is in flight.
                looks: unit.planned.is_some(),
                first,
            }
        };
        let mut asked = self.inner.load(id, select, now);
        StoreFuture::boxed(async move {
            // The watched store gets this call, no matter which task polls it.
            let asked = poll_fn(|cx| {
                self.watched.lock().asked = question;
                Pin::new(&mut asked).poll(cx)
            });
            let answer = asked.await;
            if answer.is_err() {
                let mut watch = self.watched.lock();
                match question.looks {
                    true => watch.unit().fails(Answer::Failed),
                    false => watch.unit().task().failed = true,
                }
                watch.tell(|w| format!("  store: a read of request {} fails", w.current));
            }
            answer
        })
    }

    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        let refresh = {
            let mut watch = self.watched.lock();
            if watch.worker {
                drop(watch);
                return self.inner.commit(commit);
            }
            let lost = watch.fault == Fault::Answers;
            match watch.unit().task().phase {
                Phase::Taking(field) => {
                    watch.looked(field);
                    watch.unit().plan_claim(field);
                }
                _ => watch.unit().plan(),
            }
            if let Some(planned) = &mut watch.unit().planned {
                planned.lost = lost;
            }
            watch.is_refresh(&commit)
        };
        let asked = self.inner.commit(commit);
        StoreFuture::boxed(async move {
            let answer = asked.await;
            if answer.is_err() {
                let mut watch = self.watched.lock();
                let unit = watch.unit();
                unit.fails(match refresh {
                    true => Answer::RefreshFailed,
                    false => Answer::Failed,
                });
                watch.tell(|w| format!("  store: a commit of request {} fails", w.current));
            }
            answer
        })
    }
}
