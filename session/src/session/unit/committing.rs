//! The commit: everything that is wanted, at once.

use super::UnitOfWork;
use crate::{
    error::{Error, ErrorKind, Result},
    session::state::{Phase, Plan, Rules, State},
    store::{Bytes, Commit, Done, Outcome, Step as CommitStep},
};
use std::task::Waker;

/// How often a commit is tried again because another request changed a field that it updates. A turn per session
/// makes one retry the rule; only another process can cause more.
const TRIES: usize = 64;

fn unknown_outcome() -> Error {
    Error::new(
        ErrorKind::Store,
        "the store has answered what this version of the library does not know: use a newer one",
    )
}

/// A commit that is under way; if it is dropped before its outcome is known, it was interrupted.
struct UnderWay<'a>(&'a UnitOfWork);

impl UnderWay<'_> {
    /// The outcome is known: this is what it does to the state.
    fn ends<T>(self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.0.lock())
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.phase == Phase::Committing {
            state.phase = Phase::Interrupted;
        }
        let waiting = state.take_waiting();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl UnitOfWork {
    /// Stores everything that is wanted, at once.
    pub(crate) async fn commit(&self) -> Result<()> {
        let _serial = self.serial.lock().await;
        {
            let mut state = self.lock();
            match state.phase {
                Phase::Open => {}
                Phase::Gone => return Err(Error::gone()),
                Phase::Closed => return Err(Error::closed()),
                Phase::Committing | Phase::Interrupted => {
                    state.phase = Phase::Gone;
                    return Err(State::interrupted());
                }
            }
        }
        self.identify().await?;
        if self.detached {
            self.lock().makes_no_session()?;
        }
        let rules = self.rules(self.now());
        let Some(mut plan) = self.lock().plan(&rules, || self.runtime.ids.next())? else {
            return Ok(());
        };
        let under_way = UnderWay(self);
        match self.carry_out(&mut plan, &rules).await {
            Ok(done) => {
                let events = plan.events();
                let by_former_id = done.by_former_id;
                under_way.ends(|state| state.settle(plan, done, &rules));
                events.for_each(|event| self.runtime.tell(event, by_former_id));
                Ok(())
            }
            // Whoever only read has read what was there: that the use could not be noted takes nothing from it.
            Err(error) if plan.is_refresh() => under_way.ends(|state| {
                state.unsettle(&plan, rules.now)?;
                if error.kind() == ErrorKind::Gone {
                    state.phase = Phase::Gone;
                } else if let Some(times) = self.runtime.unnoted(rules.now) {
                    tracing::warn!(
                        times,
                        session = %plan.id.short(),
                        error = &error as &dyn std::error::Error,
                        "a session's idle timeout could not be restarted; this is logged once a minute at most"
                    );
                }
                Ok(())
            }),
            Err(error) if error.kind() == ErrorKind::Gone => under_way.ends(State::is_gone),
            Err(error) => {
                let back = under_way.ends(|state| state.unsettle(&plan, rules.now));
                Err(back.err().unwrap_or(error))
            }
        }
    }

    async fn carry_out(&self, plan: &mut Plan, rules: &Rules) -> Result<Done> {
        let _turn = match plan.guards.is_empty() {
            true => None,
            false => Some(self.runtime.turn(plan.id).lock().await),
        };
        for _ in 0..TRIES {
            let ending = match plan.step {
                CommitStep::Destroy | CommitStep::Renew { .. } => Some(self.runtime.end(rules.now)),
                _ => None,
            };
            plan.fits(self.runtime.max_value_bytes)?;
            let commit = Commit::new(plan.id, rules.now, plan.step)
                .with_ended_at(ending.as_ref().map_or(rules.now, |ending| ending.at))
                .with_clear(plan.clear)
                .with_guards(&plan.guards)
                .with_writes(&plan.writes)
                .with_max_fields(Some(self.runtime.max_fields));
            match self.runtime.store.commit(commit).await? {
                Outcome::Done(done) => return Ok(done),
                Outcome::Gone => return Err(Error::gone()),
                Outcome::Exists => State::replan(plan, self.runtime.ids.next()?),
                Outcome::Conflict(current) => self.rerun(plan, current)?,
                Outcome::TooMany(fields) => {
                    return Err(Error::too_many_fields(fields, self.runtime.max_fields));
                }
                _ => return Err(unknown_outcome()),
            }
        }
        Err(Error::new(
            ErrorKind::Contended,
            match plan.new {
                Some(_) => {
                    "no id could be found that is not taken: the id generator repeats itself"
                }
                None => "other requests changed what this one updates, again and again",
            },
        ))
    }

    /// Runs the updates of a plan again, on what is stored now. The session's turn is held meanwhile, so that nobody else
    /// who updates it comes between.
    fn rerun(&self, plan: &mut Plan, current: Vec<Option<Bytes>>) -> Result<()> {
        let now = self.now();
        let mut updates = self.lock().lend_updates();
        let mut result = Ok(());
        for (name, update) in &mut updates {
            let at = plan.guards.iter().position(|guard| guard.field == *name);
            let bytes = at.and_then(|at| current.get(at).cloned()).flatten();
            result = result.and_then(|()| update.rerun(bytes, now)); // code of the user's: the state is not locked
        }
        let mut state = self.lock();
        for (name, update) in &updates {
            state.reread(name, update.base().cloned());
        }
        state.return_updates(plan, updates);
        result
    }
}
