//! The commit: stores all changes at once.

use super::{UnitOfWork, flying::Seat};
use crate::{
    error::{Error, ErrorKind, Result},
    runtime::{Ending, Kind, Runtime},
    session::state::{Execution, Flight, Flown, Landed, Landing, Plan, Rules},
    store::{Commit, Digest, Loaded, Outcome, Select, Snapshot, Step, Timestamp},
};
use std::{
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// How often a commit is retried because another request changed a field that it updates. With a turn per session, one
/// retry is typical; only other processes can cause more.
const TRIES: usize = 64;

/// A commit, as a future. If it is dropped, the next use of the session completes the commit.
pub(crate) struct Committing<U: Deref<Target = UnitOfWork>> {
    unit: U,
    seat: Option<Seat>,
}

/// The next step of a commit.
enum Begun {
    Nothing,
    /// Wait for another commit first.
    Busy,
    Flying(Seat),
}

impl<U: Deref<Target = UnitOfWork>> Committing<U> {
    pub(crate) fn new(unit: U) -> Self {
        Self { unit, seat: None }
    }

    /// A commit that has begun.
    pub(super) fn seated(unit: U, seat: Seat) -> Self {
        Self {
            unit,
            seat: Some(seat),
        }
    }

    /// Polls the outcome of a commit that has begun.
    pub(super) fn poll_seat(&mut self, cx: &mut Context<'_>) -> Poll<Result<Flown>> {
        let Some(seat) = &mut self.seat else {
            return Poll::Ready(Ok(Flown::Stored));
        };
        let flown = ready!(self.unit.poll_seat(cx, seat));
        self.seat = None;
        Poll::Ready(flown)
    }
}

impl<U: Deref<Target = UnitOfWork>> Unpin for Committing<U> {}

impl<U: Deref<Target = UnitOfWork>> Future for Committing<U> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if self.seat.is_none() {
                match self.unit.begin_commit()? {
                    Begun::Nothing => return Poll::Ready(Ok(())),
                    Begun::Busy => ready!(self.unit.poll_landed(cx)),
                    Begun::Flying(seat) => self.seat = Some(seat),
                }
            } else if ready!(self.poll_seat(cx))? == Flown::Stored {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<U: Deref<Target = UnitOfWork>> Drop for Committing<U> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.unit.leave(seat);
        }
    }
}

impl UnitOfWork {
    /// Stores all changes at once.
    pub(crate) fn commit(&self) -> Committing<&Self> {
        Committing::new(self)
    }

    fn begin_commit(&self) -> Result<Begun> {
        let mut state = self.used();
        state.is_open()?;
        if state.flight.is_some() {
            return Ok(Begun::Busy);
        }
        let rules = self.rules(self.now());
        Ok(match state.plan(rules)? {
            Some(plan) => Begun::Flying(self.takes_off(&mut state, plan, rules.now)),
            None => Begun::Nothing,
        })
    }

    /// Begins to execute a plan that was made under this lock.
    pub(super) fn takes_off(
        &self,
        state: &mut super::State,
        plan: Box<Plan>,
        now: Timestamp,
    ) -> Seat {
        let execution = carry_out(self.runtime.clone(), plan, now, self.began, self.detached);
        Seat::new(state.begins(Flight::new(execution)))
    }
}

fn carry_out(
    runtime: Arc<Runtime>,
    mut plan: Box<Plan>,
    now: Timestamp,
    began: Timestamp,
    detached: bool,
) -> Execution {
    Box::pin(async move {
        let rules = Rules {
            runtime: &runtime,
            began,
            now,
            detached,
        };
        let mut others = plan.others();
        let result = match end_others(&mut others, rules).await {
            Ok(()) => look_and_store(&mut plan, rules).await,
            Err(error) => Err(error),
        };
        Landing {
            plan,
            now,
            others,
            result,
        }
    })
}

/// Ends the sessions of the visitor's other cookies, and removes those that it has ended from the list. This comes
/// first: if it fails, the whole commit can be retried.
async fn end_others(others: &mut Vec<Digest>, rules: Rules<'_>) -> Result<()> {
    for other in std::mem::take(others) {
        let ending = rules.runtime.end(Kind::Destroyed);
        let commit = Commit::new(other, rules.now, Step::Destroy).with_ended_at(ending.at);
        if rules.runtime.store.commit(commit).await?.is_done() {
            others.push(other);
        }
    }
    Ok(())
}

/// A renewal keeps the lifetime, which must be loaded first.
async fn look_and_store(plan: &mut Plan, rules: Rules<'_>) -> Result<Landed> {
    if plan.renews_blindly() {
        let store = &rules.runtime.store;
        let loaded = store.load(plan.id, Select::Nothing, rules.now).await?;
        match loaded {
            Loaded::Live(Snapshot { meta, .. })
                if rules.now < rules.runtime.lifetimes.deadline(&meta.lease) =>
            {
                plan.keep_lifetime(meta.lease.lifetime, rules);
            }
            _ => return Ok(Landed::Gone(Some(loaded))),
        }
    }
    store(plan, rules).await
}

async fn store(plan: &mut Plan, rules: Rules<'_>) -> Result<Landed> {
    let runtime = rules.runtime;
    let _turn = match plan.compares() && !plan.is_claim() {
        true => runtime.turn(plan.id).await,
        false => None,
    };
    for _ in 0..TRIES {
        let limits = plan.limits(runtime);
        let ending = plan.ends_its_id().map(|kind| runtime.end(kind));
        let others = (!limits.is_empty()).then(|| runtime.end(Kind::Destroyed));
        let time_of = |ending: &Option<Ending<'_>>| ending.as_ref().map_or(rules.now, |it| it.at);
        plan.fits(runtime.max_value_bytes)?;
        let commit = plan
            .commit(rules.now)
            .with_ended_at(time_of(&ending))
            .with_others_ended_at(time_of(&others))
            .with_max_fields(Some(runtime.max_fields))
            .with_limits(&limits);
        match runtime.store.commit(commit).await? {
            Outcome::Done(done) => return Ok(Landed::Done(done)),
            Outcome::Gone if plan.looks_into_an_end() => {
                // It is not live: the store's record of it says why.
                let loaded = runtime
                    .store
                    .load(plan.id, Select::Nothing, rules.now)
                    .await?;
                return Ok(Landed::Gone(Some(loaded)));
            }
            Outcome::Gone => return Ok(Landed::Gone(None)),
            Outcome::Full(at) => {
                let field = limits.into_iter().nth(at).map(|limit| limit.field);
                return Err(field.map_or_else(Error::unknown_outcome, Error::full));
            }
            Outcome::TooMany(fields) => {
                return Err(Error::too_many_fields(fields, runtime.max_fields));
            }
            Outcome::Exists => plan.rename(rules)?,
            Outcome::Conflict(current) => {
                plan.rerun(&current, runtime.clock.now())?;
                if plan.is_claim() {
                    return Ok(Landed::Overtaken(current.into_iter().next().flatten()));
                }
            }
            _ => return Err(Error::unknown_outcome()),
        }
    }
    Err(Error::new(
        ErrorKind::Contended,
        match plan.makes_an_id() {
            true => "every new id is already in use: the random generator repeats itself",
            false => "other requests kept changing the fields that this one updates: try again",
        },
    ))
}
