//! A commit in flight.
//!
//! It belongs to the unit of work and not to the task that began it: any task that waits for its completion polls it,
//! and it continues if the task that began it is dropped, or no longer polled.

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

/// The future of a commit. It does not borrow the state.
pub(crate) type Execution = Pin<Box<dyn Future<Output = Landing> + Send>>;

/// A completed commit.
pub(crate) struct Landing {
    pub(crate) plan: Box<Plan>,
    /// The time of the commit.
    pub(crate) now: Timestamp,
    /// The other sessions that it ended.
    pub(crate) others: Vec<Digest>,
    pub(crate) result: Result<Landed>,
}

/// The store's result.
pub(crate) enum Landed {
    Done(Done),
    /// The session is not live; with the store's record of it if that matters.
    Gone(Option<Loaded>),
    /// The field to be taken has this value by now.
    Overtaken(Option<Bytes>),
}

/// The outcome of a commit, for the task that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flown {
    Stored,
    /// Nothing is stored yet: the session is not the assumed one, or another request was faster.
    Again,
}

/// The slot of a commit in flight in its unit.
pub(crate) struct Flight {
    /// `None` while a task polls it.
    pub(crate) execution: Option<Execution>,
    waiting: Option<Arc<Waiting>>,
    /// Whether a task wanted to poll it while another task did.
    joined: bool,
    /// Whether the task that began it was dropped.
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

    /// Registers a task that waits while another one polls.
    pub(crate) fn join(&mut self, waker: &Waker) -> Arc<Waiting> {
        self.joined = true;
        let waiting = self.waiting.get_or_insert_default();
        waiting.add(waker);
        waiting.clone()
    }

    /// Takes the future back after a poll that was pending: tasks wait from now on. The tasks that joined meanwhile
    /// must be woken, since the polling task may be the only one whose waker was registered.
    pub(crate) fn goes_on(&mut self, execution: Execution) -> Option<Arc<Waiting>> {
        self.execution = Some(execution);
        let waiting = self.waiting.get_or_insert_default();
        std::mem::take(&mut self.joined).then(|| waiting.clone())
    }
}

/// The tasks that wait for a commit. All of them are woken when it can make progress, since it is not known which of
/// them are still polled.
#[derive(Default)]
pub(crate) struct Waiting {
    wakers: Mutex<Vec<Waker>>,
    /// The outcome for the task that began it, if another task polled it to completion.
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
