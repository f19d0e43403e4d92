//! What a task of a request cannot know while another one stores.
//!
//! Where the store is asked while a commit is under way, or was asked before it began, nobody can tell whether the answer
//! was given before the commit was stored or after. For most fields that is all one: what the commit puts there is seen in
//! any case. It is not for a counter that it adds to, where the addition would be seen once too often, nor for the id. So
//! an answer counts only if no commit has begun or ended since the question ([`State::epoch`]), and such questions wait.

use super::{Phase, State, slots::Slots};
use crate::{
    changes::Slot,
    error::{Error, ErrorKind, Result},
    store::FieldName,
};
use std::task::{Context, Poll, Waker};

impl State {
    /// Whether a commit is under way that keeps what the store says from being understood: of a field that it adds to
    /// nobody could tell whether that is in it already, and the id may be another one by now. Once the commit is over
    /// it is known; of one that was interrupted it never will be.
    #[inline] // most know at a glance that there is no commit
    fn must_wait(&self, adds: impl FnOnce(&Slots) -> bool) -> Result<bool> {
        let waits = |state: &Self| state.moving || adds(&state.slots);
        match self.phase {
            Phase::Committing => Ok(waits(self)),
            Phase::Interrupted if waits(self) => Err(Self::interrupted()),
            _ => Ok(false),
        }
    }

    /// As [`must_wait`](Self::must_wait), for whoever asks for these fields.
    #[inline]
    pub(super) fn must_wait_for(&self, fields: &[FieldName]) -> Result<bool> {
        let adds = |slot: Option<&Slot>| slot.is_some_and(Slot::is_adding_blindly);
        self.must_wait(|slots| fields.iter().any(|field| adds(slots.get(field))))
    }

    /// As [`must_wait`](Self::must_wait), for whoever asks for all fields.
    pub(crate) fn must_wait_for_all(&self) -> Result<bool> {
        self.must_wait(|slots| slots.iter().any(|(_, slot)| slot.is_adding_blindly()))
    }

    /// As [`must_wait`](Self::must_wait), for whoever asks for the id.
    pub(crate) fn must_wait_for_id(&self) -> Result<bool> {
        self.must_wait(|_| false)
    }

    pub(crate) fn interrupted() -> Error {
        Error::new(
            ErrorKind::Store,
            "an earlier commit of this request was interrupted, and whether it is stored is not known: \
             nothing more is stored through this handle",
        )
    }

    /// Ready as soon as no commit is under way.
    pub(crate) fn poll_commit_ended(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.phase != Phase::Committing {
            return Poll::Ready(());
        }
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Those who wait for the end of a commit: to be woken when it has ended and the state is not locked.
    #[must_use]
    pub(crate) fn take_waiting(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting)
    }
}
