//! Changes that depend on the current value: `update` and `take`.

use super::{Committing, UnitOfWork, flying::Seat};
use crate::{
    changes::UpdateStep,
    error::Result,
    session::state::{Flown, Taking},
    store::{Bytes, FieldName},
};
use std::future::poll_fn;

impl UnitOfWork {
    /// Runs a step of an `update` on the value that the request sees, and records it.
    pub(crate) async fn update(&self, field: &FieldName, mut step: UpdateStep) -> Result<()> {
        self.lock().begin_use()?;
        loop {
            let seen = self.read(field).await?;
            let now = self.now();
            let result = step(seen.as_ref(), now)?; // user code: no lock is held
            let noted = self
                .lock()
                .update(field, seen.as_ref(), step, result, now)?;
            match noted {
                Ok(()) => return Ok(()),
                Err(back) => step = back, // another task of this request changed the field
            }
        }
    }

    /// Takes a field: of all concurrent takers one gets it. `check` checks the value before it is claimed, so that a
    /// value that cannot be decoded is not lost.
    pub(crate) async fn take(
        &self,
        field: &FieldName,
        check: impl Fn(&Bytes) -> Result<()>,
    ) -> Result<Option<Bytes>> {
        self.lock().begin_use()?;
        loop {
            let Some(seen) = self.read(field).await? else {
                return Ok(None);
            };
            check(&seen)?; // user code: no lock is held
            let seat = match self.begin_take(field, &seen)? {
                Taking::Own => return Ok(Some(seen)),
                Taking::Again => continue,
                Taking::Claim(seat) => seat,
            };
            let mut claim = Committing::seated(self, seat);
            if poll_fn(|cx| claim.poll_seat(cx)).await? == Flown::Stored {
                return Ok(Some(seen));
            }
        }
    }

    fn begin_take(&self, field: &FieldName, seen: &Bytes) -> Result<Taking<Seat>> {
        let now = self.now();
        let mut state = self.lock();
        Ok(match state.begin_take(field, seen, now)? {
            Taking::Own => Taking::Own,
            Taking::Again => Taking::Again,
            Taking::Claim(plan) => Taking::Claim(self.takes_off(&mut state, plan, now)),
        })
    }
}
