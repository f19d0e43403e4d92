//! Changes that look at what is there: `update` and `take`.

use super::UnitOfWork;
use crate::{
    changes::{Change, Step},
    error::Result,
    field::FieldName,
    session::state::Taking,
    store::{Bytes, Commit, Guard, Op, Outcome, Step as CommitStep, Write},
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
            let (change, id, stored) = {
                let mut state = self.lock();
                if state.version(field) != version {
                    continue; // another task of this request changed it meanwhile
                }
                match state.begin_take(field)? {
                    Taking::Own => return Ok(Some(seen)),
                    Taking::Claim { change, id, stored } => (change, id, stored),
                }
            };
            let now = self.now();
            let claim = Commit {
                id,
                now,
                ended_at: now,
                step: CommitStep::Keep,
                clear: false,
                lease: None,
                guards: &[Guard {
                    field: field.clone(),
                    expected: Some(stored),
                }],
                writes: &[Write {
                    field: field.clone(),
                    op: Op::Remove,
                    index: None,
                }],
            };
            let outcome = self.runtime.store.commit(claim).await;
            let current = {
                let mut state = self.lock();
                match outcome {
                    Ok(Outcome::Done) => {
                        state.reread(field, None);
                        state.end_take(field, version, None);
                        return Ok(Some(seen));
                    }
                    Ok(Outcome::Conflict(current)) => {
                        let current = current.into_iter().next().flatten();
                        state.reread(field, current.clone());
                        current
                    }
                    Ok(Outcome::Gone | Outcome::Exists) => return state.is_gone(),
                    Err(error) => {
                        state.end_take(field, version, change);
                        return Err(error);
                    }
                }
            };
            // Another was faster: what this request made of the former value, it makes of the present one.
            let change = match change {
                Some(Change::Update(mut update)) => {
                    update.rerun(current, now)?; // code of the user's: no lock is held but `serial`
                    Some(Change::Update(update))
                }
                other => other,
            };
            self.lock().end_take(field, version, change);
        }
    }
}
