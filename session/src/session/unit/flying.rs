//! A commit in flight: it belongs to the unit of work, and every task that waits for its completion polls it.

use super::UnitOfWork;
use crate::{
    error::{Error, ErrorKind, Result},
    session::state::{Execution, Flight, Flown, Landing, Phase, State, Waiting},
};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

/// The seat of the task that began a commit, and receives its outcome.
pub(super) struct Seat {
    number: u64,
    /// Set once there is something to wait for.
    waiting: Option<Arc<Waiting>>,
}

impl Seat {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            waiting: None,
        }
    }
}

impl UnitOfWork {
    /// Ready when no commit is in flight.
    pub(crate) fn poll_landed(&self, cx: &mut Context<'_>) -> Poll<()> {
        while self.peek().flight.is_some() {
            ready!(self.poll_flight(cx, None));
        }
        Poll::Ready(())
    }

    /// Like [`poll_landed`](Self::poll_landed), as a future. It holds no lock, so it blocks no other task if it is not
    /// polled.
    pub(crate) async fn landed(&self) {
        poll_fn(|cx| self.poll_landed(cx)).await;
    }

    /// The outcome of the commit that was begun from this seat.
    pub(super) fn poll_seat(&self, cx: &mut Context<'_>, seat: &mut Seat) -> Poll<Result<Flown>> {
        Poll::Ready(match ready!(self.poll_flight(cx, Some(seat))) {
            Some(result) => result,
            // Another task has polled it to completion.
            None => {
                let left = seat.waiting.as_ref().and_then(|waiting| waiting.collect());
                left.unwrap_or(Ok(Flown::Stored))
            }
        })
    }

    /// Polls the commit in flight, or the one that was begun from this seat if it still is in flight. Returns its
    /// outcome to the task that has the seat, and `None` if there is no such commit.
    fn poll_flight(
        &self,
        cx: &mut Context<'_>,
        mut seat: Option<&mut Seat>,
    ) -> Poll<Option<Result<Flown>>> {
        loop {
            let number = seat.as_ref().map(|seat| seat.number);
            let (execution, waiting) = match self.peek().flight(number) {
                None => return Poll::Ready(None),
                Some(flight) => match flight.execution.take() {
                    Some(execution) => (Some(execution), flight.waiting()),
                    // Another thread is polling it.
                    None => (None, Some(flight.join(cx.waker()))),
                },
            };
            let is_first = waiting.is_none();
            if let (Some(seat), Some(waiting)) = (&mut seat, &waiting) {
                seat.waiting = Some(waiting.clone());
            }
            let Some(execution) = execution else {
                return Poll::Pending;
            };
            match self.poll_execution(cx, execution, waiting, seat.is_some()) {
                Poll::Ready(result) => return Poll::Ready(result),
                // Polled again, with a waker that wakes all waiting tasks.
                Poll::Pending if is_first => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The first poll needs no allocation for waiting tasks: most stores return at once. No lock is held meanwhile,
    /// since code of the store and closures of updates run.
    fn poll_execution(
        &self,
        cx: &mut Context<'_>,
        mut execution: Execution,
        waiting: Option<Arc<Waiting>>,
        has_seat: bool,
    ) -> Poll<Option<Result<Flown>>> {
        let aloft = Aloft {
            unit: self,
            has_seat,
        };
        let polled = match &waiting {
            None => execution.as_mut().poll(cx),
            Some(waiting) => {
                waiting.add(cx.waker());
                let waker = Waker::from(waiting.clone());
                execution.as_mut().poll(&mut Context::from_waker(&waker))
            }
        };
        std::mem::forget(aloft);
        if let Poll::Ready(landing) = polled {
            return Poll::Ready(self.land(landing, has_seat));
        }
        let joined = match &mut self.peek().flight {
            None => return Poll::Ready(None), // the request has ended
            Some(flight) => flight.goes_on(execution),
        };
        if let Some(joined) = joined {
            joined.wake_all();
        }
        Poll::Pending
    }

    /// Handles a completed commit: updates the state, and notifies observers and waiting tasks.
    fn land(&self, landing: Landing, has_seat: bool) -> Option<Result<Flown>> {
        let rules = self.rules(landing.now);
        let mut state = self.peek();
        let flight = state.flight.take();
        let told = state.settle(landing, rules);
        let waiting = flight.as_ref().and_then(Flight::waiting);
        let result = match has_seat {
            true => Some(told.result),
            false => {
                hand_over(&mut state, flight, told.result);
                None
            }
        };
        drop(state);
        for event in told.events.into_iter().flatten().chain(told.others) {
            self.runtime.tell(event, told.by_former_id);
        }
        if let Some(waiting) = waiting {
            waiting.wake_all();
        }
        result
    }

    /// The task that had the seat was dropped.
    pub(super) fn leave(&self, seat: Seat) {
        let mut state = self.peek();
        if let Some(flight) = state.flight(Some(seat.number)) {
            flight.left = true;
            let abandoned = state.phase == Phase::Closed;
            let flight = state
                .flight
                .take_if(|flight| abandoned && flight.execution.is_some());
            drop(state);
            if let Some(waiting) = flight.and_then(|flight| flight.waiting()) {
                waiting.wake_all();
            }
        } else if let Some(Err(error)) = seat.waiting.and_then(|waiting| waiting.collect()) {
            owe(&mut state, error);
        }
    }
}

/// Hands the outcome of a commit to the task that began it, or to the next commit.
fn hand_over(state: &mut State, flight: Option<Flight>, result: Result<Flown>) {
    let Some(flight) = flight else { return };
    match (flight.left, result) {
        (true, Err(error)) => owe(state, error),
        (true, Ok(_)) => {}
        (false, result) => {
            if let Some(waiting) = flight.waiting() {
                waiting.leave(result);
            }
        }
    }
}

/// A commit failed and no task received the error. If nothing of it is stored, it is simply retried.
fn owe(state: &mut State, error: Error) {
    if error.may_be_stored() {
        state.owed = Some(Box::new(error));
    }
}

/// A commit while it is being polled: if the poll panics, its outcome is unknown.
struct Aloft<'a> {
    unit: &'a UnitOfWork,
    has_seat: bool,
}

impl Drop for Aloft<'_> {
    fn drop(&mut self) {
        let panicked = || {
            let what = "a commit of this request panicked, in the store or in a closure of an `update`: \
                        its changes may or may not be stored";
            Error::new(ErrorKind::Store, what).uncertain()
        };
        let mut state = self.unit.peek();
        let flight = state.flight.take();
        let waiting = flight.as_ref().and_then(Flight::waiting);
        match self.has_seat {
            true => state.owed = Some(Box::new(panicked())),
            false => hand_over(&mut state, flight, Err(panicked())),
        }
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake_all();
        }
    }
}
