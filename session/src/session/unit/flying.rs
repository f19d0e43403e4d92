//! A commit in flight: it belongs to the unit of work, and every task that needs its end polls it.

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

/// The place of the task that began a commit, and is told how it ends.
pub(super) struct Seat {
    number: u64,
    /// Once there is something to wait for.
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
    /// Ready when no commit is under way.
    pub(crate) fn poll_landed(&self, cx: &mut Context<'_>) -> Poll<()> {
        while self.peek().flight.is_some() {
            ready!(self.poll_flight(cx, None));
        }
        Poll::Ready(())
    }

    /// As [`poll_landed`](Self::poll_landed). It holds nothing, so that it is in nobody's way if it is no longer polled.
    pub(crate) async fn landed(&self) {
        poll_fn(|cx| self.poll_landed(cx)).await;
    }

    /// How the commit ends that was begun from this seat.
    pub(super) fn poll_seat(&self, cx: &mut Context<'_>, seat: &mut Seat) -> Poll<Result<Flown>> {
        Poll::Ready(match ready!(self.poll_flight(cx, Some(seat))) {
            Some(result) => result,
            // Another task has seen the end.
            None => {
                let left = seat.waiting.as_ref().and_then(|waiting| waiting.collect());
                left.unwrap_or(Ok(Flown::Stored))
            }
        })
    }

    /// Polls the commit that is under way, or the one that was begun from this seat if it still is: how it ended, for
    /// the one who has the seat; and nothing if there is no such commit.
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
                    // Another thread polls it just now.
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
                // Once more, with a waker that wakes all who wait.
                Poll::Pending if is_first => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The first poll does without an allocation for those who wait: most stores answer at once. Nothing is locked
    /// meanwhile, since code of the store's runs, and closures of updates.
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
            None => return Poll::Ready(None), // the request is over
            Some(flight) => flight.goes_on(execution),
        };
        if let Some(joined) = joined {
            joined.wake_all();
        }
        Poll::Pending
    }

    /// The commit was carried out: what that does to the state, and who has to know.
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

    /// The task that had the seat is no longer there.
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

/// Leaves the result of a commit for the task that began it, or for the next commit.
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

/// A commit failed and no task was told. If nothing of it is stored, it is simply tried again.
fn owe(state: &mut State, error: Error) {
    if error.may_be_stored() {
        state.owed = Some(Box::new(error));
    }
}

/// A commit that is being polled: if the poll panics, its outcome is unknown.
struct Aloft<'a> {
    unit: &'a UnitOfWork,
    has_seat: bool,
}

impl Drop for Aloft<'_> {
    fn drop(&mut self) {
        let panicked = || {
            let what = "a commit of this request panicked, in the store or in a closure of an `update`: \
                        what the request had changed is lost, or stored";
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
