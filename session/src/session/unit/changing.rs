//! Changes that look at what is there: `update` and `take`.

use super::UnitOfWork;
use crate::{
    changes::Step,
    error::Result,
    session::state::Taking,
    store::FieldName,
    store::Timestamp,
    store::{Bytes, Commit, Guard, Outcome, Step as CommitStep, Write},
};

impl UnitOfWork {
    /// Runs a step of an `update` on what the request sees, and notes it.
    pub(crate) async fn update(&self, field: &FieldName, mut step: Step) -> Result<()> {
        let _serial = self.serial.lock().await;
        loop {
            let version = self.lock().version(field);
            let seen = self.read(field).await?;
            let now = self.now();
            let result = step(seen.as_ref(), now)?; // code of the user's: no lock is held but `serial`
            match self.lock().update(field, version, step, result)? {
                Ok(()) => return Ok(()),
                Err(back) => step = back, // another task of this request changed the field meanwhile
            }
        }
    }

    /// Takes a field: of all concurrent takers one gets it. `check` looks at the value before it is claimed, so that
    /// what cannot be read is not lost.
    pub(crate) async fn take(
        &self,
        field: &FieldName,
        check: impl Fn(&Bytes) -> Result<()>,
    ) -> Result<Option<Bytes>> {
        let _serial = self.serial.lock().await;
        loop {
            let version = self.lock().version(field);
            let Some(seen) = self.read(field).await? else {
                return Ok(None);
            };
            check(&seen)?;
            let (id, stored) = {
                let mut state = self.lock();
                if state.version(field) != version {
                    continue; // another task of this request changed it meanwhile
                }
                match state.begin_take(field)? {
                    Taking::Own => return Ok(Some(seen)),
                    Taking::Claim { id, stored } => (id, stored),
                }
            };
            let claim = Claim { unit: self, field };
            let now = self.now();
            let guards = [Guard::new(field.clone(), Some(stored))];
            let writes = [Write::remove(field.clone())];
            let commit = Commit::new(id, now, CommitStep::keep(None))
                .with_guards(&guards)
                .with_writes(&writes);
            match self.runtime.store.commit(commit).await? {
                Outcome::Done(_) => {
                    claim.stored();
                    return Ok(Some(seen));
                }
                Outcome::Conflict(current) => {
                    self.overtaken(field, current.into_iter().next().flatten(), now)?;
                }
                _ => {
                    drop(claim);
                    return self.lock().is_gone();
                }
            }
        }
    }

    /// Another was faster: what this request made of the former value, it makes of the present one.
    fn overtaken(&self, field: &FieldName, current: Option<Bytes>, now: Timestamp) -> Result<()> {
        let update = self.lock().lend_update(field);
        let mut result = Ok(());
        if let Some(mut update) = update {
            result = update.rerun(current.clone(), now); // code of the user's: no lock is held but `serial`
            self.lock().return_update(field, update);
        }
        self.lock().reread(field, current);
        result
    }
}

/// A claim that is under way. What it took with it is wanted as before when it is dropped.
struct Claim<'a> {
    unit: &'a UnitOfWork,
    field: &'a FieldName,
}

impl Claim<'_> {
    fn stored(self) {
        self.unit.lock().taken(self.field);
        std::mem::forget(self);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let now = self.unit.now();
        self.unit.lock().not_taken(self.field, now);
    }
}
