//! A commit under way.
//!
//! It belongs to the unit of work and not to the task that began it: whoever needs its end polls it, and it goes on
//! where that task is dropped, or is not polled any more.

use super::plan::Plan;
use crate::{
    error::{Error, Result},
    store::{Bytes, Digest, Done, Loaded, Timestamp},
};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

/// A commit that is being carried out. It needs nothing of the state.
pub(crate) type Execution = Pin<Box<dyn Future<Output = Landing> + Send>>;

/// A commit that was carried out.
pub(crate) struct Landing {
    pub(crate) plan: Box<Plan>,
    /// When it was made.
    pub(crate) now: Timestamp,
    /// The other sessions that it has ended.
    pub(crate) others: Vec<Digest>,
    pub(crate) result: Result<Landed>,
}

/// The store's answer.
pub(crate) enum Landed {
    Done(Done),
    /// The session is not live, with the store's knowledge of it if that matters.
    Gone(Option<Loaded>),
    /// The field to be taken holds this by now.
    Overtaken(Option<Bytes>),
}

/// The outcome of a commit, for the task that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flown {
    Stored,
    /// Nothing is stored yet: the session is another one than was thought, or another request was faster.
    Again,
}

/// The place of a commit under way in its unit.
pub(crate) struct Flight {
    /// `None` while a task polls it.
    pub(crate) execution: Option<Execution>,
    waiting: Option<Arc<Waiting>>,
    /// Whether a task wanted to poll it while another one did.
    joined: bool,
    /// Whether the task that began it is no longer there.
    pub(crate) left: bool,
}

impl Flight {
    pub(crate) fn new(execution: Execution) -> Self {
        Self {
            execution: Some(execution),
            waiting: None,
            joined: false,
            left: false,
        }
    }

    /// The waiting tasks, once there are any.
    pub(crate) fn waiting(&self) -> Option<Arc<Waiting>> {
        self.waiting.clone()
    }

    /// A task waits while another one polls it.
    pub(crate) fn join(&mut self, waker: &Waker) -> Arc<Waiting> {
        self.joined = true;
        let waiting = self.waiting.get_or_insert_default();
        waiting.add(waker);
        waiting.clone()
    }

    /// It was polled and goes on: there are tasks that wait from now on. Those that have joined meanwhile are to be woken,
    /// since whoever polled it may have been the only one to be woken.
    pub(crate) fn goes_on(&mut self, execution: Execution) -> Option<Arc<Waiting>> {
        self.execution = Some(execution);
        let waiting = self.waiting.get_or_insert_default();
        std::mem::take(&mut self.joined).then(|| waiting.clone())
    }
}

/// Those who wait for the end of a commit. All of them are woken when it can go on, since nobody knows who of them is
/// still polled.
#[derive(Default)]
pub(crate) struct Waiting {
    wakers: Mutex<Vec<Waker>>,
    /// What the task that began it has to be told, if another one saw its end.
    left: Mutex<Option<Result<Flown, Error>>>,
}

impl Waiting {
    pub(crate) fn add(&self, waker: &Waker) {
        let mut wakers = lock(&self.wakers);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    pub(crate) fn wake_all(&self) {
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn leave(&self, result: Result<Flown>) {
        *lock(&self.left) = Some(result);
    }

    pub(crate) fn collect(&self) -> Option<Result<Flown>> {
        lock(&self.left).take()
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
